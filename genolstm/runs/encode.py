"""``genolstm encode``: tables of k-mer counts and arrays of one-hot windows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, atomic_path, atomic_text, check_paths, display_name
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.fasta import Record, read_codes
from genolstm.sequences.kmers import count_kmers, count_table, decode_kmer, one_hot, windows

MAX_WIDE_K = 8
# Windows are expanded to one-hot this many bases at a time.
_BLOCK = 1 << 20


def write_kmer_counts(
    path: PathLike,
    output: PathLike = "-",
    *,
    k: int = 4,
    canonical: bool = True,
    window: int | None = None,
    step: int | None = None,
    wide: bool = False,
    skip_short: bool = False,
    force: bool = False,
) -> int:
    """Write the k-mer counts of each record, or of each window of it, as a table.

    Parameters
    ----------
    path
        FASTA or FASTQ file; ``-`` is standard input.
    output
        Tab-separated text, compressed according to its suffix; ``-`` is standard output. Columns are
        ``record start end kmer count`` (0-based half-open; only k-mers that occur), or, if
        ``wide``, ``record start end`` and one column per k-mer.
    k
        Length of the k-mers, 1 to 31; at most 8 if ``wide``.
    canonical
        Count a k-mer and its reverse complement as one.
    window, step
        Length of a window, and distance from one window's start to the next (by default the same),
        in bases; without ``window``, each record is counted as a whole.
    skip_short
        Skip records that are too short instead of refusing them.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    InputError
        The file is not valid FASTA or FASTQ, or a record is too short.
    SettingError
        A setting has an invalid value.
    """
    if wide and k > MAX_WIDE_K:
        raise SettingError(f"a wide table needs k up to {MAX_WIDE_K}, not {k}")
    if window is not None and window < k:
        raise SettingError(f"a window of {window} bases holds no {k}-mer")
    if step is not None and window is None:
        raise SettingError("a step needs a window")
    check_paths([path], [output], force=force)
    names: list[str] = []
    columns: npt.NDArray[np.int64] | None = None
    if wide:
        everything = np.arange(4**k, dtype=np.int64)
        columns = everything[_is_canonical(k)] if canonical else everything
        names = [decode_kmer(word, k) for word in columns]
    rows = 0
    with atomic_text(output, force=force) as stream:
        head = ["#record", "start", "end", *(names if wide else ["kmer", "count"])]
        stream.write("\t".join(head) + "\n")
        for record, codes in _long_enough(path, k if window is None else window, skip_short):
            size = codes.size if window is None else window
            for start, piece in _pieces(codes, size, step):
                place = f"{record.name}\t{start}\t{start + size}"
                if columns is not None:
                    table = count_table(piece, k, canonical=canonical)[columns]
                    stream.write(place + "\t" + "\t".join(map(str, table.tolist())) + "\n")
                    rows += 1
                    continue
                found = count_kmers(piece, k, canonical=canonical)
                for word, count in zip(found.kmers.tolist(), found.counts.tolist(), strict=True):
                    stream.write(f"{place}\t{decode_kmer(word, k)}\t{count}\n")
                rows += found.kmers.size
    return rows


def write_one_hot(
    path: PathLike,
    output: PathLike,
    *,
    window: int = 1000,
    step: int | None = None,
    skip_short: bool = False,
    force: bool = False,
) -> int:
    """Write one-hot windows as a NumPy ``.npz`` file, without pickle.

    The file holds ``onehot`` (uint8, shape (windows, bases, 4), in the order A, C, G, T; all 0
    for an unknown base), ``record`` (text, shape (windows,)) and ``start`` (int64, 0-based).
    Memory is one byte per base. The same input gives the same bytes.

    Returns
    -------
    int
        Number of windows written.

    Raises
    ------
    InputError
        The file is not valid FASTA or FASTQ, or a record is shorter than a window.
    OutputError
        The output cannot be written, or standard output is a terminal.
    """
    check_paths([path], [output], force=force)
    names: list[str] = []
    starts: list[npt.NDArray[np.int64]] = []
    pieces: list[Codes] = []
    for record, codes in _long_enough(path, window, skip_short):
        cut = windows(codes, window, step)
        names += [record.name] * len(cut)
        starts.append(np.arange(len(cut), dtype=np.int64) * (step or window))
        pieces.append(cut)
    if not pieces:
        raise InputError("no record is as long as a window", path=display_name(path))
    with (
        atomic_path(output, force=force) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        with _member(archive, "onehot") as stream:
            _write_head(stream, (len(names), window, 4))
            for cut in pieces:
                rows = max(1, _BLOCK // window)
                for first in range(0, len(cut), rows):
                    stream.write(one_hot(cut[first : first + rows], np.uint8).tobytes())
        with _member(archive, "record") as stream:
            np.lib.format.write_array(stream, np.array(names, dtype=np.str_), allow_pickle=False)
        with _member(archive, "start") as stream:
            np.lib.format.write_array(stream, np.concatenate(starts), allow_pickle=False)
    return len(names)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    # A fixed date, because zip files would otherwise depend on when they were made.
    info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(info, "w", force_zip64=True)


def _write_head(stream: IO[bytes], shape: tuple[int, ...]) -> None:
    head: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, head)


def _is_canonical(k: int) -> npt.NDArray[np.bool_]:
    from genolstm.sequences.kmers import reverse_complement_kmers

    words = np.arange(4**k, dtype=np.uint64)
    return words <= reverse_complement_kmers(words, k)


def _pieces(codes: Codes, size: int, step: int | None) -> Iterator[tuple[int, Codes]]:
    for number, piece in enumerate(windows(codes, size, step)):
        yield number * (step or size), piece


def _long_enough(path: PathLike, least: int, skip: bool) -> Iterator[tuple[Record, Codes]]:
    for record, codes in read_codes(path):
        if codes.size >= least:
            yield record, codes
        elif not skip:
            raise InputError(
                f"has {codes.size} bases, fewer than the {least} needed",
                path=display_name(path),
                line=record.line,
                record=record.name,
                hint="use --skip-short to skip such records",
            )
