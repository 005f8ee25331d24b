"""Demographies before they are simulated: read from demes files, and what simulating them will cost.

Backward in time, a simulation ends when all lineages have found common ancestors. Two things keep it
from ending: populations between which no lineage moves, and sizes, rates or times of magnitudes that no
computer gets through. Both are seen beforehand by following two lineages through the demography
(:func:`follow_pairs`), which takes milliseconds.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import InputError, SettingError, cause, shown
from genolstm.files import open_packed, read_start

if TYPE_CHECKING:
    import msprime

# What a demes file may hold. The largest of stdpopsim's models has 10 populations; one with a pulse in
# each of 1,000 generations has 80 kB.
_MOST_BYTES, _MOST_NODES, _MOST_DEPTH, _MOST_POPULATIONS = 100_000, 50_000, 50, 32
#: The same of files with aliases, which are parsed twice. They are written by hand.
_MOST_BYTES_WITH_ALIASES = 20_000

#: Steps in which an epoch is followed. They need not be exact: what counts is the order of magnitude.
_STEPS = 8


@dataclass(frozen=True)
class Sampled:
    """Where lineages are sampled: population, and time in generations before present."""

    population: str
    time: float


@dataclass(frozen=True)
class Pair:
    """What happens on average to two sampled lineages until they meet.

    Attributes
    ----------
    time
        Generations from the present to their common ancestor.
    migrations
        Moves between populations, of both together.
    """

    time: float
    migrations: float


def is_demes(model: str) -> bool:
    """Return whether a model is given as a demes file, and not by the name of one of stdpopsim's."""
    return model.endswith((".yaml", ".yml"))


def read_demes(path: str) -> msprime.Demography:
    """Read a demes YAML file as a demography of msprime.

    Raises
    ------
    InputError
        The file is missing, larger than any demography needs, or no valid demes model.
    """
    import demes
    import msprime

    text = _text(path)
    try:
        _check_structure(text)
        data = demes.loads_asdict(text)
        count = len(data["demes"])
        if count > _MOST_POPULATIONS:
            raise ValueError(f"{count} populations, at most {_MOST_POPULATIONS} are simulated")
        return msprime.Demography.from_demes(demes.Graph.fromdict(data))
    except Exception as error:  # demes raises whatever its YAML parser and attrs raise
        raise InputError(f"is not a demes model ({brief(error)})", path=path) from error


def brief(error: Exception) -> str:
    """Return a library's message as one short printable line."""
    # The YAML parser ends with advice on how to switch its checks off.
    text = " ".join(str(error).split()).split(" To suppress this check")[0] or type(error).__name__
    if isinstance(error, KeyError):
        text = f"{text} is missing"
    text = shown(text)
    return text if len(text) <= 300 else text[:297] + "..."


