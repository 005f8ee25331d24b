"""``genolstm introgression scan``: from the files of a door to segments, posteriors and a manifest."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genolstm.files import Outputs, PathLike, check_paths, is_file_output
from genolstm.introgression import formats
from genolstm.introgression.doors.blocks import Door, Stages, Totals, TrackBlock
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.ids import counted_ids
from genolstm.introgression.likeness import Comparison
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.result import alone, doubts, summary_of
from genolstm.introgression.segments import Segment
from genolstm.introgression.settings import DEFAULT_MODEL, SCAN, ScanSettings
from genolstm.introgression.summary import counted, tell
from genolstm.provenance import LARGE, record
from genolstm.runs import scan_outputs
from genolstm.runs.evidence import Told
from genolstm.runs.sources import model_files

__all__ = ["FastaDoor", "Step", "VcfDoor", "manifest_path", "run"]


class Step(NamedTuple):
    """How far a scan is.

    Attributes
    ----------
    chrom
        The sequence that is being read.
    bins
        Number of bins read so far, over all haplotypes.
    share
        Share read of the whole input, or, if ``of_chrom``, of this sequence; None if it is not known.
    of_chrom
        Whether ``share`` is that of the sequence.
    """

    chrom: str
    bins: int
    share: float | None
    of_chrom: bool


class _Told:
    """Tells how far a scan is, as blocks pass by."""

    def __init__(self, door: Door, bin_size: int, progress: Callable[[Step], None] | None) -> None:
        self.door = door
        self.bin_size = bin_size
        self.progress = progress
        self.bins = 0

    def block(self, block: TrackBlock) -> None:
        """Tell that a block was read."""
        n_bins = block.tracks.shape[1]
        self.bins += len(block.haplotypes) * n_bins
        end = (block.first_bin + n_bins) * self.bin_size
        if self.progress is None:
            return
        share = self.door.fraction()
        of_chrom = share is None and bool(block.length)
        if of_chrom and block.length:
            share = min(end / block.length, 1.0)
        self.progress(Step(block.chrom, self.bins, share, of_chrom))


def manifest_path(output: PathLike) -> Path | None:
    """Return where the manifest of a scan lies: ``X.json`` beside ``X.bed``, ``X.bed.gz`` or ``X.gff3``.

    There is none if the segments go to standard output, a device or a pipe.
    """
    if not is_file_output(output):
        return None
    return Path(output).with_name(f"{scan_outputs.without_suffixes(output)}.json")


def run(
    door: Door,
    *,
    output: PathLike,
    posteriors: PathLike | None = None,
    bedgraph: PathLike | None = None,
    unknown: PathLike | None = None,
    evidence: PathLike | None = None,
    annotate: PathLike | None = None,
    weights: bool = False,
    track: PathLike | None = None,
    bigwig: PathLike | None = None,
    bigwig_haplotypes: PathLike | None = None,
    summary: PathLike | None = None,
    multiqc: PathLike | None = None,
    report: PathLike | None = None,
    model: PathLike = DEFAULT_MODEL,
    settings: ScanSettings = SCAN,
    index: bool = False,
    threads: int = 0,
    force: bool = False,
    progress: Callable[[Step], None] | None = None,
    stages: Stages | None = None,
) -> list[str]:
    """Scan and write segments, a manifest and any other requested files; either all files appear or none.

    Parameters
    ----------
    door
        Input to scan.
    output
        File of the segments: BED6+, or GFF3 if its name ends so; ``-`` is standard output, as BED6+. Beside
        a file, a manifest is written (see :func:`manifest_path`).
    posteriors, bedgraph
        Also write the posterior of every bin, as a table or as bedGraph.
    unknown
        Also write, as BED, the stretches of each haplotype of which nothing is known.
    evidence
        Also write every informative site of every segment.
    annotate
        Also write the records of the VCF with the segments in them.
    weights
        Also weigh each site of the evidence, which reads the input a second time.
    track
        Also write the segments as a coloured track for genome browsers (BED9).
    bigwig
        Also write the mean posterior over the haplotypes as bigWig.
    bigwig_haplotypes
        Also write the posteriors of each haplotype as bigWig, into this folder.
    summary, multiqc
        Also write how much of each haplotype, sample and population is archaic, as a table or for MultiQC.
    report
        Also draw what was found as one HTML page.
    model
        Name of a shipped model, or its file.
    settings
        Which predictor to use, and how to cut segments.
    index
        Also write a tabix index of the segments, the posteriors and the unknown stretches, as far as
        their names end in ``.gz``.
    progress
        Called after every block that is read.
    stages
        Collects the time that each stage takes.

    Returns
    -------
    list of str
        Human-readable lines on what was scanned, found and left out; those that begin with
        ``warning:`` need attention.

    Raises
    ------
    SettingError
        An index is asked for, and no output ends in ``.gz``; or a name promises another format.
    """
    asked = {
        "output": output,
        "posteriors": posteriors,
        "bedgraph": bedgraph,
        "unknown": unknown,
        "track": track,
        "bigwig": bigwig,
        "bigwig_haplotypes": bigwig_haplotypes,
        "summary": summary,
        "multiqc": multiqc,
        "report": report,
    }
    manifest = manifest_path(output)
    on_sites = Told(evidence, annotate, weights, page=report is not None)
    inputs = door.inputs()
    written, replaced = scan_outputs.paths(asked, index=index, force=force)
    written += [path for path in on_sites.paths() if path is not None]
    check_paths([*inputs.values(), *model_files(model)], [*written, manifest], force=force, kept=replaced)
    scan_outputs.check_names(asked, evidence=evidence)
    on_sites.check(door, settings.baseline)
    classifier = IntrogressionClassifier.load(model, threads=threads)
    decode = classifier.decode_settings(**dataclasses.asdict(settings))
    size = classifier.settings.bin
    digest = classifier.bundle.digest
    name = classifier.bundle.name
    stages = stages or Stages()
    found: list[Segment] = []
    told = _Told(door, size, progress)
    sources = classifier.sources(door)
    scan = scan_outputs.Scan(size, sources, formats.model_stamp(name, digest))
    *others, segments = scan_outputs.writers(asked, scan, index=index)
    with Outputs(force=force) as outputs:
        result = classifier.open(door, decode=decode, baseline=settings.baseline, stages=stages, progress=told.block)
        on_sites.begin(result)
        for writer in others:
            writer.begin(outputs)
        for block in result.blocks:
            with stages.time("segments"):
                found += result.decoder.add(block)
                scan_outputs.add(block, scan, [*others, segments])
        with stages.time("segments"):
            more, expected = result.decide()
            found += more
            found.sort()
            scan.segments, scan.summary = found, summary_of(found, door, sources, result.totals)
            not_written = [line for writer in others if not writer.tells_all for line in writer.finish(outputs)]
            said = on_sites.write(outputs, classifier, door, found, result, scan.stamp)
            counts = _counts(found, result.totals)
            left_out = [*alone(door), *door.left_out()]
            comparison = result.compare()
            said_of = (*doubts(result.totals), *comparison.warnings(), *door.warnings(), *not_written)
            warnings = [f"warning: {line}" for line in said_of]
            if manifest is not None or report is not None:
                account = record(
                    settings={
                        **dataclasses.asdict(decode),
                        "threshold": expected.threshold,
                        "baseline": settings.baseline,
                        **dataclasses.asdict(classifier.settings),
                        "door": _door_settings(door, inputs),
                    },
                    inputs=inputs,
                    large=LARGE,
                )
                account["model"] = {"name": name, "sha256": digest, "sources": list(sources[:-1])}
                account["callable_bp"] = _callable(result.totals)
                if settings.baseline is None:  # whose posteriors are not calibrated
                    account["expected"] = dataclasses.asdict(expected)
                account["ids"] = counted_ids((segment.source for segment in found), sources)
                account["unlike_training"] = _unlike(comparison)
                account["likeness"] = {"not_told": comparison.why_not, **comparison.measured}
                files = [*inputs.values(), *(path for path in [*asked.values(), *on_sites.paths()] if path is not None)]
                named = {"left_out": left_out, "warnings": warnings}
                account |= {"counts": counts} | {k: _without_folders(lines, files) for k, lines in named.items()}
                text = json.dumps(account, indent=2, sort_keys=True, ensure_ascii=False)
                if manifest is not None:
                    outputs.text(manifest).write(text + "\n")
                # As it is read from the file.
                scan.account = scan_outputs.Account(
                    "segments" if manifest is None else Path(output).name,
                    json.loads(text),
                    door.populations(),
                    on_sites.found,
                    on_sites.weighed,
                )
            left_out += [line for writer in others if writer.tells_all for line in writer.finish(outputs)]
            # The last to be renamed: if the segments exist, everything does.
            segments.finish(outputs)
    hoped = ""
    if settings.baseline is None:
        wrong, missed = 100 * (1 - expected.precision), 100 * (1 - expected.recall)
        hoped = f": {wrong:.2g} % of what is called is expected to be wrong, "
        hoped += f"and {missed:.2g} % of what is there to be missed"
    return [
        f"scanned {counts['haplotypes']:,} haplotypes, {counts['haplotype_bp'] / 1e6:.2f} Mb in all, "
        f"{100 * counts['callable_share']:.1f} % callable",
        f"model {name} (sha256 {digest[:12]}){f', baseline {settings.baseline}' if settings.baseline else ''}, "
        f"threshold {expected.threshold:.4g}{hoped}",
        f"{counted(len(found), 'segment')}, {counts['segment_bp'] / 1e6:.2f} Mb, on "
        f"{counts['haplotypes_with_segments']:,} haplotypes",
        *tell(scan.summary),
        *said,
        *(
            [f"whether the data are like those of training cannot be told: {comparison.why_not}"]
            if comparison.odd is None
            else []
        ),
        *left_out,
        *warnings,
        *(f"warning: {os.fspath(path)} has no index: {why}" for path, why in outputs.not_indexed),
    ]


def _without_folders(lines: Sequence[str], files: Collection[PathLike]) -> list[str]:
    """Return lines that name files without their folders: a manifest, and a page, may be passed on."""
    names = {os.fspath(path): Path(path).name for path in files if Path(path).name != os.fspath(path)}
    if not names:
        return list(lines)
    longest_first = sorted(names, key=len, reverse=True)
    whole = re.compile(rf"(?<![^\s'(])(?:{'|'.join(map(re.escape, longest_first))})(?![^\s':;,)])")
    return [whole.sub(lambda found: names[found[0]], line) for line in lines]


def _unlike(comparison: Comparison) -> list[dict[str, Any]] | None:
    """Return what is unlike the training data, for the manifest; None if it could not be told."""
    return None if comparison.odd is None else [odd.to_dict() for odd in comparison.odd]


def _callable(totals: Totals) -> dict[str, dict[str, int]]:
    """Return the base pairs of each sample's haplotypes in which segments can be called, for a later summary."""
    found: dict[str, dict[str, int]] = {}
    for (sample, haplotype), of_haplotype in totals.haplotypes.items():
        found.setdefault(sample, {})[haplotype] = of_haplotype.callable_bp
    return found


