"""Whole runs, from files to files: what the commands call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

from genolstm.errors import InputError
from genolstm.files import PathLike, atomic_text, check_outputs, display_name
from genolstm.introgression import formats
from genolstm.introgression.doors.blocks import FastaQuery, Stages, TrackBlock
from genolstm.introgression.evaluate import Evaluation, TruthError, evaluate
from genolstm.introgression.model import DEFAULT_MODEL, IntrogressionClassifier, ScanResult
from genolstm.introgression.segments import DecodeSettings, Segment


@dataclass(frozen=True)
class FastaDoor:
    """Query FASTA against two panels."""

    query: Sequence[PathLike]
    archaic: PathLike
    outgroup: PathLike
    haplotypes: str = "record"
    sharing: bool | None = None
    skip_short: bool = False

    def open(
        self,
        model: IntrogressionClassifier,
        decode: DecodeSettings,
        baseline: str | None,
        stages: Stages,
        progress: Callable[[TrackBlock], None],
    ) -> ScanResult:
        """Prepare the scan."""
        query = FastaQuery(list(self.query), self.haplotypes, self.sharing, self.skip_short)
        return model.open_fasta(
            query,
            archaic=self.archaic,
            outgroup=self.outgroup,
            decode=decode,
            baseline=baseline,
            stages=stages,
            progress=progress,
        )


@dataclass(frozen=True)
class VcfDoor:
    """Samples of a VCF; lists are names with commas, or files of them."""

    vcf: PathLike
    target: PathLike
    outgroup: PathLike
    archaic: PathLike
    chrom: str | None = None
    allow_unphased: bool = False
    callable_mask: PathLike | None = None
    exclude_mask: PathLike | None = None

    def open(
        self,
        model: IntrogressionClassifier,
        decode: DecodeSettings,
        baseline: str | None,
        stages: Stages,
        progress: Callable[[TrackBlock], None],
    ) -> ScanResult:
        """Prepare the scan."""
        masks = [
            formats.read_bed(mask) if mask is not None else None for mask in (self.callable_mask, self.exclude_mask)
        ]
        return model.open_vcf(
            self.vcf,
            target=self.target,
            outgroup=self.outgroup,
            archaic=self.archaic,
            chrom=self.chrom,
            allow_unphased=self.allow_unphased,
            callable_mask=masks[0],
            exclude_mask=masks[1],
            decode=decode,
            baseline=baseline,
            stages=stages,
            progress=progress,
        )


def run_scan(
    door: FastaDoor | VcfDoor,
    *,
    output: PathLike,
    posteriors: PathLike | None = None,
    bedgraph: PathLike | None = None,
    model: PathLike = DEFAULT_MODEL,
    baseline: str | None = None,
    threshold: float | None = None,
    fdr: float | None = None,
    min_length: int = 0,
    threads: int = 0,
    force: bool = False,
    progress: bool = False,
    stages: Stages | None = None,
) -> list[str]:
    """Scan, and write segments and whatever else is asked for; either all files appear or none.

    Returns
    -------
    list of str
        Lines for people: how much was found, and what the VCF reader left out.
    """
    check_outputs([output, posteriors, bedgraph], force=force)
    classifier = IntrogressionClassifier.load(model, threads=threads)
    decode = classifier.decode_settings(threshold=threshold, fdr=fdr, min_length=min_length, baseline=baseline)
    size = classifier.settings.bin
    stages = stages or Stages()
    found: list[Segment] = []
    collector = formats.BedGraphCollector(size) if bedgraph is not None else None
    with ExitStack() as stack:
        tell = stack.enter_context(_progress(progress))
        result = door.open(classifier, decode, baseline, stages, tell)
        table: IO[str] | None = None
        if posteriors is not None:
            table = stack.enter_context(atomic_text(posteriors, force=force))
            formats.write_posterior_header(table)
        for block in result.blocks:
            with stages.time("segments"):
                found += result.decoder.add(block)
                if table is not None:
                    formats.write_posteriors(table, block, size)
                if collector is not None:
                    collector.add(block)
        with stages.time("segments"):
            found.sort()
            if bedgraph is not None and collector is not None:
                collector.write(stack.enter_context(atomic_text(bedgraph, force=force)))
            # Last: where the segments are, everything is.
            stream = stack.enter_context(atomic_text(output, force=force))
            formats.write_segments(stream, found, classifier.label)
    total = sum(segment.end - segment.start for segment in found)
    haplotypes = len({(segment.sample, segment.haplotype) for segment in found})
    lines = [f"{len(found)} segments, {total / 1e6:.2f} Mb, on {haplotypes} haplotypes"]
    if result.reader is not None:
        lines.append(result.reader.counts.summary())
    if result.query is not None and result.query.skipped:
        lines.append(f"{len(result.query.skipped)} records shorter than a bin left out")
    return lines


@contextmanager
def _progress(show: bool) -> Iterator[Callable[[TrackBlock], None]]:
    """Yield a function that tells of each block; a line that renews itself, on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield lambda block: None
        return
    from rich.status import Status

    with Status("reading", console=console) as status:
        done = 0

        def tell(block: TrackBlock) -> None:
            nonlocal done
            done += block.tracks.shape[0] * block.tracks.shape[1]
            status.update(f"{block.chrom}: {done:,} bins")

        yield tell


