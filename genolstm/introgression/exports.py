"""Segments and posteriors in the formats of other tools: GFF3, coloured BED for browsers, bigWig."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

import numpy as np

from genolstm.errors import OutputError
from genolstm.files import PathLike
from genolstm.introgression.carriers import SEVERAL
from genolstm.introgression.formats import _written, runs, stamp_line
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import PosteriorBlock, Segment
from genolstm.introgression.settings import UNKNOWN_SOURCE
from genolstm.sequences.bigwig import BIGWIG, Span

#: Name of a segment's kind in the Sequence Ontology (SO:0000664), which GFF3 asks for.
FEATURE = "introgressed_chromosome_region"
PROGRAM = "GenoLSTM"

#: Most characters that the UCSC browser shows of the description of a track.
_DESCRIPTION = 60


class Colour(NamedTuple):
    """A colour: its name, and red, green and blue from 0 to 255; ``dark`` if it is another one on a dark ground."""

    name: str
    rgb: tuple[int, int, int]
    dark: tuple[int, int, int] | None = None

    @property
    def hex(self) -> str:
        """The colour as figures and pages take it, such as ``#0072B2``."""
        return "#{:02X}{:02X}{:02X}".format(*self.rgb)

    @property
    def hex_on_dark(self) -> str:
        """The same on a dark ground."""
        return self.hex if self.dark is None else self._replace(rgb=self.dark).hex


#: Okabe and Ito's colours, which colour-blind readers tell apart; by source, in the order of the sources.
SOURCE_COLOURS = (
    Colour("blue", (0, 114, 178)),
    Colour("vermilion", (213, 94, 0)),
    Colour("green", (0, 158, 115)),
    Colour("purple", (204, 121, 167)),
    Colour("sky blue", (86, 180, 233)),
    Colour("orange", (230, 159, 0)),
    Colour("yellow", (240, 228, 66)),
)
UNKNOWN_COLOUR = Colour("grey", (127, 127, 127))
SEVERAL_COLOUR = Colour("black", (0, 0, 0), (255, 255, 255))
"""Of a segment that may be of several sources."""


def source_colours(sources: Sequence[str]) -> dict[str, Colour]:
    """Return the colour of each source, wherever it is drawn: in tracks for browsers, figures and pages.

    They begin anew after the seventh; ``unknown`` has its own, and so have names of several (``a|b``).
    """
    own = {source: UNKNOWN_COLOUR for source in sources if source == UNKNOWN_SOURCE}
    own |= {source: SEVERAL_COLOUR for source in sources if SEVERAL in source}
    named = [source for source in sources if source not in own]
    return {source: SOURCE_COLOURS[i % len(SOURCE_COLOURS)] for i, source in enumerate(named)} | own


# --- GFF3 ---------------------------------------------------------------------------------------

# What the specification wants escaped: in a name of a sequence, all but these; in attributes, these.
_NO_SEQUENCE = re.compile(r"[^a-zA-Z0-9.:^*$@!+_?|-]")
_NO_ATTRIBUTE = re.compile(r"[\x00-\x1f\x7f%;=&,]")


def _escaped(text: str, what: re.Pattern[str]) -> str:
    return what.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8")), text)


def write_gff3(
    stream: IO[str],
    segments: Sequence[Segment],
    sources: Sequence[str],
    *,
    lengths: Mapping[str, int],
    stamp: str | None = None,
) -> None:
    """Write segments as GFF3, one feature each; ``score`` is the posterior, ``ID`` and ``Name`` the id.

    Parameters
    ----------
    segments
        In the order of the output, which their ids follow (see :mod:`genolstm.introgression.ids`).
    sources
        Names of the archaic sources, and ``unknown``, in the order of the segments' shares.
    lengths
        Lengths of the sequences that were read, in bp.
    stamp
        What made them, as :func:`~genolstm.introgression.formats.model_stamp` gives it.

    References
    ----------
    https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md
    """
    stream.write("##gff-version 3\n")
    if stamp is not None:
        # Two of # begin a directive here, which readers may refuse if they do not know it.
        stream.write(f"#{stamp}\n")
    for chrom, length in lengths.items():
        stream.write(f"##sequence-region {_escaped(chrom, _NO_SEQUENCE)} 1 {length}\n")
    for name, segment in zip(segment_ids((s.source for s in segments), sources), segments, strict=True):
        attributes = {
            "ID": name,
            "Name": name,
            "source": segment.source,
            "sample": segment.sample,
            "haplotype": segment.haplotype,
            "n_sites": str(segment.n_sites),
            "n_match": str(segment.n_match),
            **{f"posterior_{s}": f"{share:.4f}" for s, share in zip(sources, segment.shares, strict=False)},
        }
        last = ";".join(f"{_escaped(key, _NO_ATTRIBUTE)}={_escaped(v, _NO_ATTRIBUTE)}" for key, v in attributes.items())
        stream.write(
            f"{_escaped(segment.chrom, _NO_SEQUENCE)}\t{PROGRAM}\t{FEATURE}\t{segment.start + 1}\t{segment.end}\t"
            f"{segment.posterior:.4f}\t.\t.\t{last}\n"
        )


