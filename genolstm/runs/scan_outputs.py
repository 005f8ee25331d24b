"""What a scan writes besides its manifest: one writer for each output, told every block and all that was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

from genolstm.bgzf import BED, GFF, Layout
from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike, check_folder, index_path, is_bgzf, is_file_output
from genolstm.introgression import exports, formats
from genolstm.introgression.calls import calls_of, sites_of
from genolstm.introgression.evidence import Evidence, Weights
from genolstm.introgression.segments import PosteriorBlock, Segment
from genolstm.introgression.summary import MULTIQC, Summary, write_multiqc, write_summary
from genolstm.introgression.variants.people import Populations
from genolstm.introgression.windows import PosteriorWindows
from genolstm.runs import page
from genolstm.sequences import bigwig

_PACKED = (".gz", ".bgz", ".bz2", ".xz", ".zst")
TABLE_NAMES = (".tsv", ".txt")
"""Ends of names of tables."""
BED_NAMES = (".bed", *TABLE_NAMES)
"""Ends of names of BED files."""
#: Ends of names that promise a format; those of other formats are refused.
_PROMISES = (
    *(".bed", ".bedgraph", ".bg", ".bdg", ".wig", ".gff3", ".gff", ".gtf", ".bw", ".bigwig", ".bb", ".bigbed"),
    *(".tsv", ".txt", ".csv", ".json", ".html", ".vcf", ".bcf"),
)


class Account(NamedTuple):
    """How a scan was made: the name of its segments, its manifest, who was scanned, and the sites if they are told."""

    title: str
    manifest: dict[str, Any]
    populations: Populations | None
    evidence: Evidence | None
    weights: Weights | None


@dataclass
class Scan:
    """What the writers of a scan share.

    Attributes
    ----------
    bin_size
        Length of a bin in bp.
    sources
        Names of the archaic sources, and ``unknown``.
    stamp
        What made the output.
    segments, summary
        What was found, once the scan is over.
    account
        How it was made, once all else is known.
    """

    bin_size: int
    sources: tuple[str, ...]
    stamp: str
    segments: Sequence[Segment] = ()
    summary: Summary = field(default_factory=lambda: Summary((), ()))
    account: Account | None = None

    def __post_init__(self) -> None:
        #: Lengths of the sequences.
        self.lengths = exports.Lengths(self.bin_size)
        #: The posteriors of each haplotype, which two outputs may need.
        self.tracks = formats.BedGraphCollector(self.bin_size)


class Writer:
    """One output of a scan.

    Parameters
    ----------
    path
        Where it appears.
    scan
        What the writers share; it is complete when :meth:`finish` is called.
    """

    #: Ends of names that tell of this format; what compresses may stand behind them.
    suffixes: ClassVar[tuple[str, ...]] = ()
    #: Whether other ends are refused, as the format is chosen, or found by others, by the name; else only those
    #: that promise another format are.
    strict: ClassVar[bool] = False
    #: Whether it may be compressed by its name.
    packs: ClassVar[bool] = True
    #: Whether it needs the posteriors of each haplotype until the end.
    keeps_tracks: ClassVar[bool] = False
    #: Whether it tells what the manifest does, and is finished after what the manifest tells of.
    tells_all: ClassVar[bool] = False
    #: Where its lines have their positions; None if it cannot have an index.
    layout: ClassVar[Layout | None] = None

    def __init__(self, path: PathLike, scan: Scan) -> None:
        self.path, self.scan = path, scan
        self.index = False

    @classmethod
    def check(cls, path: PathLike, what: str) -> None:
        """Refuse an unsuitable name, or a format whose library is not installed, before any work is done."""
        check_name(path, what, cls.suffixes, strict=cls.strict, packs=cls.packs)

    @classmethod
    def may_index(cls, path: PathLike) -> bool:
        """Return whether an index of this output can be written."""
        return cls.layout is not None and is_bgzf(path)

    def begin(self, outputs: Outputs) -> None:
        """Open what is written as the scan goes on."""

    def add(self, block: PosteriorBlock) -> None:
        """Take a block."""

    def finish(self, outputs: Outputs) -> list[str]:
        """Write what is to be written in the end; return lines that warn."""
        return []

    def text(self, outputs: Outputs, layout: Layout = BED) -> IO[str]:
        """Open the output as text."""
        return outputs.text(self.path, index=self.index, layout=layout)


class Segments(Writer):
    """The segments: BED, or GFF3 by its name."""

    suffixes = (".bed", ".gff3", ".gff", *TABLE_NAMES)
    strict = True
    layout = BED

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the segments."""
        scan = self.scan
        if is_gff3(self.path):
            stream = self.text(outputs, GFF)
            lengths = scan.lengths.of
            exports.write_gff3(stream, scan.segments, scan.sources, lengths=lengths, stamp=scan.stamp)
        else:
            formats.write_segments(self.text(outputs), scan.segments, scan.sources, stamp=scan.stamp)
        return []


