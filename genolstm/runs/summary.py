"""``genolstm introgression summary``: how much of each haplotype, sample and population a file of segments holds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from genolstm.errors import InputError, SettingError
from genolstm.fields import MAX_TEXT, Fields, strict_json
from genolstm.files import Outputs, PathLike, check_paths, display_name, is_regular, open_input, readable
from genolstm.introgression.formats import Numbered, read_numbered_intervals
from genolstm.introgression.settings import UNKNOWN_SOURCE
from genolstm.introgression.summary import Piece, Summary, counted, summarise, tell, write_multiqc, write_summary
from genolstm.introgression.variants.people import read_populations
from genolstm.numbers import LAST_POSITION
from genolstm.runs.scan import manifest_path
from genolstm.runs.scan_outputs import MultiQC, SummaryTable

#: More different sources than these are rather names of segments.
_MOST_SOURCES = 100
_MOST_BP = 100_000 * LAST_POSITION


def run(
    segments: PathLike,
    *,
    samples: PathLike | None = None,
    manifest: Sequence[PathLike] = (),
    output: PathLike = "-",
    multiqc: PathLike | None = None,
    force: bool = False,
) -> list[str]:
    """Write the summary of a file of segments, such as one that was gathered from parts.

    Parameters
    ----------
    segments
        BED with sample and haplotype, as ``scan`` and ``gather`` write it.
    samples
        Table of samples with their populations.
    manifest
        Manifests of the scans of all parts, which say how much of each haplotype is callable; by default
        the one beside ``segments``, if there is one.
    output, multiqc
        Table to write, and a file for MultiQC.

    Returns
    -------
    list of str
        Human-readable lines on what was found; those that begin with ``warning:`` need attention.

    Raises
    ------
    InputError
        A file is invalid, the manifests do not fit the segments, or no sample of the table is among these.
    """
    manifests = manifests_of(segments, manifest)
    check_paths([segments, samples, *manifests], [output, multiqc], force=force)
    SummaryTable.check(output, "a summary")
    if multiqc is not None:
        MultiQC.check(multiqc, "a file for MultiQC")
    entries = read_numbered_intervals(segments)
    _check_sources(entries, segments)
    scans = _read_manifests(manifests)
    sources, callable_bp, notes = _of_scans(scans, entries, segments)
    populations = None if samples is None else read_populations(samples)
    try:
        summary = summarise(
            (Piece(*entry.interval, entry.source) for entry in entries),
            sources=sources,
            callable_bp=callable_bp,
            populations=populations,
        )
    except SettingError as error:
        raise InputError(error.reason, path=display_name(segments)) from error
    if samples is not None and entries and not summary.of("population"):
        raise InputError(
            f"names none of the samples of {display_name(segments)}",
            path=display_name(samples),
            hint="their names must agree",
        )
    with Outputs(force=force) as outputs:
        if multiqc is not None:
            write_multiqc(outputs.text(multiqc), summary)
        write_summary(outputs.text(output), summary)
    return [*_told(summary), *notes]


def manifests_of(segments: PathLike, given: Sequence[PathLike]) -> list[PathLike]:
    """Return the manifests that are given, or else the one beside the segments, if there is one."""
    return list(given) or _beside(segments)


def scanned_haplotypes(
    entries: Sequence[Numbered], segments: PathLike, manifests: Sequence[PathLike]
) -> set[tuple[str, str]] | None:
    """Return all haplotypes that were scanned, also those without segments; None without manifests.

    Raises
    ------
    InputError
        A manifest is invalid, or does not fit the segments.
    """
    callable_bp = _of_scans(_read_manifests(manifests), entries, segments)[1]
    return None if callable_bp is None else set(callable_bp)


def _told(summary: Summary) -> list[str]:
    together = summary.of("all")[0]
    return [
        f"{counted(together.segments, 'segment')}, {together.bp / 1e6:.2f} Mb, "
        f"among {counted(together.haplotypes, 'haplotype')}",
        *tell(summary),
    ]


def _beside(segments: PathLike) -> list[PathLike]:
    """Return the manifest that the scan wrote beside its segments, if it is still there."""
    place = manifest_path(segments) if is_regular(segments) else None
    return [place] if place is not None and place.is_file() and place != Path(segments) else []


def _check_sources(entries: Sequence[Numbered], path: PathLike) -> None:
    if len({entry.source for entry in entries}) > _MOST_SOURCES:
        raise InputError(
            f"has more than {_MOST_SOURCES} different sources",
            path=display_name(path),
            hint="name a column 'source' in its header, as names of segments are taken for sources otherwise",
        )


class _Scan(NamedTuple):
    """What the manifest of a scan says."""

    path: str
    sources: list[str]
    callable_bp: dict[tuple[str, str], int]
    segments: int


def _read_manifests(paths: Sequence[PathLike]) -> list[_Scan]:
    found: list[_Scan] = []
    seen: dict[str, str] = {}
    for path in paths:
        name = display_name(path)
        with readable(path), open_input(path) as stream:
            content = stream.read(MAX_TEXT + 1)
        digest = hashlib.sha256(content).hexdigest()
        if digest in seen:
            raise InputError(f"is the same manifest as {seen[digest]}, whose haplotypes would count twice", path=name)
        seen[digest] = name
        found.append(_manifest(content, name))
    return found


def _manifest(content: bytes, name: str) -> _Scan:
    try:
        said = Fields(strict_json(content, "the manifest", error=InputError), path=name, error=InputError)
    except InputError as error:
        error.path = name
        raise
    if "callable_bp" not in said:
        raise InputError(
            "does not say how much of each haplotype is callable",
            path=name,
            hint="scan again, as this version writes it, or leave the manifest out",
        )
    samples = said.table("callable_bp")
    callable_bp: dict[tuple[str, str], int] = {}
    for sample in samples.values:
        haplotypes = samples.table(sample)
        for haplotype in haplotypes.values:
            callable_bp[sample, haplotype] = haplotypes.whole(haplotype, 0, _MOST_BP)
    sources = said.table("model").words("sources", _MOST_SOURCES)
    return _Scan(name, sources, callable_bp, said.table("counts").whole("segments", 0, LAST_POSITION))


def _of_scans(
    scans: Sequence[_Scan], entries: Sequence[Numbered], path: PathLike
) -> tuple[list[str], dict[tuple[str, str], int] | None, list[str]]:
    """Return the sources, what is callable of each haplotype, and lines on what does not fit."""
    if not scans:
        return (
            [],
            None,
            ["warning: there is no manifest: shares are NA, and haplotypes without segments are not listed"],
        )
    sources = list(dict.fromkeys(source for scan in scans for source in scan.sources))
    callable_bp: dict[tuple[str, str], int] = {}
    for scan in scans:
        for name, bp in scan.callable_bp.items():
            callable_bp[name] = callable_bp.get(name, 0) + bp
    for entry in entries:
        who = (entry.interval.sample, entry.interval.haplotype)
        if who not in callable_bp:
            raise InputError(
                f"has a segment on haplotype {who[1]} of {who[0]}, which {_named(scans)} not",
                path=display_name(path),
                line=entry.line,
                hint="give the manifests of all scans with --manifest",
            )
    total = sum(scan.segments for scan in scans)
    if total < len(entries):
        raise InputError(
            f"has {len(entries):,} segments, and its manifests count {total:,}",
            path=display_name(path),
            hint="give the manifests of all scans with --manifest",
        )
    notes = []
    if total > len(entries):
        notes.append(f"warning: the manifests count {total:,} segments: those left out are taken for not called")
    return [*sources, UNKNOWN_SOURCE], callable_bp, notes


def _named(scans: Sequence[_Scan]) -> str:
    return f"{scans[0].path} does" if len(scans) == 1 else f"the {len(scans)} manifests do"
