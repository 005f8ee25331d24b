"""Zip files: written plainly, and read although a stranger may have made them.

What is read is exactly what a plain writer makes: members of known names one after the other from the
first byte on, each stored or deflated, and then the directory. Nothing is encrypted, linked,
hidden in gaps, or there twice, and nothing is ever written to a disk.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping

from genolstm.errors import ModelError

# Weights hardly compress, so a file that grows much on unpacking is not a bundle.
MAX_GROWTH, FREE_GROWTH = 4, 1 << 26

_EPOCH = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2IH")
_LOCAL = struct.Struct("<4s5H3I2H")
_MALFORMED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    ArithmeticError,
)


class MalformedArchive(Exception):
    """The bytes are not a zip file as a plain writer makes it."""


def read_archive(content: bytes, allowed: Collection[str], *, what: str) -> dict[str, bytes]:
    """Return the members of a zip file by name.

    Parameters
    ----------
    allowed
        The names that a member may have.
    what
        What the file is, for messages.

    Raises
    ------
    ModelError
        A member has another name, is there twice, or would unpack to too much.
    MalformedArchive
        The file is damaged, or of an unusual make.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            for name in names:
                if name not in allowed:
                    raise ModelError(f"{what} holds a member it should not: {name[:100]!r}")
            if len(set(names)) != len(names):
                raise ModelError(f"{what} holds a member twice")
            if sum(info.file_size for info in infos) > FREE_GROWTH + MAX_GROWTH * len(content):
                raise ModelError(f"{what} would unpack to more than a model needs")
            place = 0
            for info in infos:
                place = _check(content, info, place)
            end = len(content) - len(archive.comment) - _END.size
            count = len(infos)
            if _END.unpack_from(content, end) != (
                *(b"PK\x05\x06", 0, 0, count, count, end - place, place, len(archive.comment)),
            ):
                raise MalformedArchive("directory")
            return {info.filename: _read(archive, info) for info in infos}
    except _MALFORMED as error:
        raise MalformedArchive(str(error)) from error


def write_archive(members: Mapping[str, bytes], *, compress: bool = True, comment: bytes = b"") -> bytes:
    """Return a zip file; the same members give the same bytes on every platform."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            member.create_system = 3
            member.external_attr = 0o644 << 16
            target.writestr(member, content, compresslevel=9)
        target.comment = comment
    return packed.getvalue()


def _check(content: bytes, info: zipfile.ZipInfo, place: int) -> int:
    """Refuse a member that is not a plain file at this place; return the place after it."""
    if info.header_offset != place:
        raise MalformedArchive("place")
    if info.flag_bits or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MalformedArchive("encrypted, or packed in an unusual way")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG) or info.orig_filename != info.filename:
        raise MalformedArchive("not a file")
    signature, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(content, place)
    same = (flags, method, crc, packed, size) == (0, info.compress_type, info.CRC, info.compress_size, info.file_size)
    if signature != b"PK\x03\x04" or not same:
        raise MalformedArchive("header")
    return place + _LOCAL.size + name + extra + info.compress_size


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # The stated size is a claim: read at most one byte more, however much there is.
    with archive.open(info) as stream:
        content = stream.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise MalformedArchive("size")
    return content