class Posteriors(Writer):
    """The posterior of every bin, as a table, which is written as the scan goes on."""

    suffixes = BED_NAMES  # it begins as BED does
    layout = BED

    def begin(self, outputs: Outputs) -> None:
        """Write the header."""
        self._stream = self.text(outputs)
        formats.write_posterior_header(self._stream, self.scan.sources)

    def add(self, block: PosteriorBlock) -> None:
        """Write a block."""
        formats.write_posteriors(self._stream, block, self.scan.bin_size)


class BedGraph(Writer):
    """Posteriors as bedGraph."""

    suffixes = (".bedgraph", ".bg", ".bdg", ".wig", *TABLE_NAMES)
    keeps_tracks = True

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the tracks."""
        self.scan.tracks.write(self.text(outputs))
        return []


class Unknown(Writer):
    """The stretches of which nothing is known, as BED."""

    suffixes = BED_NAMES
    layout = BED

    def __init__(self, path: PathLike, scan: Scan) -> None:
        super().__init__(path, scan)
        self._collector = formats.UnknownCollector(scan.bin_size)

    def add(self, block: PosteriorBlock) -> None:
        """Keep a block's stretches."""
        self._collector.add(block)

    def finish(self, outputs: Outputs) -> list[str]:
        """Write them."""
        self._collector.write(self.text(outputs))
        return []


class Track(Writer):
    """The segments as a coloured track for genome browsers."""

    suffixes = (".bed",)

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the track."""
        scan = self.scan
        exports.write_track(self.text(outputs), scan.segments, scan.sources, stamp=scan.stamp)
        return []


class BigWig(Writer):
    """The mean posterior of all haplotypes as bigWig."""

    suffixes = (bigwig.BIGWIG, ".bigwig")
    strict = True
    packs = False

    def __init__(self, path: PathLike, scan: Scan) -> None:
        super().__init__(path, scan)
        self._mean = exports.MeanPosterior(scan.bin_size)

    @classmethod
    def check(cls, path: PathLike, what: str) -> None:
        """Refuse another name, and what is no file: the format is not written from its begin to its end."""
        super().check(path, what)
        if not is_file_output(path):
            raise SettingError(f"{what} needs a file, not standard output, a pipe or a device")
        bigwig.pybigtools()

    def add(self, block: PosteriorBlock) -> None:
        """Add a block to the means."""
        self._mean.add(block)

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the means; a bigWig without any value cannot be written."""
        lengths = self.scan.lengths.of
        if next(self._mean.spans(lengths), None) is None:
            return [f"{self.path} was not written, as nothing is known of any bin"]
        bigwig.write_bigwig(outputs.path(self.path), self._mean.spans(lengths), lengths, name=self.path)
        return []


class BigWigs(Writer):
    """The posteriors of each haplotype as a bigWig of its own, in a folder."""

    keeps_tracks = True

    @classmethod
    def check(cls, path: PathLike, what: str) -> None:
        """Refuse what cannot be a folder."""
        check_folder(path)
        bigwig.pybigtools()

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the files; those of an earlier scan are removed when these appear."""
        outputs.outdated += exports.check_folder_of_bigwigs(self.path, force=outputs.force)
        folder = outputs.folder(self.path)
        lengths = self.scan.lengths.of
        for (sample, haplotype), spans in self.scan.tracks.tracks(ordered=True):
            name = exports.bigwig_name(sample, haplotype)
            # A haplotype that exists nowhere (the second one of a haploid call) has no value, and no file.
            values = list(spans)
            if values:
                bigwig.write_bigwig(folder / name, values, lengths, name=Path(self.path) / name)
        return []


class SummaryTable(Writer):
    """The summary as a table."""

    suffixes = TABLE_NAMES

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the summary."""
        write_summary(self.text(outputs), self.scan.summary)
        return []


class MultiQC(Writer):
    """The summary as custom content of MultiQC, which finds it by its name."""

    suffixes = (MULTIQC,)
    strict = True
    packs = False

    def finish(self, outputs: Outputs) -> list[str]:
        """Write the summary."""
        write_multiqc(self.text(outputs), self.scan.summary)
        return []


