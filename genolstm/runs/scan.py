"""``genolstm introgression scan``: from the files of a door to segments and posteriors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import IO

from genolstm.files import PathLike, atomic_text, check_outputs
from genolstm.introgression import formats
from genolstm.introgression.doors.blocks import Door, Stages, TrackBlock
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.segments import Segment
from genolstm.introgression.settings import DEFAULT_MODEL, SCAN, ScanSettings

__all__ = ["FastaDoor", "VcfDoor", "run"]


def run(
    door: Door,
    *,
    output: PathLike,
    posteriors: PathLike | None = None,
    bedgraph: PathLike | None = None,
    model: PathLike = DEFAULT_MODEL,
    settings: ScanSettings = SCAN,
    threads: int = 0,
    force: bool = False,
    progress: Callable[[str, int], None] | None = None,
    stages: Stages | None = None,
) -> list[str]:
    """Scan and write segments and any other requested files; either all files appear or none.

    Parameters
    ----------
    door
        Input to scan.
    output
        BED6+ file of the segments; ``-`` is standard output.
    posteriors, bedgraph
        Also write the posterior of every bin, as a table or as bedGraph.
    model
        Name of a shipped model, or its file.
    settings
        Which predictor to use, and how to cut segments.
    progress
        Called with the sequence and the number of bins read so far.
    stages
        Collects the time that each stage takes.

    Returns
    -------
    list of str
        Human-readable lines on how much was found and what was left out.
    """
    check_outputs([output, posteriors, bedgraph], force=force)
    classifier = IntrogressionClassifier.load(model, threads=threads)
    decode = classifier.decode_settings(**asdict(settings))
    size = classifier.settings.bin
    stages = stages or Stages()
    found: list[Segment] = []
    collector = formats.BedGraphCollector(size) if bedgraph is not None else None
    done = 0

    def tell(block: TrackBlock) -> None:
        nonlocal done
        done += block.tracks.shape[0] * block.tracks.shape[1]
        if progress is not None:
            progress(block.chrom, done)

    with ExitStack() as stack:
        result = classifier.open(door, decode=decode, baseline=settings.baseline, stages=stages, progress=tell)
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
            # Written last: if the segments exist, everything does.
            stream = stack.enter_context(atomic_text(output, force=force))
            formats.write_segments(stream, found, classifier.label)
    total = sum(segment.end - segment.start for segment in found)
    haplotypes = len({(segment.sample, segment.haplotype) for segment in found})
    return [f"{len(found)} segments, {total / 1e6:.2f} Mb, on {haplotypes} haplotypes", *door.left_out()]
