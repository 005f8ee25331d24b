"""``genolstm introgression plot``: draw a scan's files as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_paths, display_name
from genolstm.introgression.carriers import Name
from genolstm.introgression.formats import near_names, read_numbered_intervals, read_posteriors
from genolstm.introgression.genome import read_genome
from genolstm.introgression.summary import counted
from genolstm.introgression.variants.people import read_populations
from genolstm.report.plots import (
    calls,
    check_spelling,
    intervals_of,
    names_of,
    natural,
    one_chrom,
    plot_posterior,
    plot_segments,
)
from genolstm.report.populations import plot_clusters, plot_frequency, plot_genome
from genolstm.report.style import saved_figure
from genolstm.runs.summary import manifests_of, scanned_haplotypes

VIEWS = ("rows", "frequency", "clusters", "genome")
"""What a figure may show."""
#: A sequence without segments is left out of a genome if it is shorter than this share of the longest.
_LEAST = 0.01
#: Populations that a figure shows at most.
MOST_GROUPS = 40


def run(
    segments: PathLike,
    output: PathLike,
    *,
    view: str = "rows",
    truth: PathLike | None = None,
    chrom: str | None = None,
    posteriors: PathLike | None = None,
    haplotype: str | None = None,
    samples: PathLike | None = None,
    population: Sequence[str] = (),
    manifest: Sequence[PathLike] = (),
    genome: PathLike | None = None,
    force: bool = False,
) -> list[str]:
    """Draw a scan's files as a figure.

    Parameters
    ----------
    segments, truth, posteriors
        Input files; with ``posteriors``, haplotypes without segments get a row too.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    view
        ``rows``: every haplotype of a sequence; ``frequency``: the share of each population's haplotypes along it;
        ``clusters``: rows, those side by side that share most; ``genome``: the share along all sequences.
    chrom
        Sequence to draw; may be left out if there is only one.
    haplotype
        ``SAMPLE#HAPLOTYPE`` whose posterior to draw; None draws the segments of all.
    samples
        Table of samples with their populations.
    population
        Populations to draw, in this order; by default the first of each sample.
    manifest
        Manifests of the scans of all parts, which name the haplotypes without segments; by default the one beside
        ``segments``, if there is one. Posteriors name them, too.
    genome
        File of the lengths of the sequences.
    force
        Whether to replace an existing output.

    Returns
    -------
    list of str
        Human-readable lines on what is not drawn; those that begin with ``warning:`` need attention.

    Raises
    ------
    SettingError
        The output does not have a figure's suffix, an option does not go with the view, or there is no such sequence,
        haplotype or population.
    InputError
        A file is invalid, or files do not fit each other.
    """
    given = {"truth": truth, "chrom": chrom, "haplotype": haplotype, "samples": samples, "population": population}
    _check_view(view, {name for name, value in (given | {"manifest": manifest, "genome": genome}).items() if value})
    if haplotype is not None and posteriors is None:
        raise SettingError("a haplotype needs posteriors to draw")
    if population and samples is None:
        raise SettingError("populations need a table of samples")
    manifests = [] if view == "rows" else manifests_of(segments, manifest)
    check_paths([segments, truth, posteriors, samples, genome, *manifests], [output], force=force)
    with saved_figure(output, force=force):
        lengths = None if genome is None else read_genome(genome)
        if haplotype is not None:
            sample, _, number = haplotype.rpartition("#")
            assert posteriors is not None
            plot_posterior(posteriors, sample=sample, haplotype=number, segments=segments, truth=truth, chrom=chrom)
            return []
        if view == "rows":
            return _rows(segments, truth, posteriors, chrom, lengths, genome)
        return _of_populations(view, segments, posteriors, chrom, samples, population, manifests, lengths, genome)


#: Options that go with some views only.
_ONLY = {
    "truth": {"rows"},
    "haplotype": {"rows"},
    "chrom": {"rows", "frequency", "clusters"},
    "samples": {"frequency", "clusters", "genome"},
    "population": {"frequency", "clusters", "genome"},
    "manifest": {"frequency", "clusters", "genome"},
}


def _check_view(view: str, given: set[str]) -> None:
    if view not in VIEWS:
        raise SettingError(f"there is no view {view}; there are {', '.join(VIEWS)}")
    for name, views in _ONLY.items():
        if name in given and view not in views:
            raise SettingError(
                f"--{name} does not go with --view {view}", hint=f"it goes with {', '.join(sorted(views))}"
            )
    if {"haplotype", "genome"} <= given:
        raise SettingError("--genome does not go with --haplotype, whose axis ends with its posteriors")


def _rows(
    segments: PathLike,
    truth: PathLike | None,
    posteriors: PathLike | None,
    chrom: str | None,
    lengths: Mapping[str, int] | None,
    genome: PathLike | None,
) -> list[str]:
    if lengths is None:
        plot_segments(segments, truth=truth, posteriors=posteriors, chrom=chrom)
        return []
    # Each file is read once, as it may be a pipe.
    entries = read_numbered_intervals(segments)
    found, known = calls(entries)[0], None if truth is None else intervals_of(truth)
    bins = None if posteriors is None else read_posteriors(posteriors)
    tables = [table for table in (found, known, bins) if table is not None]
    for table in tables:
        _check_lengths(
            {str(c): int(e) for c, e in table.groupby("chrom", observed=True)["end"].max().items()}, lengths, genome
        )
    chrom = one_chrom(tables, chrom, also=() if chrom is None else lengths)
    plot_segments(entries, truth=known, posteriors=bins, chrom=chrom, length=lengths[chrom])
    return []


def _of_populations(
    view: str,
    segments: PathLike,
    posteriors: PathLike | None,
    chrom: str | None,
    samples: PathLike | None,
    population: Sequence[str],
    manifests: Sequence[PathLike],
    lengths: Mapping[str, int] | None,
    genome: PathLike | None,
) -> list[str]:
    entries = read_numbered_intervals(segments)
    bins = None if posteriors is None else read_posteriors(posteriors)
    found, _ = calls(entries)
    check_spelling(found, bins)
    ends = {str(c): int(e) for c, e in found.groupby("chrom")["end"].max().items()}
    if bins is not None:
        for name, end in bins.groupby("chrom", observed=True)["end"].max().items():
            ends[str(name)] = max(ends.get(str(name), 0), int(end))
    notes: list[str] = []
    if lengths is not None:
        _check_lengths(ends, lengths, genome)
    if view == "genome":
        if lengths is None:
            lengths = ends
        else:
            least = _LEAST * max(lengths.values())
            small = [name for name, length in lengths.items() if name not in ends and length < least]
            lengths = {name: length for name, length in lengths.items() if name not in small}
            if small:
                notes.append(
                    f"not drawn: {counted(len(small), 'sequence')} without segments, of less than 1 % of the longest"
                )
    else:
        chrom = one_chrom([found, bins], chrom, also=() if chrom is None else (lengths or ()))
    known = set(names_of(found))
    listed = scanned_haplotypes(entries, segments, manifests)
    if bins is not None:
        here = bins if chrom is None else bins[bins["chrom"] == chrom]
        known |= names_of(here)
    elif listed is not None:
        known |= listed
    else:
        notes.append(
            "warning: neither a manifest nor posteriors name the haplotypes without segments: shares are of those with "
            "any, and too high"
        )
    groups, more = _groups(sorted(known, key=lambda name: natural("\0".join(name))), samples, population, segments)
    notes += more
    if view == "genome":
        plot_genome(entries, groups=groups, lengths=lengths)
    else:
        assert chrom is not None
        length = (lengths or ends).get(chrom, 1_000_000)
        draw = plot_frequency if view == "frequency" else plot_clusters
        draw(entries, groups=groups, chrom=chrom, length=length)
    return notes


def _groups(
    names: Sequence[Name], samples: PathLike | None, population: Sequence[str], segments: PathLike
) -> tuple[dict[str, list[Name]], list[str]]:
    """Return the haplotypes of each population, and lines on those of none."""
    if samples is None:
        return {"": list(names)}, []
    table = read_populations(samples)
    there = {name[0] for name in names}
    if names and not there & set(table.groups):
        raise InputError(
            f"names none of the samples of {display_name(segments)}",
            path=display_name(samples),
            hint="their names must agree",
        )
    if population:
        found = {}
        for group in population:
            members = set(table.members.get(group, ())) & there
            if not members:
                raise SettingError(
                    f"no sample is of the population {group}",
                    hint="there are " + ", ".join(g for g, m in table.members.items() if set(m) & there),
                )
            found[group] = [name for name in names if name[0] in members]
        drawn = {name for own in found.values() for name in own}
        left = len(names) - len(drawn)
        return found, [f"not drawn: {counted(left, 'haplotype')} of other populations"] if left else []
    first = {sample: groups[0] for sample, groups in table.groups.items() if groups}
    order = dict.fromkeys(first.values())
    found = {group: [name for name in names if first.get(name[0]) == group] for group in order}
    found = {group: own for group, own in found.items() if own}
    homeless = [name for name in names if name[0] not in first]
    notes = []
    if homeless:
        found["no population"] = homeless
        notes.append(f"warning: the table of samples names no population of {counted(len(homeless), 'haplotype')}")
    if len(found) > MOST_GROUPS:
        raise SettingError(
            f"{len(found)} populations are too many for a figure, at most {MOST_GROUPS} can be drawn",
            hint="choose some with --population",
        )
    return found, notes


def _check_lengths(ends: Mapping[str, int], lengths: Mapping[str, int], genome: PathLike | None) -> None:
    """Refuse lengths that do not fit what is drawn."""
    assert genome is not None
    for name, end in ends.items():
        if name not in lengths:
            (_, meant), *_ = [*near_names([name], list(lengths)), (name, "")]
            hint = f"it has {meant}: chromosome names must agree" if meant else "chromosome names must agree"
            raise InputError(f"has no sequence {name}", path=display_name(genome), hint=hint)
        if end > lengths[name]:
            raise InputError(
                f"the sequence {name} is {lengths[name]:,} bp long, and there is something at {end:,}",
                path=display_name(genome),
                hint="it is not of the same assembly",
            )