# --- a track for genome browsers ------------------------------------------------------------------


def write_track(
    stream: IO[str], segments: Sequence[Segment], sources: Sequence[str], *, stamp: str | None = None
) -> None:
    """Write segments as BED9 with a ``track`` line, coloured by source, as the UCSC browser and IGV show it.

    ``name`` is the id, and behind it the haplotype as ``SAMPLE#HAPLOTYPE``; white space, at which browsers may cut
    lines, is replaced. The parameters are those of :func:`write_gff3`.
    """
    colours = source_colours(sources)
    if stamp is not None:
        stream.write(stamp_line(stamp) + "\n")
    for source, colour in colours.items():
        stream.write(f"# {source}: {colour.name}, {_rgb(colour)}\n")
    stream.write(f"# several sources possible: {SEVERAL_COLOUR.name}, {_rgb(SEVERAL_COLOUR)}\n")
    legend = "Archaic: " + ", ".join(f"{source} {colour.name}" for source, colour in colours.items())
    if len(legend) > _DESCRIPTION:
        legend = "Archaic segments by source"
    stream.write(f'track name="archaic" description="{legend}" visibility=2 itemRgb="On"\n')
    for name, segment in zip(segment_ids((s.source for s in segments), sources), segments, strict=True):
        colour = colours.get(segment.source, SEVERAL_COLOUR)
        label = re.sub(r"\s", "_", f"{name}:{segment.sample}#{segment.haplotype}")
        chrom, place = _written(segment.chrom), f"{segment.start}\t{segment.end}"
        stream.write(f"{chrom}\t{place}\t{label}\t{round(1000 * segment.posterior)}\t.\t{place}\t{_rgb(colour)}\n")


def _rgb(colour: Colour) -> str:
    return ",".join(map(str, colour.rgb))


# --- bigWig -------------------------------------------------------------------------------------


class Lengths:
    """Lengths of the sequences that were read, as far as they are known; else where the reading ended."""

    def __init__(self, bin_size: int) -> None:
        self.bin_size = bin_size
        self.of: dict[str, int] = {}

    def add(self, block: PosteriorBlock) -> None:
        """Add a block; haplotypes of one sequence may differ in length, and the longest counts."""
        end = (block.first_bin + block.posterior.shape[1]) * self.bin_size
        self.of[block.chrom] = max(self.of.get(block.chrom, 0), end if block.length is None else block.length)


class MeanPosterior:
    """The mean posterior of all haplotypes in each bin, where at least one is known.

    It estimates which share of them is archaic there.
    """

    def __init__(self, bin_size: int) -> None:
        self.bin_size = bin_size
        #: By sequence: the sum of posteriors and number of haplotypes, from the first bin on.
        self._sums: dict[str, np.ndarray] = {}

    def add(self, block: PosteriorBlock) -> None:
        """Add a block."""
        known = block.known()
        begin, end = block.first_bin, block.first_bin + known.shape[1]
        sums = self._sums.setdefault(block.chrom, np.zeros((2, 0)))
        if sums.shape[1] < end:  # doubled, so that it is not copied for every block
            wide = np.zeros((2, max(end, 2 * sums.shape[1])))
            wide[:, : sums.shape[1]] = sums
            sums = self._sums[block.chrom] = wide
        sums[0, begin:end] += np.where(known, block.posterior, 0).sum(axis=0, dtype=np.float64)
        sums[1, begin:end] += known.sum(axis=0)

    def spans(self, lengths: Mapping[str, int]) -> Iterator[Span]:
        """Yield the mean of each bin, by the names of the sequences; neighbours that are equal are one."""
        # Browsers look sequences up in a tree that is sorted by their bytes.
        for chrom in sorted(self._sums, key=str.encode):
            total, count = self._sums[chrom]
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = np.round(total / count, 4)
            for first, stop, value in runs(mean):
                start, end = first * self.bin_size, min(stop * self.bin_size, lengths[chrom])
                if not np.isnan(value) and start < end:
                    yield chrom, start, end, value


def bigwig_name(sample: str, haplotype: str) -> str:
    """Return the name of a haplotype's bigWig, which no other has; what no file system likes is escaped as in URLs."""
    return f"{quote(sample, safe='')}.{quote(haplotype, safe='').replace('.', '%2E')}{BIGWIG}"


def check_folder_of_bigwigs(folder: PathLike, *, force: bool) -> list[Path]:
    """Return the bigWigs that a folder holds already, which are to be replaced.

    Raises
    ------
    OutputError
        It is a file; it holds other files too, or, without ``force``, any.
    """
    place = Path(folder)
    if not place.exists():
        return []
    if not place.is_dir():
        raise OutputError("is a file, a folder is needed", path=folder)
    found = sorted(place.iterdir())
    other = next((path.name for path in found if path.suffix != BIGWIG), None)
    if other is not None:
        raise OutputError(f"holds {other}, which is no bigWig", path=folder, hint="name a folder of its own")
    if found and not force:
        raise OutputError("already exists", path=folder, hint="use --force to replace it")
    return found
