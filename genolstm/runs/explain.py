"""``genolstm introgression explain``: one segment, so that a person can follow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_inputs, display_name
from genolstm.introgression.calls import Call, call_lines, read_call
from genolstm.introgression.evidence import Site, read_evidence
from genolstm.introgression.formats import is_source_column, read_probability, sources_of
from genolstm.introgression.settings import LISTED_SITES, UNKNOWN_SOURCE
from genolstm.numbers import parse_integer

Shares = Mapping[str, float]
"""Posterior of each source."""


def run(segments: PathLike, evidence: PathLike, segment: str, *, sites: int = LISTED_SITES) -> list[str]:
    """Return the lines that explain one segment.

    Parameters
    ----------
    segments, evidence
        Files of one scan.
    segment
        Name of the segment, or its number in the file, from 1 on.
    sites
        Most sites to list; 0 lists all.

    Raises
    ------
    SettingError
        There is no such segment.
    InputError
        A file is not what a scan writes, or the evidence is of another scan.
    """
    check_inputs([segments, evidence])
    told, shares = _find(segments, segment)
    found = read_evidence(evidence, told.name)
    where = told.interval
    supporting = sum(site.supports for site in found)
    if (
        any((site.chrom, site.start, site.end, site.sample, site.haplotype) != where for site in found)
        or len(found) != told.n_sites
        or supporting != told.n_match
    ):
        raise InputError(
            f"does not have the {told.n_sites} sites of {told.name}",
            path=display_name(evidence),
            hint="both files must come from the same scan, or be gathered alike",
        )
    return [*_what(told, shares), *_whose(told, shares, found), "", *_table(found, sites)]


def _find(path: PathLike, segment: str) -> tuple[Call, Shares]:
    header, lines = call_lines(path)
    wanted, n = parse_integer(segment), 0
    for n, (number, line) in enumerate(lines, start=1):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise InputError("does not fit the header", path=display_name(path), line=number)
        if segment == fields[3] or wanted == n:
            call = read_call(line, header, path, number)
            shares = [
                read_probability(value, path, number)
                for column, value in zip(header, fields, strict=True)
                if is_source_column(column)
            ]
            return call, dict(zip(sources_of(header), shares, strict=True))
    raise SettingError(
        f"there is no segment {segment} in {display_name(path)}, which has {n}",
        hint="give a name from its column name, or a number from 1 on",
    )


def _what(told: Call, shares: Shares) -> Iterator[str]:
    size = told.end - told.start
    length = f"{size / 1000:,.1f} kb" if size >= 1000 else f"{size} bp"
    yield (
        f"{told.name}: {told.chrom}:{told.start + 1:,}-{told.end:,} ({length}) "
        f"on haplotype {told.haplotype} of {told.sample}"
    )
    yield ""
    yield (
        f"The network gives it a mean probability of {told.posterior:.3f} of being archaic: "
        + ", ".join(f"{share:.3f} {name}" for name, share in shares.items())
        + "."
    )


def _whose(told: Call, shares: Shares, sites: Sequence[Site]) -> Iterator[str]:
    names = [name for name in shares if name != UNKNOWN_SOURCE]
    if not names:
        yield "No archaic was given, so whose it is cannot be told: it goes by rare variants that others share."
    elif told.source == UNKNOWN_SOURCE:
        yield f"It resembles none of the archaics that were given ({', '.join(names)}): its source is unknown."
    elif "|" in told.source:
        yield f"Whose it is cannot be told: {' or '.join(told.source.split('|'))}."
    else:
        yield f"It is called after {told.source}, which has most of that probability."
    against = told.n_sites - told.n_match
    yield f"The haplotype has {_number(told.n_sites, 'allele')} here that at most 5 % of the outgroup carry."
    if not names:
        yield "Without an archaic to compare with, all of them support it."
    elif told.source == UNKNOWN_SOURCE:
        yield (
            f"A given archaic carries {told.n_match} of them (supports); none carries the other {against} (contradicts "
            "that it is of one of these): rare alleles that no given archaic has are what an unknown one looks like."
        )
    else:
        yield (
            f"A given archaic carries {told.n_match} of them (supports), and none carries the other {against} "
            "(contradicts); an archaic that is not the very donor lacks some of what the donor had."
        )
    for name in names:
        known = [site for site in sites if site.archaic.get(name, ".") != "."]
        carried = sum(_carries(site, name) for site in known)
        yield f"{name} is known at {len(known)} of the {told.n_sites} sites, and carries {carried} of the alleles."
    if any(site.shared for site in sites):
        shared = sum(bool(site.shared) for site in sites)
        yield f"Other target haplotypes share {shared} of the {told.n_sites}."
    if any(site.weight is not None for site in sites):
        yield (
            "A weight is how far the segment's mean log-odds fall if the network reads it without the site; "
            "weights do not add up, as sites stand in for each other."
        )


def _carries(site: Site, source: str) -> bool:
    said = site.archaic.get(source, ".")
    return said == "same" or site.allele in said.split("/")


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _table(sites: Sequence[Site], most: int) -> Iterator[str]:
    chosen = list(sites)
    weighed = any(site.weight is not None for site in sites)
    if most and len(sites) > most:
        # Those that weigh most, or else those that support, in order of position.
        order = sorted(
            range(len(sites)), key=lambda i: (-abs(sites[i].weight or 0), not sites[i].supports, sites[i].pos)
        )
        chosen = [sites[i] for i in sorted(order[:most])]
    names = list(sites[0].archaic) if sites else []
    head = ["pos", "ref", "alt", "has", *names, "outgroup", "shared", "evidence", *(["weight"] if weighed else [])]
    rows = [head]
    for site in chosen:
        rows.append(
            [
                f"{site.pos:,}",
                site.ref,
                site.alt,
                site.allele,
                *(site.archaic[name] for name in names),
                f"{100 * site.frequency:.1f} %",
                "?" if site.shared is None else str(site.shared),
                "supports" if site.supports else "contradicts",
                *([f"{site.weight:+.3f}"] if site.weight is not None else []),
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(chosen) < len(sites):
        how = "that weigh most" if weighed else "that support it first"
        yield f"{len(chosen)} of {len(sites)} sites, those {how}; --sites 0 lists all."