def _counts(found: Sequence[Segment], totals: Totals) -> dict[str, Any]:
    return {
        "haplotypes": len(totals.haplotypes),
        "samples": len({sample for sample, _ in totals.haplotypes}),
        "haplotype_bp": totals.bp,
        "callable_share": round(totals.callable_share, 4),
        "segments": len(found),
        "segment_bp": sum(segment.end - segment.start for segment in found),
        "haplotypes_with_segments": len({(segment.sample, segment.haplotype) for segment in found}),
    }


def _door_settings(door: Door, inputs: Mapping[str, PathLike]) -> dict[str, Any]:
    """Return what the door was told, as JSON-ready values, without the files, which are named as inputs."""
    files = {os.fspath(path) for path in inputs.values()}
    found: dict[str, Any] = {}
    if not dataclasses.is_dataclass(door):
        return found
    for entry in dataclasses.fields(door):
        value = getattr(door, entry.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        elif isinstance(value, Mapping):  # of the archaic sources
            told = {name: _told_names(names, files) for name, names in value.items()}
            value = {name: names for name, names in told.items() if names}
        elif isinstance(value, list | tuple | set | frozenset):
            value = _told_names(value, files)
        elif not (value is None or isinstance(value, bool | int | float | str)) or value in files:
            continue
        if entry.init and value not in ([], {}):
            found[entry.name] = value
    return found


def _told_names(given: Any, files: Collection[str]) -> str | list[str]:
    """Return the names that were given, without those of files."""
    if isinstance(given, str):
        return [] if given in files else given
    several = isinstance(given, list | tuple | set | frozenset)
    return [item for item in given if isinstance(item, str) and item not in files] if several else []
