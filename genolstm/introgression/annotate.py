"""A VCF with the segments written into its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name, is_regular, open_input, read_lines, readable
from genolstm.introgression.doors.blocks import Door
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import Segment
from genolstm.numbers import read_integer

_SOURCE, _SEGMENT = "ARCHAIC_OF", "SEG"
_META = (
    f'##INFO=<ID={_SOURCE},Number=.,Type=String,Description="Sources of the archaic segments that a haplotype has '
    'here; several names joined by | are not told apart">',
    f'##FORMAT=<ID={_SEGMENT},Number=1,Type=String,Description="Archaic segments here, of the first and the second '
    'haplotype">',
)
_NAMES = (".vcf", ".vcf.gz", ".vcf.bgz")
_BCF = b"BCF"


def check_annotatable(door: Door, output: PathLike) -> PathLike:
    """Return the VCF whose records will be annotated, or refuse.

    Raises
    ------
    SettingError
        The input is not one VCF that can be read twice, or the output is not called one.
    """
    if not str(output).endswith(_NAMES):
        raise SettingError(f"an annotated VCF is called {', '.join(_NAMES[:-1])} or {_NAMES[-1]}")
    if not isinstance(door, VcfDoor):
        raise SettingError("only records of a VCF can be annotated")
    paths = [path for role, path in door.inputs().items() if role == "vcf" or role.startswith("vcf ")]
    if len(paths) != 1:
        raise SettingError(f"one VCF can be annotated, and there are {len(paths)}", hint="scan one file at a time")
    path = paths[0]
    if not is_regular(path):
        raise SettingError("annotating reads the VCF a second time, and this is no plain file", hint="give a VCF file")
    with readable(path), open_input(path) as stream:
        start = stream.read(len(_BCF))
    if start == _BCF:
        raise SettingError("a BCF cannot be annotated", hint="make a VCF of it: bcftools view -Oz")
    return path


def annotate(
    vcf: PathLike, stream: IO[str], segments: Sequence[Segment], sources: Sequence[str], *, stamp: str | None = None
) -> int:
    """Write all records of a VCF, those in segments with their sources and ids; return the number of these.

    Parameters
    ----------
    segments
        In the order of the output, which their ids follow.
    sources
        Names of the archaic sources, and ``unknown``.
    stamp
        What made it, for the header.

    Raises
    ------
    InputError
        The VCF has such fields already, or is damaged.
    """
    ids = segment_ids((segment.source for segment in segments), sources)
    of_chrom: dict[str, list[tuple[Segment, str]]] = {}
    for pair in zip(segments, ids, strict=True):
        of_chrom.setdefault(pair[0].chrom, []).append(pair)
    columns: dict[str, int] = {}
    chrom, written = "", 0
    here: list[tuple[Segment, str]] = []
    waiting: Iterator[tuple[Segment, str]] = iter(here)
    ahead: tuple[Segment, str] | None = None
    for number, line in read_lines(vcf):
        if line.startswith("##"):
            if line.startswith((f"##INFO=<ID={_SOURCE},", f"##FORMAT=<ID={_SEGMENT},")):
                raise InputError(
                    "was annotated before",
                    path=display_name(vcf),
                    line=number,
                    hint=f"remove it: bcftools annotate -x INFO/{_SOURCE},FORMAT/{_SEGMENT}",
                )
        elif line.startswith("#"):
            names = line.split("\t")
            columns = {name: column for column, name in enumerate(names) if column > 8}
            stream.write("".join(f"{meta}\n" for meta in (*_META, *([f"##{stamp}"] if stamp else []))))
        elif line:
            name, text, _ = line.split("\t", 2)
            if name != chrom:
                chrom, waiting, here = name, _by_start(of_chrom.get(name, [])), []
                ahead = next(waiting, None)
            position = read_integer(text, "a position", path=display_name(vcf), line=number) - 1
            while ahead is not None and ahead[0].start <= position:
                here.append(ahead)
                ahead = next(waiting, None)
            here = [pair for pair in here if pair[0].end > position]
            if here:
                line = _annotated(line, here, columns, vcf, number)
                written += 1
        stream.write(line + "\n")
    return written


def _by_start(pairs: Sequence[tuple[Segment, str]]) -> Iterator[tuple[Segment, str]]:
    return iter(sorted(pairs, key=lambda pair: pair[0].start))


def _annotated(
    line: str, here: Sequence[tuple[Segment, str]], columns: dict[str, int], vcf: PathLike, number: int
) -> str:
    fields = line.split("\t")
    found: dict[int, list[str]] = {}
    for segment, name in here:
        column = columns.get(segment.sample, len(fields))
        if column >= len(fields):
            raise InputError(f"has no genotype of {segment.sample}", path=display_name(vcf), line=number)
        found.setdefault(column, [".", "."])[int(segment.haplotype) - 1] = name
    told = f"{_SOURCE}={','.join(dict.fromkeys(segment.source for segment, _ in here))}"
    fields[7] = told if fields[7] == "." else f"{fields[7]};{told}"
    keys = fields[8].count(":") + 1
    fields[8] += f":{_SEGMENT}"
    for column in range(9, len(fields)):
        # Values at the end of a sample may be left out.
        missing = keys - fields[column].count(":") - 1
        fields[column] += ":." * missing + ":" + ("|".join(found[column]) if column in found else ".")
    return "\t".join(fields)