def _text(path: str) -> str:
    try:
        with open_packed(path) as stream:
            content = read_start(stream, _MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({cause(error)})", path=path) from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"is not a demes model (it is larger than {_MOST_BYTES // 1000} kB)", path=path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not a demes model (byte {error.start + 1} is not UTF-8)", path=path) from error


def _check_structure(text: str) -> None:
    """Refuse what would keep the YAML parser or demes busy for ever: deep nesting, and aliases of aliases.

    A YAML of a few lines can name a list of lists of lists that holds billions of values.
    """
    depth = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        if depth > _MOST_DEPTH:
            raise ValueError(f"nested more than {_MOST_DEPTH} levels deep")
    if not re.search(r"(?m)(?:^|[\s\[{,:])[&*]\S", text):
        return
    if len(text) > _MOST_BYTES_WITH_ALIASES:
        raise ValueError(f"it has aliases and is larger than {_MOST_BYTES_WITH_ALIASES // 1000} kB")
    import ruamel.yaml
    from ruamel.yaml import events

    sizes: dict[str, int] = {}
    # Of every list and mapping that is open: its anchor, and how many values it holds so far.
    opened: list[tuple[str | None, int]] = [(None, 0)]
    with ruamel.yaml.YAML(typ="safe", pure=True) as yaml:
        for event in yaml.parse(io.StringIO(text)):
            anchor = getattr(event, "anchor", None)
            if isinstance(event, events.AliasEvent):
                if anchor not in sizes:
                    raise ValueError(f"the alias *{anchor} stands inside what it names, or for nothing")
                size = sizes[anchor]
            elif isinstance(event, events.CollectionStartEvent):
                opened.append((anchor, 1))
                if len(opened) > _MOST_DEPTH:
                    raise ValueError(f"nested more than {_MOST_DEPTH} levels deep")
                continue
            elif isinstance(event, events.CollectionEndEvent):
                anchor, size = opened.pop()
                if anchor is not None:
                    sizes[anchor] = size
            elif isinstance(event, events.ScalarEvent):
                size = 1
                if anchor is not None:
                    sizes[anchor] = size
            else:
                continue
            opened[-1] = (opened[-1][0], opened[-1][1] + size)
            if opened[-1][1] > _MOST_NODES:
                raise ValueError(f"its aliases stand for more than {_MOST_NODES} values")


def follow_pairs(demography: msprime.Demography, samples: Sequence[Sampled]) -> list[Pair]:
    """Follow two lineages of every pair of samples back to their common ancestor.

    Parameters
    ----------
    demography
        A demography that msprime has accepted.
    samples
        At least two lineages are sampled at each.

    Returns
    -------
    list of Pair
        For every unordered pair of samples, each with itself as well.

    Raises
    ------
    SettingError
        A population does not exist when it is sampled.
    InputError
        Some lineages never meet, or msprime refuses the demography.

    Notes
    -----
    The state is where both lineages are (populations x populations) while they have not met. In each
    epoch it is moved on by implicit Euler steps, which are stable for every rate; the last epoch, which
    has no end, is solved at once.
    """
    try:
        epochs = demography.debug().epochs
    except Exception as error:
        raise InputError(f"the demography cannot be simulated ({brief(error)})") from error
    names = [population.name for population in demography.populations]
    for sample in samples:
        _check_sampled(epochs, names, sample)
    pairs = [(a, b) for a in range(len(samples)) for b in range(a, len(samples))]
    state = _Lineages(names, samples, pairs)
    with np.errstate(all="ignore"):
        for low, high, epoch, begins in _stretches(epochs, [sample.time for sample in samples]):
            if begins:
                for source, shares in _moves(epoch.events):
                    state.move(source, shares)
            state.sample(low)
            rates = np.array(epoch.migration_matrix, dtype=np.float64)
            if math.isinf(high):
                state.finish(rates, np.array([p.start_size for p in epoch.populations]), names)
                break
            growth = np.array([p.growth_rate for p in epoch.populations])
            start = np.array([p.start_size for p in epoch.populations], dtype=np.float64)
            # In an epoch in which little happens to a lineage, one step is exact enough.
            much = max(rates.sum(axis=1).max(), np.abs(growth).max(), 1 / start[start > 0].min(initial=np.inf))
            steps = _STEPS if much * (high - low) > 0.1 else 1
            width = (high - low) / steps
            for step in range(steps):
                since = low + width * np.array([[step], [step + 1]]) - epoch.start_time
                # Means of the rates at which lineages meet, not of the sizes.
                state.pass_time(width, rates, np.where(start > 0, 2 / (np.exp(growth * since) / start).sum(axis=0), 0))
    return [Pair(float(t), float(m)) for t, m in zip(state.times, state.migrations, strict=True)]


def _stretches(epochs: Sequence[Any], times: Sequence[float]) -> Iterator[tuple[float, float, Any, bool]]:
    """Yield (start, end, epoch, whether it begins here), cut where lineages are sampled."""
    for epoch in epochs:
        inside = sorted({t for t in times if epoch.start_time < t < epoch.end_time})
        bounds = [epoch.start_time, *inside, epoch.end_time]
        for low, high in itertools.pairwise(bounds):
            yield low, high, epoch, low == epoch.start_time


def _moves(events: Sequence[Any]) -> Iterator[tuple[Any, dict[Any, float]]]:
    """Yield (population, {population: share of its lineages that moves there at once})."""
    # msprime keeps the classes of its events to itself; they are told by what they have.
    for event in events:
        if hasattr(event, "dest"):
            if hasattr(event, "proportion"):
                yield event.source, {event.dest: event.proportion}
        elif hasattr(event, "proportions"):
            yield event.derived, dict(zip(event.ancestral, event.proportions, strict=True))
        elif hasattr(event, "derived"):
            for derived in event.derived:
                yield derived, {event.ancestral: 1.0}


def _check_sampled(epochs: Sequence[Any], names: Sequence[str], sample: Sampled) -> None:
    place = names.index(sample.population)
    there = [e for e in epochs if e.populations[place].active]
    if any(e.start_time <= sample.time < e.end_time for e in there):
        return
    when = (
        f"it exists from {there[0].start_time:g} to {there[-1].end_time:g} generations ago"
        if there
        else "it never exists"
    )
    raise SettingError(f"population {sample.population} cannot be sampled {sample.time:g} generations ago", hint=when)


class _Lineages:
    """Where single lineages and pairs of them are, and what they have been through.

    Attributes
    ----------
    single
        Probabilities, shape (samples, populations); all 0 before the sample's time.
    both
        The same of pairs that have not met, shape (pairs, populations, populations).
    times, migrations
        As in :class:`Pair`, shape (pairs,).
    """

    def __init__(self, names: Sequence[str], samples: Sequence[Sampled], pairs: Sequence[tuple[int, int]]) -> None:
        self.samples, self.pairs, self.size = samples, pairs, len(names)
        # msprime knows a population by its name and by its number.
        self.index: dict[Any, int] = {name: i for i, name in enumerate(names)} | {i: i for i in range(len(names))}
        size = len(names)
        self.single = np.zeros((len(samples), size))
        self.both = np.zeros((len(pairs), size, size))
        self.times = np.array([max(samples[a].time, samples[b].time) for a, b in pairs], dtype=np.float64)
        self.migrations = np.zeros(len(pairs))
        self.waiting = np.ones(len(pairs), dtype=bool)

    def sample(self, time: float) -> None:
        """Add the lineages that are sampled at this time, and the pairs that are complete with them."""
        new = {k for k, sample in enumerate(self.samples) if sample.time == time}
        for k in new:
            self.single[k, self.index[self.samples[k].population]] = 1.0
        for p, (a, b) in enumerate(self.pairs):
            if self.waiting[p] and self.single[a].any() and self.single[b].any():
                self.both[p] = np.outer(self.single[a], self.single[b])
                self.waiting[p] = False

    def move(self, source: Any, shares: dict[Any, float]) -> None:
        """Move shares of the lineages of one population to others at once."""
        step, place = np.eye(self.size), self.index[source]
        for dest, share in shares.items():
            step[place, self.index[dest]] = share
        step[place, place] = max(0.0, 1 - sum(shares.values()))
        there = self.both[:, place].sum(axis=-1) + self.both[:, :, place].sum(axis=-1)
        self.migrations += there * sum(shares.values())
        self.single = self.single @ step
        self.both = step.T @ self.both @ step

    def pass_time(self, width: float, rates: np.ndarray, sizes: np.ndarray) -> None:
        """Let lineages migrate and meet for a number of generations."""
        here = self._locations(rates)
        leave, generator = _generator(rates, here)
        if not leave.any():
            # The only thing that happens is that lineages of one population meet.
            meet = 1 / (2 * sizes[here])
            before = self.both[:, here, here]
            after = before * np.exp(-meet * width)
            self.times += self.both.sum(axis=(1, 2)) * width
            self.times += ((before - after) / meet - before * width).sum(axis=1)
            self.both[:, here, here] = after
            return
        n = len(here)
        where = np.ix_(np.arange(len(self.pairs)), here, here)
        moving = _pair_generator(generator, sizes[here])
        state = self.both[where].reshape(len(self.pairs), n * n)
        state = np.linalg.solve((np.eye(n * n) - width * moving).T, state.T).T
        spent = state * width
        self.times += spent.sum(axis=1)
        self.migrations += spent @ (leave[:, None] + leave[None, :]).ravel()
        self.both[where] = state.reshape(-1, n, n)
        alone = np.linalg.solve((np.eye(n) - width * generator).T, self.single[:, here].T).T
        self.single[:, here] = alone
        for p in np.flatnonzero(self.waiting):
            first, second = self.pairs[int(p)]
            self.migrations[p] += float((alone[first] + alone[second]) @ leave) * width

    def finish(self, rates: np.ndarray, sizes: np.ndarray, names: Sequence[str]) -> None:
        """Let the remaining pairs meet, however long it takes; refuse if they cannot."""
        here = self._locations(rates)
        _check_meeting(rates, here, names)
        leave, generator = _generator(rates, here)
        n = len(here)
        state = self.both[np.ix_(np.arange(len(self.pairs)), here, here)].reshape(len(self.pairs), n * n)
        try:
            spent = np.linalg.solve(-_pair_generator(generator, sizes[here]).T, state.T).T
        except np.linalg.LinAlgError:  # rates so far apart that they cannot be told from none
            spent = np.full_like(state, np.inf)
        self.times += spent.sum(axis=1)
        self.migrations += spent @ (leave[:, None] + leave[None, :]).ravel()

    def _locations(self, rates: np.ndarray) -> np.ndarray:
        """Return the populations in which lineages are or to which they may migrate."""
        found = (self.single > 0).any(axis=0)
        for _ in range(self.size):
            further = found | (rates[found] > 0).any(axis=0)
            if (further == found).all():
                break
            found = further
        return np.flatnonzero(found)


def _generator(rates: np.ndarray, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates at which a lineage leaves each population, and the generator of its walk."""
    among = rates[np.ix_(here, here)].copy()
    np.fill_diagonal(among, 0.0)
    leave = among.sum(axis=1)
    return leave, among - np.diag(leave)


def _pair_generator(generator: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the generator of two lineages' walk until they meet, shape (populations^2, populations^2)."""
    n = len(sizes)
    one = np.eye(n)
    found = np.kron(generator, one) + np.kron(one, generator)
    same = np.arange(n) * (n + 1)
    found[same, same] -= 1 / (2 * sizes)
    return found


def _check_meeting(rates: np.ndarray, here: np.ndarray, names: Sequence[str]) -> None:
    """Refuse if lineages can end in populations between which nothing moves."""
    reach = np.eye(len(here), dtype=bool) | (rates[np.ix_(here, here)] > 0)
    for _ in range(len(here)):
        reach = reach @ reach
    # Where a lineage stays for good: whatever can be reached from there leads back.
    final = [i for i in range(len(here)) if (reach[:, i] | ~reach[i]).all()]
    apart = [i for i in final if not reach[final[0], i]]
    if apart:
        first, second = names[here[final[0]]], names[here[apart[0]]]
        raise InputError(
            f"the populations have no common ancestor: lineages in {first} never meet those in {second}",
            hint="give both an ancestor, or let lineages move between them",
        )


def expected_events(
    pairs: Sequence[Pair], *, lineages: int, length: float, recombination_rate: float, mutation_rate: float
) -> tuple[float, float]:
    """Return about how many events a simulation of msprime goes through, and how many are mutations.

    With rho = 4 N r L, the number of recombinations and common ancestors grows as rho log n while
    rho is small, and as its square beyond (Baumdicker et al. 2022). The factors were read off msprime
    for rho of 4 to 24,000 and 2 to 200 lineages, and hold within a factor of about 2 there.
    """
    time = max(pair.time for pair in pairs)
    moves = max(pair.migrations for pair in pairs)
    if not (math.isfinite(time) and math.isfinite(moves)):
        return math.inf, math.inf
    rho = 2 * time * recombination_rate * length
    tree = math.log(lineages) + 1  # length of a tree of many lineages, in pairs' times
    mutations = 2 * time * tree * mutation_rate * length
    ancestry = lineages + 2 * rho * tree + 0.03 * rho * rho
    migrations = moves * (tree + 0.15 * rho)
    return ancestry + migrations + mutations, mutations
