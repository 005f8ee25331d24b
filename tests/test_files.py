"""Opening what is compressed, and outputs that are whole or not there."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from xopen import xopen

from genolstm import files
from genolstm.errors import InputError, OutputError
from genolstm.files import (
    atomic_path,
    atomic_text,
    check_output,
    check_outputs,
    display_name,
    open_input,
    read_lines,
    readable,
    sha256,
)

TEXT = b"".join(b"line %d of a file that is worth compressing\n" % i for i in range(2000))


def compressed(form: str, path: Path) -> bytes:
    if form == "zst":
        with xopen(path, "wb", format="zst", threads=0) as stream:
            stream.write(TEXT)
        return path.read_bytes()
    return {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[form](TEXT)


@pytest.mark.parametrize("form", ["plain", "gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("name", ["x", "x.gz", "x.txt", "x.zst"])
def test_compression_is_told_by_content(tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(compressed(form, tmp_path / "made"))
    with open_input(path) as stream:
        assert stream.read() == TEXT
    assert [line for _, line in read_lines(path)] == TEXT.decode().splitlines()


@pytest.mark.parametrize("form", ["plain", "gz", "zst"])
def test_standard_input(tmp_path: Path, monkeypatch, form: str) -> None:
    packed = io.BytesIO(compressed(form, tmp_path / "made"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))
    with open_input("-") as stream:
        assert stream.read() == TEXT
    assert display_name("-") == "<stdin>"


@pytest.mark.parametrize("form", ["plain", "gz"])
def test_a_pipe_is_read_once(tmp_path: Path, form: str) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = compressed(form, tmp_path / "made")
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    with open_input(path) as stream:
        assert stream.read() == TEXT
    writer.join(10)


@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("kept", [0.5, -1])
def test_truncated_input(tmp_path: Path, form: str, kept: float) -> None:
    content = compressed(form, tmp_path / "made")
    path = tmp_path / "cut"
    path.write_bytes(content[: int(kept * len(content)) if kept > 0 else int(kept)])
    with pytest.raises(InputError) as error, readable(path), open_input(path) as stream:
        stream.read()
    assert error.value.path == str(path)
    assert "truncated" in error.value.reason or "decompressed" in error.value.reason


@pytest.mark.parametrize("form", ["gz", "bz2", "xz", "zst"])
def test_damaged_input(tmp_path: Path, form: str) -> None:
    good = compressed(form, tmp_path / "made")
    path = tmp_path / "x"
    found = []
    places = range(8, len(good) - 12, 97)
    for place in places:
        bad = bytes(b ^ 0xFF for b in good[place : place + 8])
        path.write_bytes(good[:place] + bad + good[place + 8 :])
        try:
            with readable(path), open_input(path) as stream:
                stream.read()
        except InputError as error:  # and nothing else, for all that decompressors raise
            found.append(str(error))
    # This zst file has no checksum: not every change can be seen.
    assert len(found) == len(places) if form != "zst" else len(found) > len(places) // 4
    assert not [text for text in found if "\n" in text]
    assert not [text for text in found if "decompressed" not in text and "truncated" not in text]


def test_readable_passes_on_what_is_not_about_reading(tmp_path: Path) -> None:
    for kind in (ValueError, BrokenPipeError, KeyboardInterrupt):
        with pytest.raises(kind), readable(tmp_path):
            raise kind


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_input(tmp_path / "none")
    with pytest.raises(InputError, match="is a folder"):
        open_input(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be read"):
        open_input(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_input_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        open_input(path)


def test_lines_have_numbers_and_no_ends(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("a\r\nbü\n\nlast".encode())
    assert list(read_lines(path)) == [(1, "a"), (2, "bü"), (3, ""), (4, "last")]
    path.write_bytes(b"a\nb\xff\n")
    with pytest.raises(InputError, match="is not text") as error:
        list(read_lines(path))
    assert error.value.line == 2


# --- outputs ------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_text_is_compressed_by_name_and_appears_when_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.txt{suffix}"
    with atomic_text(path) as stream:
        stream.write("first\n")
        stream.flush()
        assert not path.exists()
        stream.write("ü\n")
    with open_input(path) as stream:
        assert stream.read() == "first\nü\n".encode()
    assert names(tmp_path) == [path.name]
    assert bool(suffix) == (path.read_bytes() != "first\nü\n".encode())


def test_the_same_text_is_the_same_gzip_file(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        with atomic_text(tmp_path / name) as stream:
            stream.write("x" * 1000)
    assert sha256(tmp_path / "a.gz") == sha256(tmp_path / "b.gz")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz", "out.txt.zst"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, name: str, error) -> None:
    def write() -> None:
        with atomic_text(tmp_path / name, force=True) as stream:
            stream.write("half")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == []
    (tmp_path / name).write_text("old")
    with pytest.raises(error):
        write()
    assert (tmp_path / name).read_text() == "old"
    assert names(tmp_path) == [name]


def test_existing_output_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(OutputError, match="already exists; use --force"), atomic_text(path):
        pass
    assert path.read_text() == "old"
    with atomic_text(path, force=True) as stream:
        stream.write("new")
    assert path.read_text() == "new"


def test_permissions_are_those_of_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "ours") as temporary:
        temporary.write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


def test_of_a_link_the_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere" / "real")
    for content in ("first", "second"):
        with atomic_text(link, force=True) as stream:
            stream.write(content)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "real").read_text() == content
    assert names(tmp_path / "elsewhere") == ["real"]


def test_devices_and_pipes_are_written_to_as_they_are(tmp_path: Path) -> None:
    with atomic_text(os.devnull) as stream:
        stream.write("x")
    assert Path(os.devnull).is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    with atomic_text(pipe) as stream:
        stream.write("through")
    reader.join(10)
    assert found == ["through"]
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk() -> None:
    said = r"/dev/full: cannot be written \(No space left"
    with pytest.raises(OutputError, match=said), atomic_text("/dev/full") as stream:
        stream.write("x" * 100_000)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the output folder does not exist"):
        check_output(tmp_path / "none" / "x", force=True)
    with pytest.raises(OutputError, match="is a folder, a file name is needed"):
        check_output(tmp_path, force=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        check_output(tmp_path / "file" / "x", force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(tmp_path / ("x" * 300), force=True)
    with pytest.raises(OutputError, match="cannot be written"), atomic_path(tmp_path / ("x" * 250)):
        pass


def test_folder_that_is_not_writable(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.geteuid() == 0:  # who may write everywhere
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    with pytest.raises(OutputError, match="the output folder is not writable"):
        check_output(folder / "x", force=True)
    folder.chmod(0o700)


def test_two_outputs_need_two_names(tmp_path: Path) -> None:
    check_outputs([tmp_path / "a", None, tmp_path / "b", "-", os.devnull, os.devnull], force=False)
    (tmp_path / "sub").mkdir()
    with pytest.raises(OutputError, match="is given for two outputs"):
        check_outputs([tmp_path / "a", tmp_path / "sub" / ".." / "a"], force=False)
    with pytest.raises(OutputError, match="<stdout>: is given for two outputs"):
        check_outputs(["-", "-"], force=False)


def test_standard_output(capsys) -> None:
    with atomic_text("-") as stream:
        stream.write("x\n")
    assert capsys.readouterr().out == "x\n"


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_LONGEST_LINE", 100)
    path = tmp_path / "x"
    path.write_bytes(b"a\n" + b"b" * 99 + b"\n")
    with pytest.raises(InputError, match=r":2: the line is longer than"):
        list(files.read_lines(path))
    path.write_bytes(b"a\n" + b"b" * 98 + b"\n" + b"c" * 99)
    assert [len(line) for _, line in files.read_lines(path)] == [1, 98, 99]