def run_evaluation(
    segments: PathLike,
    truth: PathLike,
    *,
    posteriors: PathLike | None = None,
    output: PathLike = "-",
    as_json: bool = False,
    seed: int = 1,
    force: bool = False,
) -> Evaluation:
    """Evaluate a scan's files against known tracts and write the result.

    Raises
    ------
    InputError
        A file is wrong, or holds no tract to compare with.
    """
    check_outputs([output], force=force)
    tracts = [interval for interval, _ in formats.read_intervals(truth)]
    if not tracts:
        raise InputError("holds no tract", path=truth)
    table = formats.read_posteriors(posteriors) if posteriors is not None else None
    calls = formats.read_intervals(segments)
    try:
        result = evaluate(calls, tracts, posteriors=table, seed=seed)
    except TruthError as error:
        error.path = display_name(truth)
        error.line = formats.line_of(truth, error.interval)
        raise
    with atomic_text(output, force=force) as stream:
        if as_json:
            stream.write(json.dumps(result.to_dict(), indent=2) + "\n")
        else:
            stream.write(_table(result))
    return result


def _table(result: Evaluation) -> str:
    def interval(bounds: list[float]) -> str:
        return f"\t{bounds[0]:.4f}-{bounds[1]:.4f}" if bounds else ""

    lines = [
        "#measure\tvalue\t95 % interval",
        f"AP ({result.ranked_by})\t{result.ap:.4f}{interval(result.ap_interval)}",
        f"best F1\t{result.best_f1:.4f}{interval(result.best_f1_interval)}",
        f"threshold of best F1\t{result.best_threshold:.4f}",
        f"recall at 95 % precision\t{result.recall_at_95_precision:.4f}",
        f"precision of the segments\t{result.precision:.4f}",
        f"recall of the segments\t{result.recall:.4f}",
        f"F1 of the segments\t{result.f1:.4f}",
    ]
    for name, value, digits in (
        ("median boundary error (bp)", result.boundary_error, 0),
        ("expected calibration error", result.calibration_error, 4),
        ("archaic fraction, true", result.true_fraction, 4),
        ("archaic fraction, called", result.called_fraction, 4),
        ("archaic fraction, mean posterior", result.mean_posterior, 4),
    ):
        if value is not None:
            lines.append(f"{name}\t{value:.{digits}f}")
    for name, entry in result.recall_by_length.items():
        lines.append(f"recall of tracts {name} ({entry['tracts']:.0f})\t{entry['recall']:.4f}")
    for row in result.per_haplotype:
        lines.append(
            f"{row['chrom']} {row['sample']} {row['haplotype']}: precision, recall, F1\t"
            f"{row['precision']:.4f}\t{row['recall']:.4f}\t{row['f1']:.4f}"
        )
    return "\n".join(lines) + "\n"