class Page(Writer):
    """All that was found as one HTML page."""

    suffixes = (".html", ".htm")
    strict = True
    packs = False
    tells_all = True

    def __init__(self, path: PathLike, scan: Scan) -> None:
        super().__init__(path, scan)
        self._windows = PosteriorWindows()

    @classmethod
    def check(cls, path: PathLike, what: str) -> None:
        """Refuse a name that no browser would take for a page, and to draw without what draws it."""
        super().check(path, what)
        page.check_drawable()

    def add(self, block: PosteriorBlock) -> None:
        """Keep the highest posteriors of a block."""
        self._windows.add_block(block, self.scan.bin_size)

    def finish(self, outputs: Outputs) -> list[str]:
        """Draw the page; return what it says of what it leaves out."""
        from genolstm.report.page_contents import Found

        scan, account = self.scan, self.scan.account
        assert account is not None
        title, manifest, populations, evidence, weights = account
        found = Found(title, calls_of(scan.segments, scan.sources), manifest, self._windows, populations)
        sites = None if evidence is None else partial(sites_of, scan.segments, scan.sources, evidence, weights)
        return page.write(outputs, self.path, found, sites)


#: A new output is one entry here: what it is called, and its writer. The segments come last: if they exist,
#: everything does.
WRITERS: Mapping[str, tuple[str, type[Writer]]] = {
    "posteriors": ("posteriors", Posteriors),
    "bedgraph": ("a bedGraph", BedGraph),
    "unknown": ("unknown stretches", Unknown),
    "track": ("a track", Track),
    "bigwig": ("a bigWig", BigWig),
    "bigwig_haplotypes": ("bigWigs", BigWigs),
    "summary": ("a summary", SummaryTable),
    "multiqc": ("a file for MultiQC", MultiQC),
    "report": ("a report", Page),
    "output": ("segments", Segments),
}


def check_name(
    path: PathLike, what: str, suffixes: tuple[str, ...], *, strict: bool = False, packs: bool = True
) -> None:
    """Refuse a name that promises another format than an output has; if ``strict``, also one that promises none.

    Raises
    ------
    SettingError
        The name has none of the known ends. Standard output, a pipe or a device need not have any.
    """
    name = Path(path).name
    if not is_file_output(path) and not Path(name).suffix:
        return
    bare = (_unpacked(name) if packs else name).lower()
    if not bare.endswith(suffixes) and (strict or bare.endswith(_PROMISES)):
        packed = f", and {_listed(_PACKED)} may stand behind it" if packs else ""
        raise SettingError(f"the name of {what} must end in {_listed(suffixes)}{packed}: {name} does not")


def is_gff3(path: PathLike) -> bool:
    """Return whether segments of this name are written as GFF3."""
    return _unpacked(Path(path).name).lower().endswith((".gff3", ".gff"))


def without_suffixes(path: PathLike) -> str:
    """Return the name of the segments' file without what tells of its format."""
    name = Path(path).name
    for suffixes in (_PACKED, Segments.suffixes):
        name = next((name.removesuffix(s) for s in suffixes if name.endswith(s) and name != s), name)
    return name


def paths(asked: Mapping[str, PathLike | None], *, index: bool, force: bool) -> tuple[list[PathLike], list[Path]]:
    """Return the files that are written, indexes included, and the folders, with the files in them that are replaced.

    Raises
    ------
    SettingError
        An index is asked for, and no output can have one.
    OutputError
        A folder holds what is not to be replaced.
    """
    written: list[PathLike] = []
    replaced: list[Path] = []
    indexed = []
    for name, path in asked.items():
        if path is None:
            continue
        if WRITERS[name][1] is BigWigs:
            replaced += [Path(path), *exports.check_folder_of_bigwigs(path, force=force)]
            continue
        written.append(path)
        if index and WRITERS[name][1].may_index(path):
            indexed.append(index_path(path))
    if index and not indexed:
        raise SettingError("an index needs an output whose name ends in .gz")
    return [*written, *indexed], replaced


def check_names(asked: Mapping[str, PathLike | None], *, evidence: PathLike | None = None) -> None:
    """Refuse names that promise another format, and formats whose library is not installed."""
    for name, path in asked.items():
        if path is not None:
            what, writer = WRITERS[name]
            writer.check(path, what)
    if evidence is not None:
        SummaryTable.check(evidence, "evidence")


def writers(asked: Mapping[str, PathLike | None], scan: Scan, *, index: bool) -> list[Writer]:
    """Return the writers of what is asked for, in the order in which they finish."""
    made = []
    for name, (_, writer) in WRITERS.items():
        path = asked.get(name)
        if path is not None:
            made.append(writer(path, scan))
            made[-1].index = index and writer.may_index(path)
    return made


def add(block: PosteriorBlock, scan: Scan, told: Sequence[Writer]) -> None:
    """Pass a block to what the writers share, and to each of them."""
    scan.lengths.add(block)
    if any(writer.keeps_tracks for writer in told):
        scan.tracks.add(block)
    for writer in told:
        writer.add(block)


def _unpacked(name: str) -> str:
    """Return a name without the end that tells how the file is compressed."""
    return next((name.removesuffix(end) for end in _PACKED if name.endswith(end)), name)


def _listed(ends: Sequence[str]) -> str:
    return ends[0] if len(ends) == 1 else f"{', '.join(ends[:-1])} or {ends[-1]}"
