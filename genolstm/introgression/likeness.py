"""Whether data look like those that a model was trained on, told from the tracks as they pass by.

A network gives posteriors for any input, and says nothing of whether it ever saw the like. So a few *statistics*
of the tracks are summed up on the way: how dense informative sites are, how many variants the outgroup lacks,
how many of these targets share, what an archaic carries of each class, and how they cluster. A model states
what they were in the regions that it was trained on (:class:`Likeness`), and a scan compares.

How much of anything there is depends on the size of the outgroup, the number of targets and the density of
sites. Each statistic is therefore compared with what training regions *of this kind* had: a mean and a spread
that depend on these three, fitted to all regions. That finds what no fixed range does, since training spans
chips and whole genomes, outgroups of five people and of two hundred. Two tests follow: each statistic lies within its
range, and all of them together lie no farther from the mean (in Mahalanobis' distance) than nearly all regions did.

What concerns no archaic is compared once; what concerns one, for each archaic that is given as if it were
the only one. So the comparison is the same for none, one or several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from genolstm.fields import Fields
from genolstm.introgression.channels import CALLABLE, CHANNELS, OUTGROUP_SIZE, RARE_CLASSES, SLOTS, TARGET_SIZE
from genolstm.introgression.settings import LEAST_CALLABLE
from genolstm.introgression.tracks import ALL, FIRST, NOT_FIRST, SECOND

#: Stretch in which variants cluster or not, in bp.
WINDOW = 10_000
#: Share of a window that must be comparable.
_LEAST_WINDOW = 0.25
#: Haplotypes of a block that are looked at; more of them say little that these do not.
ROWS = 20
#: Sequence per haplotype of which something must be known, in bp, for a comparison to mean anything.
LEAST_BP = 1_000_000
#: Regions from which ranges can be had.
LEAST_REGIONS = 30
#: Share of the training regions that may be found unlike the others.
FALSE_ALARMS = 0.015
#: Sites per haplotype by which ratios are drawn towards the usual, so that few sites do not make extremes.
_SHRINK = 3.0
#: Factor beyond the sizes of outgroup and target in training up to which a size is not remarkable.
_BEYOND = 2.0
#: Parts, each of which is compared with what the others were like, to set the ranges.
_FOLDS = 5
#: Factor by which ranges are wider than those of the regions seen, which are a sample.
_MARGIN = 1.25
_MOST_STATISTICS = 50
_MOST = 1e6


class Statistic(NamedTuple):
    """One number by which data are compared.

    Attributes
    ----------
    name
        Its name in files.
    text
        What it is, to be read after its value; ``{source}`` is the name of an archaic.
    is_share
        Whether it is a share, held as its logit; otherwise it is positive, held as its logarithm.
    low, high
        What it may mean if the value is too low, and too high; without ``low``, no value is too low.
    """

    name: str
    text: str
    is_share: bool
    low: str
    high: str

    def native(self, value: float) -> float:
        """Return a value as people read it."""
        value = min(max(value, -50.0), 50.0)
        return 1 / (1 + math.exp(-value)) if self.is_share else math.exp(value)


GENERAL = (
    Statistic(
        "density",
        "informative sites per comparable kb of a haplotype",
        False,
        "most sites are missing, as on a chip, or the mutation rate is far below that of humans",
        "alleles are swapped or genotypes wrong, the outgroup is of another species, or the mutation rate is far "
        "above that of humans",
    ),
    Statistic(
        "common",
        "sites common in half of the outgroup or more, to one that is common in less",
        False,
        "alleles are swapped, or sites were chosen by their frequency",
        "sites were chosen by their frequency, or the outgroup is no population",
    ),
    Statistic(
        "private",
        "times as many variants that the outgroup lacks as one more of its own haplotypes would carry",
        False,
        "the targets are hardly distinguishable from the outgroup, or sites that vary only in them are missing",
        "the targets differ from the outgroup more than modern humans do: another species, wrong or swapped alleles",
    ),
    Statistic(
        "rare",
        "variants rare in the outgroup to one that is common",
        False,
        "rare variants are missing, or the outgroup is small or inbred",
        "alleles are swapped, or genotypes are wrong",
    ),
    Statistic(
        "shared",
        "times the odds that another target shares such a variant, of those among the outgroup's own",
        False,
        "the targets are hardly distinguishable from the outgroup, or genotypes are wrong",
        "the targets are copies or close kin of one another (as both haplotypes of a pseudo-haploid are), rare "
        "variants are missing, or alleles are swapped",
    ),
    Statistic(
        "clusters",
        "times the clustering of variants that the outgroup lacks, of what chance would give",
        False,
        "the haplotypes are not what people inherit: genotypes in no phase, or wrong",
        "tracts are longer or more diverged than between modern humans, or sites that vary are from patches",
    ),
)
SOURCE = (
    Statistic(
        "private_match",
        "of the variants that the outgroup lacks are carried by {source}",
        True,
        "",  # that nobody met is a finding
        "{source} may be a modern human or have modern contamination, the outgroup may be of another species, or "
        "alleles of {source} are swapped",
    ),
    Statistic(
        "rare_match",
        "of the variants rare in the outgroup are carried by {source}",
        True,
        "{source} has nothing in common with what is unusual in the targets",
        "{source} may be a modern human or have modern contamination, or its alleles are swapped",
    ),
    Statistic(
        "less_common_match",
        "of the variants that a fifth to half of the outgroup has are carried by {source}",
        True,
        "{source} is further from all people than archaic humans are, or heterozygous sites of it are missing",
        "{source} may be a modern human or have modern contamination, or its alleles are swapped",
    ),
    Statistic(
        "common_match",
        "of the variants that half or more of the outgroup have are carried by {source}",
        True,
        "{source} is further from all people than archaic humans are, or its alleles are swapped",
        "{source} may be a modern human, or have modern contamination",
    ),
    Statistic(
        "lacking",
        "sites at which {source} lacks what nearly the whole outgroup has, to one common site",
        False,
        "{source} may be a modern human, or the file lacks the sites at which it alone differs",
        "{source} is further from all people than archaic humans are, its bases are damaged, or alleles are swapped",
    ),
    Statistic(
        "match_clusters",
        "times the clustering of rare variants that {source} carries, of what chance would give",
        False,
        "what {source} shares with the targets lies in no tracts: it may be a modern human, or alleles are wrong",
        "tracts of {source} are longer or more diverged than between modern and archaic humans",
    ),
)
#: Usual values (ratio, or odds) towards which few sites are drawn.
_USUAL = {
    "common": 3.3,
    "private": 0.03,
    "rare": 0.12,
    "shared": 1.5,
    "clusters": 1.5,
    "private_match": 0.06,
    "rare_match": 0.16,
    "less_common_match": 0.6,
    "common_match": 3.0,
    "lacking": 0.18,
    "match_clusters": 2.5,
}
#: log10 of outgroup and target haplotypes, log of sites per kb, and log10 of the comparable kb of all haplotypes.
KIND = ("outgroup", "target", "density", "amount")
_MEAN_TERMS, _SPREAD_TERMS = 8, 5
#: Frequency of an allele up to which it is rare here, and how far the classes up to it reach.
_RARE = 0.2
_ABSENT_CELLS, _RARE_CELLS = slice(0, 2), slice(2, 2 * RARE_CLASSES + 1)
_LESS, _MORE = 2 * RARE_CLASSES + 1, 2 * RARE_CLASSES + 2


@dataclass(frozen=True)
class Measured:
    """Statistics of a stretch of data.

    Attributes
    ----------
    kind
        What the comparison depends on; see :data:`KIND`.
    general
        The values of :data:`GENERAL`; NaN where there is none (a single target shares nothing).
    sources
        For each archaic, those of :data:`SOURCE`; NaN if nothing could be compared with it.
    bp
        Sequence per haplotype of which something is known.
    """

    kind: np.ndarray
    general: np.ndarray
    sources: np.ndarray
    bp: float


class Profile:
    """Sums up tracks, block by block.

    Parameters
    ----------
    n_sources
        Number of archaics that the tracks compare with.
    bin_size
        Size of a bin in bp.
    """

    def __init__(self, n_sources: int, bin_size: int) -> None:
        self.n_sources = n_sources
        self.bin_size = bin_size
        self._width = max(WINDOW // bin_size, 1)
        self._names: set[tuple[str, str]] = set()
        self._cells = 0
        self._sums = np.zeros(len(CHANNELS))
        self._source_sums = np.zeros((n_sources, len(CHANNELS)))
        self._clusters = np.zeros((1 + n_sources, 2))

    def add(
        self,
        tracks: np.ndarray,
        names: Sequence[tuple[str, str]],
        *,
        first_bin: int = 0,
        exists: np.ndarray | None = None,
    ) -> None:
        """Add consecutive bins of one sequence.

        Parameters
        ----------
        tracks
            Shape (readings * haplotypes, bins, channels), as in a
            :class:`~genolstm.introgression.doors.blocks.TrackBlock`.
        names
            (sample, haplotype) of each haplotype.
        first_bin
            Place of the first bin on its sequence.
        exists
            Whether a haplotype exists in a bin; by default all do.
        """
        n, bins = len(names), tracks.shape[1]
        lead = min(-first_bin % self._width, bins)
        several = self.n_sources > len(SLOTS)
        for row in np.unique(np.linspace(0, n - 1, min(n, ROWS)).round().astype(int)).tolist():
            own = tracks[row]
            known = own[:, CALLABLE] >= LEAST_CALLABLE
            if exists is not None:
                known = known & exists[row]
            count = int(known.sum())
            if not count:
                continue
            self._names.add(names[row])
            self._cells += count
            total, windows = self._summed(own, known, lead)
            self._sums += total
            self._clusters[0] += _clustering(
                windows[:, ALL[_ABSENT_CELLS]].sum(axis=1), windows[:, CALLABLE] / self._width
            )
            for source in range(self.n_sources):
                # Of more sources than slots, each is the first of a reading of its own.
                at, slot = (tracks[source * n + row], 0) if several else (own, source)
                compared = known & (at[:, CALLABLE + 1 + slot] >= LEAST_CALLABLE)
                found = int(compared.sum())
                if not found:
                    continue
                if found == count and at is own:
                    apart, pieces = total, windows
                else:
                    apart, pieces = self._summed(at, compared, lead)
                first = (FIRST, SECOND)[slot]
                self._clusters[1 + source] += _clustering(
                    pieces[:, first[: 2 * RARE_CLASSES]].sum(axis=1), pieces[:, CALLABLE + 1 + slot] / self._width
                )
                if slot:  # as if the source were the first
                    apart = apart.copy()
                    apart[FIRST] = apart[SECOND]
                    apart[NOT_FIRST] = apart[NOT_FIRST + slot]
                    apart[CALLABLE + 1] = apart[CALLABLE + 1 + slot]
                self._source_sums[source] += apart

    def _summed(self, own: np.ndarray, known: np.ndarray, lead: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over the known bins of a haplotype, and those of each whole window."""
        if not known.all():
            own = own * known[:, None]
        whole = (len(own) - lead) // self._width
        stop = lead + whole * self._width
        windows = own[lead:stop].reshape(whole, self._width, own.shape[1]).sum(axis=1)
        total = windows.sum(axis=0, dtype=np.float64)
        for rest in (own[:lead], own[stop:]):
            if len(rest):
                total += rest.sum(axis=0)
        return total, windows

    def measured(self) -> Measured | None:
        """Return the statistics of all that was added; None if nothing was known of it."""
        rows = len(self._names)
        comparable = self._sums[CALLABLE]
        if not self._cells or comparable <= 0:
            return None
        cells = self._sums[ALL]
        outgroup, target = 10 ** (self._sums[[OUTGROUP_SIZE, TARGET_SIZE]] / self._cells)
        absent, rare = cells[_ABSENT_CELLS].sum(), cells[_RARE_CELLS].sum()
        common = cells[_LESS] + cells[_MORE]

        def ratio(name: str, part: float, rest: float) -> float:
            usual = _USUAL[name]
            return math.log((max(part, 0) / rows + _SHRINK * usual) / (max(rest, 0) / rows + _SHRINK))

        def clusters(name: str, sums: np.ndarray) -> float:
            return ratio(name, sums[0], sums[1])

        kb = comparable * self.bin_size / 1000
        density = math.log((cells.sum() + 1) / (kb + 1))
        # Where targets are drawn from the outgroup, each number of its copies is as likely as none is.
        one_more = ratio("rare", rare, common) - math.log(max(math.floor(_RARE * outgroup + 1e-6), 1))
        among_own = math.log((target - 1) / max(outgroup, 1)) if target > 1.5 else math.nan
        general = np.array(
            [
                density,
                ratio("common", cells[_MORE], cells[_LESS]),
                ratio("private", absent, common) - one_more,
                ratio("rare", rare, common),
                ratio("shared", cells[1], cells[0]) - among_own,
                clusters("clusters", self._clusters[0]),
            ]
        )
        sources = np.full((self.n_sources, len(SOURCE)), np.nan)
        for source, sums in enumerate(self._source_sums):
            if sums[CALLABLE] <= 0 or sums[CALLABLE + 1] <= 0:
                continue
            # What lies where the source is unknown was counted, too, but not what it carries of it.
            every = sums[ALL] * (sums[CALLABLE + 1] / sums[CALLABLE])
            carried = sums[FIRST]

            def odds(name: str, part: slice, carried: np.ndarray = carried, every: np.ndarray = every) -> float:
                return ratio(name, carried[part].sum(), every[part].sum() - carried[part].sum())

            sources[source] = [
                odds("private_match", _ABSENT_CELLS),
                odds("rare_match", _RARE_CELLS),
                odds("less_common_match", slice(_LESS, _LESS + 1)),
                odds("common_match", slice(_MORE, _MORE + 1)),
                ratio("lacking", sums[NOT_FIRST], every[_LESS] + every[_MORE]),
                clusters("match_clusters", self._clusters[1 + source]),
            ]
        kind = np.array([math.log10(outgroup), math.log10(target), density, math.log10(max(kb, 1))])
        return Measured(kind, general, sources, self._cells * self.bin_size / rows)


