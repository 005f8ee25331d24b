"""``genolstm introgression report``: draw a scan's files as one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError
from genolstm.files import Outputs, PathLike, check_paths, display_name, open_input, readable
from genolstm.introgression.calls import Call, read_calls, read_sites
from genolstm.introgression.evaluate import Evaluation, evaluate, pieces_of_posteriors
from genolstm.introgression.formats import near_names, read_intervals, read_posteriors
from genolstm.introgression.segments import Interval
from genolstm.introgression.variants.people import read_populations
from genolstm.introgression.windows import PosteriorWindows
from genolstm.runs.page import write
from genolstm.runs.scan import manifest_path
from genolstm.runs.scan_outputs import Page

#: A greater manifest is none.
_LARGEST_MANIFEST = 1 << 26
#: Classes of the posterior that are compared with the truth.
_CLASSES = 10


def run(
    segments: PathLike,
    output: PathLike,
    *,
    posteriors: PathLike | None = None,
    samples: PathLike | None = None,
    truth: PathLike | None = None,
    manifest: PathLike | None = None,
    evidence: PathLike | None = None,
    force: bool = False,
) -> list[str]:
    """Draw a scan's files as one page.

    Parameters
    ----------
    segments, posteriors, evidence
        Files of one scan.
    output
        Page to write (``.html``).
    samples
        Table of the samples and their populations.
    truth
        Known tracts.
    manifest
        How the scan was made; by default the file that a scan writes beside its segments, if it is there.

    Returns
    -------
    list of str
        What the page aggregates or leaves out; what needs attention begins with ``warning:``.

    Raises
    ------
    SettingError
        The output's name is none of a page.
    InputError
        A file is not what it is given for.
    """
    beside = manifest_path(segments)
    if manifest is None and beside is not None and beside.is_file():
        manifest = beside
    check_paths([segments, posteriors, samples, truth, manifest, evidence], [output], force=force)
    Page.check(output, "a report")
    from genolstm.report.page_contents import Found

    calls, sources = read_calls(segments)
    windows = None
    if posteriors is not None:
        windows = PosteriorWindows()
        windows.add_file(posteriors)
    found = Found(
        Path(segments).name,
        calls,
        None if manifest is None else _manifest(manifest),
        windows,
        None if samples is None else read_populations(samples),
        sources=sources,
    )
    chroms = {call.chrom for call in calls}
    if windows is not None:
        _check_spelling(chroms, windows.lengths(), segments, posteriors)
    if truth is not None:
        found.truth = [interval for interval, _ in read_intervals(truth)]
        if not found.truth:
            raise InputError("holds no tracts", path=display_name(truth))
        _check_spelling(chroms, {tract.chrom for tract in found.truth}, segments, truth)
        found.evaluation, found.reliability = _compared(calls, found.truth, posteriors)
    with Outputs(force=force) as outputs:
        return write(outputs, output, found, None if evidence is None else partial(read_sites, evidence))


def _manifest(path: PathLike) -> dict[str, Any]:
    name = display_name(path)
    with readable(path), open_input(path) as stream:
        content = stream.read(_LARGEST_MANIFEST + 1)
    if len(content) > _LARGEST_MANIFEST:
        raise InputError("is too large for a manifest", path=name)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})", path=name, hint="give the manifest that the scan wrote") from None
    if not isinstance(found, dict):
        raise InputError("is not a manifest", path=name, hint="give the .json that the scan wrote")
    return found


def _check_spelling(chroms: Any, known: Any, path: PathLike, other: PathLike | None) -> None:
    for name, meant in near_names(chroms, known):
        raise InputError(
            f"has the sequence '{name}', and {display_name(other or '')} has '{meant}'",
            path=display_name(path),
            hint="chromosome names must agree",
        )


def _compared(
    calls: Sequence[Call], truth: list[Interval], posteriors: PathLike | None
) -> tuple[Evaluation, list[tuple[float, float, int]] | None]:
    """Return how segments compare with known tracts, and, by classes of the posterior, what is archaic."""
    scored = [(call.interval, call.posterior) for call in calls]
    if posteriors is None:
        return evaluate(scored, truth), None
    table = read_posteriors(posteriors)
    pieces = pieces_of_posteriors(table, truth)
    place = np.minimum((pieces.score * _CLASSES).astype(int), _CLASSES - 1)
    length, weighed, true = (
        np.bincount(place, weights, _CLASSES) for weights in (pieces.length, pieces.score * pieces.length, pieces.true)
    )
    rows = [
        (float(weighed[i] / length[i]), float(true[i] / length[i]), int(length[i]))
        for i in range(_CLASSES)
        if length[i]
    ]
    return evaluate(scored, truth, posteriors=table), rows
