"""The baseline: forward-backward against the sum over all paths, and what fitting counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.introgression.channels import BASELINE_COUNTS, CELLS, CHANNELS, PARTS
from genolstm.introgression.hmm import SupervisedHMM

LEVELS = 9
PLACE = [[CHANNELS.index(cell + part) for part in PARTS] for cell in CELLS]


def counts_of(random: np.random.Generator, shape: tuple[int, ...], mean: float) -> np.ndarray:
    """Tracks whose counts agree: no source carries more than there is."""
    tracks = np.zeros((*shape, len(CHANNELS)))
    for every, first, second, both in PLACE:
        tracks[..., both] = random.poisson(mean / 4, shape)
        for slot in (first, second):
            tracks[..., slot] = tracks[..., both] + random.poisson(mean / 4, shape)
        carried = tracks[..., first] + tracks[..., second] - tracks[..., both]
        tracks[..., every] = carried + random.poisson(mean, shape)
    tracks[..., CHANNELS.index("to1_not_first")] = random.poisson(mean, shape)
    return tracks


def derived(tracks: np.ndarray) -> np.ndarray:
    """What the baseline counts of one haplotype, bin by bin: carried by any source, by none, and lacking."""
    rows = []
    for row in tracks:
        carried = [row[first] + row[second] - row[both] for _, first, second, both in PLACE]
        rest = [row[every] - has for (every, *_), has in zip(PLACE, carried, strict=True)]
        rows.append([*carried, *rest, row[CHANNELS.index("to1_not_first")]])
    return np.array(rows)


def random_hmm(random: np.random.Generator) -> SupervisedHMM:
    emission = random.dirichlet(np.ones(LEVELS), (2, BASELINE_COUNTS))
    transition = random.dirichlet(np.ones(2), 2)
    return SupervisedHMM(np.log(emission), np.log(transition), np.log(random.dirichlet([1, 1])))


def by_enumeration(hmm: SupervisedHMM, tracks: np.ndarray) -> np.ndarray:
    """P(archaic) of each bin of one haplotype, by adding up every path."""
    n = len(tracks)
    levels = np.minimum(np.rint(derived(tracks)), LEVELS - 1).astype(int)
    paths = list(itertools.product((0, 1), repeat=n))
    weights = []
    for path in paths:
        total = hmm.start[path[0]]
        total += sum(hmm.transition[a, b] for a, b in itertools.pairwise(path))
        total += sum(
            hmm.emission[state, channel, levels[i, channel]]
            for i, state in enumerate(path)
            for channel in range(BASELINE_COUNTS)
        )
        weights.append(total)
    share = np.exp(np.array(weights) - max(weights))
    return (np.array(paths) * share[:, None]).sum(axis=0) / share.sum()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bins=st.integers(1, 8))
def test_posteriors_equal_the_sum_over_all_paths(seed: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    hmm = random_hmm(random)
    tracks = counts_of(random, (3, bins), 2.0)
    found = hmm.posterior(tracks)
    assert found.dtype == np.float32
    assert found.shape == (3, bins)
    for h in range(3):
        np.testing.assert_allclose(found[h], by_enumeration(hmm, tracks[h]), atol=1e-6)


def test_a_long_sequence_and_strong_evidence_do_not_overflow() -> None:
    emission = np.log(np.full((2, BASELINE_COUNTS, LEVELS), 1 / LEVELS))
    emission[0, :, 8] = -80.0
    emission[1, :, 7] = -80.0
    hmm = SupervisedHMM(emission, np.log([[0.999, 0.001], [0.01, 0.99]]), np.log([0.9, 0.1]))
    tracks = np.zeros((1, 5000, len(CHANNELS)))
    tracks[0, 1000:1010] = 8
    tracks[0, 2000:2010] = 7
    tracks[0, 2005] = 8
    found = hmm.posterior(tracks)[0]
    assert np.isfinite(found).all()
    assert (found[1000:1010] > 0.999).all()
    assert (found[[2000, 2004, 2006, 2009]] < 0.001).all()
    assert found[2005] > 0.999
    assert found[4999] == pytest.approx(found[3000], abs=5e-6)  # long since at rest


def test_fitting_counts_levels_and_transitions() -> None:
    tracks = np.zeros((2, 5, len(CHANNELS)))
    tracks[0, :, :2] = np.array([0, 1, 2, 2.4, 30])[:, None]  # all of them are the first source's
    truth = np.array([[0, 0.4, 0.6, 1, 0], [0, 0, 0, 0, 0]])
    hmm = SupervisedHMM.fit([(tracks[:1], truth[:1]), (tracks[1:], truth[1:])])
    # Two archaic bins, both at level 2 of channel 0; a pseudo-count of one everywhere.
    archaic = np.ones(LEVELS)
    archaic[2] += 2
    np.testing.assert_allclose(np.exp(hmm.emission[1, 0]), archaic / archaic.sum())
    modern = np.ones(LEVELS)
    modern[[0, 1, 8]] += [6, 1, 1]
    np.testing.assert_allclose(np.exp(hmm.emission[0, 0]), modern / modern.sum())
    # Haplotype 1: 0-0, 0-1, 1-1, 1-0; haplotype 2: four times 0-0.
    np.testing.assert_allclose(np.exp(hmm.transition), [[6 / 8, 2 / 8], [2 / 4, 2 / 4]])
    np.testing.assert_allclose(np.exp(hmm.start), [9 / 12, 3 / 12])


def test_parameters_survive_json() -> None:
    random = np.random.default_rng(2)
    hmm = random_hmm(random)
    again = SupervisedHMM.from_dict(hmm.to_dict())
    tracks = counts_of(random, (4, 60), 2.0)
    np.testing.assert_allclose(again.posterior(tracks), hmm.posterior(tracks), atol=2e-3)


def test_it_finds_what_it_was_taught() -> None:
    """Bins that differ in rare matches only, as archaic ones do."""
    random = np.random.default_rng(4)
    truth = np.zeros((20, 300))
    for h in range(20):
        start = random.integers(0, 250)
        truth[h, start : start + 40] = 1
    tracks = counts_of(random, (20, 300), 0.3)
    extra = random.poisson(1.5, (20, 300)) * truth
    tracks[:, :, PLACE[0][:2]] += extra[:, :, None]
    hmm = SupervisedHMM.fit([(tracks[:10], truth[:10])])
    found = hmm.posterior(tracks[10:]) > 0.5
    right = found == (truth[10:] > 0.5)
    assert right.mean() > 0.97