def _clustering(counts: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the half mean square of the difference between neighbouring windows, and their mean, as sums.

    Both are the same for events at random, whatever varies over longer distances, so that long sequences
    may be compared with short ones.
    """
    good = share >= _LEAST_WINDOW
    density = np.where(good, counts / np.maximum(share, _LEAST_WINDOW), 0.0)
    pairs = good[1:] & good[:-1]
    a, b = density[1:][pairs], density[:-1][pairs]
    return np.array([((a - b) ** 2).sum() / 2, (a + b).sum() / 2], dtype=np.float64)


@dataclass(frozen=True)
class Odd:
    """A statistic that is out of the range of the training regions.

    Attributes
    ----------
    statistic
        Its name.
    value, low, high
        Its value, and the range, as people read them.
    source
        The archaic that it concerns, if any.
    meaning
        What it may mean.
    text
        What it is.
    together
        Whether the range is that given all other statistics: each may lie in its own range, while no training
        region had the like of them together.
    excess
        How far out it is: 1 at the edge of the range.
    """

    statistic: str
    value: float
    low: float
    high: float
    source: str | None
    meaning: str
    text: str
    together: bool
    excess: float

    def line(self) -> str:
        """Return what a person has to know of it."""
        span = f"{_short(self.low)} to {_short(self.high)}"
        given = (
            f"given its other statistics, training data would have {span}"
            if self.together
            else (f"training data of such sizes had {span}")
        )
        return f"{_short(self.value)} {self.text} ({given}): {self.meaning}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for a manifest."""
        return {
            "statistic": self.statistic,
            **({"source": self.source} if self.source is not None else {}),
            "value": float(f"{self.value:.4g}"),
            "range": [float(f"{self.low:.4g}"), float(f"{self.high:.4g}")],
            "given_the_others": self.together,
            "meaning": self.meaning,
        }


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _mean_terms(kind: np.ndarray, *, by_density: bool) -> np.ndarray:
    o, t, d = kind[..., 0] - 2, kind[..., 1] - 1, (kind[..., 2] - 1) * by_density
    return np.stack([np.ones_like(o), o, t, o * o, t * t, o * t, d, d * d], axis=-1)


def _spread_terms(kind: np.ndarray, *, by_density: bool) -> np.ndarray:
    o, t, d, a = kind[..., 0] - 2, kind[..., 1] - 1, (kind[..., 2] - 1) * by_density, kind[..., 3] - 4.5
    return np.stack([np.ones_like(o), o, t, d, a], axis=-1)


@dataclass(frozen=True)
class Ranges:
    """What some statistics were in training.

    Attributes
    ----------
    statistics
        Which they are.
    mean, spread
        Coefficients of the mean of each and of the logarithm of its spread, shapes (statistics, 8) and
        (statistics, 5).
    low, high
        Range of each, in units of its spread about its mean.
    together
        How they vary together, in the same units, shape (statistics, statistics).
    limit
        Mahalanobis' distance, squared, per statistic, beyond which hardly a region was.
    """

    statistics: tuple[Statistic, ...]
    mean: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    high: np.ndarray
    together: np.ndarray
    limit: float

    def expected(self, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and spread of each statistic for data of a kind, shapes (..., statistics)."""
        by_density = [statistic.name != "density" for statistic in self.statistics]
        means = [_mean_terms(kind, by_density=by) @ c for by, c in zip(by_density, self.mean, strict=True)]
        spreads = [
            np.exp(np.clip(_spread_terms(kind, by_density=by) @ c, -10, 10))
            for by, c in zip(by_density, self.spread, strict=True)
        ]
        return np.stack(means, axis=-1), np.stack(spreads, axis=-1)

    def scaled(self, kind: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values in units of their spread about their mean."""
        mean, spread = self.expected(kind)
        scaled: np.ndarray = (values - mean) / spread
        return scaled

    def excess(self, scaled: np.ndarray) -> np.ndarray:
        """Return how far each is out: 1 is at the edge of the range; NaN where there is no value."""
        return np.where(scaled > 0, scaled / self.high, scaled / self.low)

    def distance(self, scaled: np.ndarray) -> float:
        """Return Mahalanobis' distance, squared, per statistic that has a value."""
        there = np.flatnonzero(np.isfinite(scaled))
        if not len(there):
            return 0.0
        return float(scaled[there] @ np.linalg.solve(self.together[np.ix_(there, there)], scaled[there])) / len(there)

    def odd(self, kind: np.ndarray, values: np.ndarray, source: str | None) -> list[Odd]:
        """Return what is out of range, the farthest first."""
        mean, spread = self.expected(kind)
        scaled = (values - mean) / spread
        excess = self.excess(scaled)
        found = []

        def odd(i: int, low: float, high: float, together: bool, out: float) -> Odd:
            statistic = self.statistics[i]
            span = [statistic.native(float(mean[i] + spread[i] * edge)) for edge in (low, high)]
            meaning = statistic.high if scaled[i] > high else statistic.low
            name = source or ""
            return Odd(
                statistic.name,
                statistic.native(float(values[i])),
                span[0],
                span[1],
                source if "{source}" in statistic.text else None,
                meaning.format(source=name),
                statistic.text.format(source=name),
                together,
                out,
            )

        for i in np.flatnonzero(np.nan_to_num(excess) > 1).tolist():
            found.append(odd(i, float(self.low[i]), float(self.high[i]), False, float(excess[i])))
        distance = self.distance(scaled)
        if distance > self.limit and not found:
            there = np.flatnonzero(np.isfinite(scaled))
            precision = np.linalg.inv(self.together[np.ix_(there, there)])
            # A normal variable given the others.
            off, sd = (precision @ scaled[there]) / np.diag(precision), 1 / np.sqrt(np.diag(precision))
            most = int(np.argmax(np.abs(off) / sd))
            middle, i = float(scaled[there][most] - off[most]), int(there[most])
            wide = min(3.0 * float(sd[most]), 0.999 * abs(float(off[most])))
            found.append(odd(i, middle - wide, middle + wide, True, math.sqrt(distance / self.limit)))
        return sorted(found, key=lambda one: -one.excess)

    def to_dict(self) -> dict[str, Any]:
        """Return it for the metadata of a model."""
        return {
            "statistics": [statistic.name for statistic in self.statistics],
            **{
                name: np.round(getattr(self, name), 5).tolist()
                for name in ("mean", "spread", "low", "high", "together")
            },
            "limit": round(self.limit, 5),
        }

    @classmethod
    def read(cls, fields: Fields, known: Sequence[Statistic]) -> Ranges:
        """Read it back.

        Raises
        ------
        ModelError
            Something is missing or out of range, or the statistics are not those that this version knows.
        """
        if fields.words("statistics", _MOST_STATISTICS) != [statistic.name for statistic in known]:
            fields.refuse("statistics", f"this version compares {', '.join(statistic.name for statistic in known)}")
        n = len(known)
        found = cls(
            tuple(known),
            fields.numbers("mean", [n, _MEAN_TERMS], -_MOST, _MOST),
            fields.numbers("spread", [n, _SPREAD_TERMS], -_MOST, _MOST),
            fields.numbers("low", [n], -_MOST, -1e-6),
            fields.numbers("high", [n], 1e-6, _MOST),
            fields.numbers("together", [n, n], -_MOST, _MOST),
            fields.number("limit", 1e-6, _MOST),
        )
        together = found.together
        if np.abs(together - together.T).max() > 1e-4 or np.linalg.eigvalsh(together).min() < 1e-4:
            fields.refuse("together", "it is not a matrix of covariances")
        return found

    @classmethod
    def fit(cls, statistics: Sequence[Statistic], kind: np.ndarray, values: np.ndarray) -> Ranges:
        """Fit means, spreads and how statistics vary together; the ranges come from :meth:`within`.

        Parameters
        ----------
        kind
            Shape (regions, 4).
        values
            Shape (regions, statistics); NaN where there is none.
        """
        mean, spread, scaled = [], [], np.full(values.shape, np.nan)
        for i, statistic in enumerate(statistics):
            there = np.isfinite(values[:, i])
            by = statistic.name != "density"
            terms, wide = _mean_terms(kind[there], by_density=by), _spread_terms(kind[there], by_density=by)
            y = values[there, i]
            weight = np.ones(len(y))
            for _ in range(6):
                centre = _ridge(terms, y, weight)
                off = y - terms @ centre
                log = _ridge(wide, np.log(off * off + 1e-4) / 2, np.ones(len(y)))
                sd = np.exp(wide @ log)
                log[0] += math.log(math.sqrt(np.mean((off / sd) ** 2)) + 1e-9)
                sd = np.exp(wide @ log)
                # Regions that are far out for their kind speak less for it.
                weight = np.minimum(1, 2.5 / np.maximum(np.abs(off / sd), 1e-9)) / sd**2
            mean.append(centre)
            spread.append(log)
            scaled[there, i] = off / sd
        n = len(statistics)
        filled = np.where(np.isfinite(scaled), scaled, 0.0)
        weight = np.isfinite(scaled).astype(float)
        together = (filled.T @ filled) / np.maximum(weight.T @ weight, 1)
        share = min(2 * n / max(len(values), 1), 0.9)  # few regions say little of pairs
        together = (1 - share) * together + share * np.diag(np.diag(together)) + 1e-3 * np.eye(n)
        ones = np.ones(n)
        return cls(tuple(statistics), np.array(mean), np.array(spread), -ones, ones, together, 1.0)

    def within(self, scaled: np.ndarray, distances: np.ndarray, outside: float, first: int = 0) -> Ranges:
        """Return the same with ranges and a limit, outside of each of which a share of the regions lies.

        Parameters
        ----------
        scaled, distances
            Those of regions that had no part in the fit, shapes (regions, statistics) and (regions,).
        outside
            The share.
        first
            Statistics before this one get no range; they only bear on what goes together.
        """
        low = np.minimum(np.nanquantile(scaled, outside, axis=0), -1.0) * _MARGIN
        high = np.maximum(np.nanquantile(scaled, 1 - outside, axis=0), 1.0) * _MARGIN
        low[:first], high[:first] = -_MOST, _MOST
        low[[not statistic.low for statistic in self.statistics]] = -_MOST
        limit = max(float(np.quantile(distances, 1 - outside)), 1.0) * _MARGIN
        return replace(self, low=low, high=high, limit=limit)

    def outside(self, scaled: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Return which regions are out of range, by the numbers of :meth:`within`."""
        found: np.ndarray = (np.nan_to_num(self.excess(scaled)) > 1).any(axis=1) | (distances > self.limit)
        return found


def _held_out(
    statistics: Sequence[Statistic], kind: np.ndarray, values: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled values and distances of regions, each by a fit to the regions of other folds."""
    scaled, distances = np.full(values.shape, np.nan), np.zeros(len(values))
    for one in np.unique(fold):
        fitted = Ranges.fit(statistics, kind[fold != one], values[fold != one])
        for row in np.flatnonzero(fold == one):
            scaled[row] = fitted.scaled(kind[row], values[row])
            distances[row] = fitted.distance(scaled[row])
    return scaled, distances


def _ridge(terms: np.ndarray, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return least-squares coefficients, those of terms that hardly vary being small."""
    penalty = np.eye(terms.shape[1])
    penalty[0, 0] = 1e-9
    left = terms.T @ (terms * weight[:, None]) / np.mean(weight)
    right = terms.T @ (values * weight) / np.mean(weight)
    found: np.ndarray = np.linalg.solve(left + penalty, right)
    return found


@dataclass(frozen=True)
class Comparison:
    """What a comparison with the training data found.

    Attributes
    ----------
    odd
        What is out of range, that which concerns no archaic first; None if it could not be told.
    why_not
        Why it could not be told.
    measured
        The statistics, by name, as people read them; those of an archaic in a table of its own.
    """

    odd: list[Odd] | None
    why_not: str | None
    measured: dict[str, Any]

    def warnings(self) -> list[str]:
        """Return a line, if the data are unlike those of training."""
        if not self.odd:
            return []
        first = self.odd[0]
        others = [name for name in dict.fromkeys(one.statistic for one in self.odd) if name != first.statistic]
        more = f"; also out of range: {', '.join(others)}" if others else ""
        return [f"unlike all that the model was trained on: {first.line()}{more}"]


@dataclass(frozen=True)
class Likeness:
    """What the training data of a model were like.

    Attributes
    ----------
    regions
        Number of regions.
    lowest, highest
        The range of their kinds (:data:`KIND`).
    general, source
        Ranges of what concerns no archaic, and of what concerns one.
    """

    regions: int
    lowest: np.ndarray
    highest: np.ndarray
    general: Ranges
    source: Ranges

    @classmethod
    def fit(cls, measured: Sequence[Measured], false_alarms: float = FALSE_ALARMS) -> Likeness | None:
        """Return what regions were like; None if there are too few to tell.

        The share of the regions that are found unlike those of the other folds is ``false_alarms`` at most.
        """
        measured = [one for one in measured if one.bp >= LEAST_BP]
        apart = [(i, row) for i, one in enumerate(measured) for row in one.sources if np.isfinite(row).all()]
        if len(measured) < LEAST_REGIONS or len(apart) < LEAST_REGIONS:
            return None
        kind = np.stack([one.kind for one in measured])
        general = np.stack([one.general for one in measured])
        of = np.array([i for i, _ in apart])
        # An archaic is compared along with what it is compared in.
        source = np.stack([np.concatenate([measured[i].general, row]) for i, row in apart])
        both = (*GENERAL, *SOURCE)
        fold = np.arange(len(measured)) % _FOLDS
        seen = _held_out(GENERAL, kind, general, fold)
        seen_source = _held_out(both, kind[of], source, fold[of])
        fitted, fitted_source = Ranges.fit(GENERAL, kind, general), Ranges.fit(both, kind[of], source)
        # There are many tests: each may be wrong less often than all of them together.
        share = false_alarms
        while True:
            fitted = fitted.within(*seen, share)
            fitted_source = fitted_source.within(*seen_source, share, len(GENERAL))
            odd = fitted.outside(*seen)
            odd[of[fitted_source.outside(*seen_source)]] = True
            if odd.mean() <= false_alarms or share < 1e-6:
                return cls(len(measured), kind.min(axis=0), kind.max(axis=0), fitted, fitted_source)
            share *= 0.8

    def compare(self, measured: Measured | None, sources: Sequence[str] | None = None) -> Comparison:
        """Compare data with those of training.

        Parameters
        ----------
        measured
            Statistics of the data; None if nothing is known of them.
        sources
            What the archaics are called.
        """
        if measured is None:
            return Comparison(None, "nothing is known of the data", {})
        names = list(sources) if sources is not None else [f"source {i + 1}" for i in range(len(measured.sources))]
        told = described(measured, names)
        if measured.bp < LEAST_BP:
            why = f"the data are {measured.bp / 1e6:.2g} Mb per haplotype, and {LEAST_BP / 1e6:g} Mb are needed"
            return Comparison(None, why, told)
        kind = np.clip(measured.kind, self.lowest, self.highest)
        found = self._sizes(measured)
        # What is odd of the targets or the outgroup is so whatever the archaic is.
        general = self.general.odd(kind, measured.general, None)
        found += general
        for name, row in zip(names, measured.sources, strict=True):
            if np.isfinite(row).all():
                apart = self.source.odd(kind, np.concatenate([measured.general, row]), name)
                # Where the targets are odd by themselves, they are so along with any archaic.
                found += [one for one in apart if not (general and one.together)]
        # What is odd without an archaic may be why something about it is.
        return Comparison(sorted(found, key=lambda one: (one.source is not None, -one.excess)), None, told)

    def _sizes(self, measured: Measured) -> list[Odd]:
        found = []
        texts = ("haplotypes in the outgroup", "target haplotypes")
        hints = (
            "frequencies mean something else to the model; a part of the outgroup will do",
            "what targets share means something else to the model; scan them in groups",
        )
        for i, (text, hint) in enumerate(zip(texts, hints, strict=True)):
            size, low, high = (float(10 ** edge[i]) for edge in (measured.kind, self.lowest, self.highest))
            if low / _BEYOND <= size * (1 + 1e-9) and size <= high * _BEYOND * (1 + 1e-9):
                continue
            out = max(size / high, low / size)
            name = f"{KIND[i]}_size"
            found.append(Odd(name, round(size), round(low), round(high), None, hint, text, False, out))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it for the metadata of a model."""
        return {
            "regions": self.regions,
            "kind": list(KIND),
            "lowest": np.round(self.lowest, 5).tolist(),
            "highest": np.round(self.highest, 5).tolist(),
            "general": self.general.to_dict(),
            "source": self.source.to_dict(),
        }

    @classmethod
    def read(cls, fields: Fields) -> Likeness:
        """Read it back from the metadata of a model.

        Raises
        ------
        ModelError
            Something is missing or out of range, or is not what this version compares.
        """
        if fields.words("kind", _MOST_STATISTICS) != list(KIND):
            fields.refuse("kind", f"this version goes by {', '.join(KIND)}")
        lowest, highest = (fields.numbers(name, [len(KIND)], -20, 20) for name in ("lowest", "highest"))
        if (lowest > highest).any():
            fields.refuse("lowest", "it is above highest")
        return cls(
            fields.whole("regions", 1, 10**9),
            lowest,
            highest,
            Ranges.read(fields.table("general"), GENERAL),
            Ranges.read(fields.table("source"), (*GENERAL, *SOURCE)),
        )


def described(measured: Measured, sources: Sequence[str]) -> dict[str, Any]:
    """Return statistics by name, as people read them; those of an archaic in a table of its own."""

    def table(statistics: Sequence[Statistic], values: np.ndarray) -> dict[str, float]:
        pairs = zip(statistics, values.tolist(), strict=True)
        return {one.name: float(f"{one.native(value):.4g}") for one, value in pairs if math.isfinite(value)}

    found: dict[str, Any] = dict(table(GENERAL, measured.general))
    apart = {name: table(SOURCE, row) for name, row in zip(sources, measured.sources, strict=True)}
    return found | ({"sources": apart} if apart else {})
