"""From posteriors to segments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.errors import SettingError
from genolstm.introgression.segments import (
    DecodeSettings,
    Interval,
    PosteriorBlock,
    Segment,
    SegmentDecoder,
    merge_intervals,
)

NAMES = [("A", "1"), ("A", "2"), ("B", "1")]


def block_of(posterior, *, first_bin=0, length=None, last=True, chrom="chr1", match=None):
    posterior = np.atleast_2d(np.asarray(posterior, dtype=np.float32))
    match = np.ones_like(posterior) if match is None else np.atleast_2d(match)
    return PosteriorBlock(chrom, NAMES[: len(posterior)], first_bin, posterior, match, match[:, ::-1] * 2, length, last)


def decode(posterior, *, threshold=0.5, min_length=0, size=1000, **options) -> list[Segment]:
    decoder = SegmentDecoder(DecodeSettings(threshold, min_length), size)
    return decoder.add(block_of(posterior, **options))


def edges(segments) -> list[tuple[int, int]]:
    return [(s.start, s.end) for s in segments]


def test_edges_lie_where_the_line_between_bin_middles_crosses() -> None:
    # Up from 0.1 at 500 to 0.9 at 1500, down to 0.3 at 3500.
    assert edges(decode([0.1, 0.9, 0.9, 0.3, 0.3])) == [(1000, 2500 + round(1000 * 4 / 6))]
    assert edges(decode([0.1, 0.9, 0.9, 0.3, 0.3], threshold=0.3001))[0][0] == 750
    # A dip below the threshold between two segments: they stay apart.
    assert edges(decode([0.9, 0.1, 0.9, 0.0])) == [(0, 1000), (2000, 3000 - 56)]


def test_a_segment_runs_from_the_start_and_to_the_end() -> None:
    assert edges(decode([0.6, 0.6])) == [(0, 2000)]
    assert edges(decode([0.6, 0.6], length=1234)) == [(0, 1234)]
    assert edges(decode([0.6, 0.6], first_bin=7)) == [(7000, 9000)]
    assert edges(decode([0.2, 0.2])) == []


def test_the_last_bin_may_be_short() -> None:
    # Its middle is at 1050; the crossing lies between 500 and there, whichever way it goes.
    assert edges(decode([1.0, 0.0], length=1100)) == [(0, 775)]
    assert edges(decode([0.0, 1.0], length=1100)) == [(775, 1100)]
    assert edges(decode([0.999, 0.499], length=1001, threshold=0.5)) == [(0, 999)]


def test_posterior_and_evidence_are_those_of_the_bins_inside() -> None:
    match = np.array([[5.0, 1.4, 2.2, 7.0]])
    (segment,) = decode([0.1, 0.7, 0.9, 0.2], match=match)
    assert segment.posterior == pytest.approx(0.8)
    assert segment.n_match == 4  # 3.6
    assert segment.n_sites == 4 + 7  # and 2 x (2.2 + 1.4) that do not match
    assert segment[3:5] == ("A", "1")


def test_segments_shorter_than_the_least_length_are_dropped() -> None:
    posterior = [0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1]
    assert edges(decode(posterior)) == [(1000, 2000), (4000, 6000)]
    assert edges(decode(posterior, min_length=1001)) == [(4000, 6000)]
    assert edges(decode(posterior, min_length=2000)) == [(4000, 6000)]
    assert edges(decode(posterior, min_length=2001)) == []


def test_sequences_do_not_run_into_each_other() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    found = decoder.add(block_of([0.9, 0.9], length=2000))
    found += decoder.add(block_of([0.9, 0.1], chrom="chr2", length=2000))
    found += decoder.add(block_of([0.9, 0.1], chrom="chr2", length=2000))  # other haplotypes
    assert [(s.chrom, s.start, s.end) for s in found] == [("chr1", 0, 2000), ("chr2", 0, 1000), ("chr2", 0, 1000)]


def plain(posterior: np.ndarray, match: np.ndarray, threshold: float, least: int, size: int, length: int):
    """Segments by a loop over bins, as the documentation puts it."""
    n = posterior.shape[1]
    middles = [(b * size + min((b + 1) * size, length)) / 2 for b in range(n)]
    found = []
    for name, row, sites in zip(NAMES, posterior.astype(float), match, strict=False):
        b = 0
        while b < n:
            if row[b] < threshold:
                b += 1
                continue
            first = b
            while b < n and row[b] >= threshold:
                b += 1

            def cross(i: int, values=row) -> float:  # between bins i - 1 and i
                share = (threshold - values[i - 1]) / (values[i] - values[i - 1])
                return middles[i - 1] + share * (middles[i] - middles[i - 1])

            start = 0 if first == 0 else round(cross(first))
            end = length if b == n else round(cross(b))
            if end - start >= max(least, 1) and round(float(sites[first:b].sum())) >= 1:
                found.append((start, end, *name, row[first:b].mean()))
    return sorted(found)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bins=st.integers(1, 40),
    haplotypes=st.integers(1, 3),
    threshold=st.sampled_from([0.02, 0.3, 0.5, 0.97]),
    least=st.sampled_from([0, 700, 2500]),
    size=st.sampled_from([40, 1000]),
    cuts=st.sets(st.integers(1, 40)),
)
def test_decoding_is_the_same_for_any_blocks(seed, bins, haplotypes, threshold, least, size, cuts) -> None:
    random = np.random.default_rng(seed)
    posterior = random.choice([0, 0.2, 0.5, 0.55, 0.98, 1.0], (haplotypes, bins)).astype(np.float32)
    posterior = np.where(random.random((haplotypes, bins)) < 0.3, random.random(), posterior)
    posterior = np.asarray(posterior, dtype=np.float32)
    match = random.integers(0, 90, (haplotypes, bins)).astype(np.float32) / 31
    length = bins * size - int(random.integers(0, size))
    whole = SegmentDecoder(DecodeSettings(threshold, least), size).add(block_of(posterior, length=length, match=match))
    expected = plain(posterior, match, threshold, least, size, length)
    assert [s[1:5] for s in whole] == [e[:4] for e in expected]
    np.testing.assert_allclose([s.posterior for s in whole], [e[4] for e in expected], atol=1e-6)

    decoder = SegmentDecoder(DecodeSettings(threshold, least), size)
    borders = [0, *sorted(c for c in cuts if c < bins), bins]
    pieces: list[Segment] = []
    for a, b in itertools.pairwise(borders):
        block = block_of(posterior[:, a:b], first_bin=a, last=b == bins)
        block.rare_match, block.rare_differ = match[:, a:b], match[:, ::-1][:, a:b] * 2
        block.length = length if b == bins else None
        pieces += decoder.add(block)
    pieces.sort()
    assert [s[:5] + s[6:] for s in pieces] == [s[:5] + s[6:] for s in whole]
    np.testing.assert_allclose([s.posterior for s in pieces], [s.posterior for s in whole], rtol=1e-9)


@pytest.mark.parametrize(
    ("threshold", "least", "said"),
    [(0.0, 0, "threshold is 0.0"), (1.0, 0, "threshold is 1.0"), (0.5, -1, "min_length is -1")],
)
def test_settings_that_make_no_sense(threshold, least, said) -> None:
    with pytest.raises(SettingError, match=said):
        DecodeSettings(threshold, least)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2"]),
            st.integers(0, 50),
            st.integers(1, 20),
            st.sampled_from(["A", "B"]),
            st.sampled_from(["1", "2"]),
        )
    )
)
def test_merged_intervals_cover_the_same_bases(drawn) -> None:
    intervals = [Interval(c, start, start + n, s, h) for c, start, n, s, h in drawn]
    merged = merge_intervals(intervals)

    def bases(some):
        return {(i.chrom, i.sample, i.haplotype, p) for i in some for p in range(i.start, i.end)}

    assert bases(merged) == bases(intervals)
    assert merged == sorted(merged)
    seen: dict[tuple[str, str, str], int] = {}
    for i in merged:  # apart by at least a base
        key = i.chrom, i.sample, i.haplotype
        assert i.start > seen.get(key, -1)
        seen[key] = i.end
