"""Segments and merged intervals, worked out by hand."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from genolstm.errors import SettingError
from genolstm.introgression.segments import (
    DecodeSettings,
    Interval,
    PosteriorBlock,
    Segment,
    SegmentDecoder,
    merge_intervals,
)


def block_of(rows, *, chrom="chr1", first_bin=0, length=None, last=True, match=1.0, differ=0.0) -> PosteriorBlock:
    """A block of one haplotype or several, with the same evidence in every bin."""
    posterior = np.atleast_2d(np.asarray(rows, dtype=np.float32))
    names = [("S", str(h + 1)) for h in range(len(posterior))]
    evidence = [np.full_like(posterior, value) for value in (match, differ)]
    return PosteriorBlock(chrom, names, first_bin, posterior, *evidence, length, last)


def test_settings_have_plain_defaults_and_cannot_be_changed() -> None:
    settings = DecodeSettings()
    assert (settings.threshold, settings.min_length) == (0.5, 0)
    with pytest.raises(FrozenInstanceError):
        settings.threshold = 0.7


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 1.0, 1.5, float("nan")])
def test_a_threshold_is_a_probability_that_separates(threshold: float) -> None:
    with pytest.raises(SettingError, match="threshold"):
        DecodeSettings(threshold)


@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.99])
def test_thresholds_between_0_and_1_are_taken(threshold: float) -> None:
    assert DecodeSettings(threshold, 1).threshold == threshold


def test_a_block_alone_is_a_whole_sequence_of_unknown_length() -> None:
    row = np.zeros((1, 1), dtype=np.float32)
    block = PosteriorBlock("c", [("S", "1")], 0, row, row, row)
    assert (block.length, block.last) == (None, True)


def test_an_open_segment_does_not_go_on_in_another_chromosome() -> None:
    """A sequence whose last block never came leaves nothing behind."""
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    assert decoder.add(block_of([0.9, 0.9], last=False)) == []
    # The mean posterior is that of the two bins here, 0.75 and 0.625, alone.
    assert decoder.add(block_of([0.75], chrom="chr2", last=False)) == []
    (found,) = decoder.add(block_of([0.625], chrom="chr2", first_bin=1))
    assert found == Segment("chr2", 0, 2000, "S", "1", 0.6875, 2, 2, "archaic", (0.6875,))


def test_the_posterior_before_a_chromosome_does_not_move_its_first_edge() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    decoder.add(block_of([0.0], last=False))
    # A line from 0 to 0.9 would cross 0.5 at 56 bp.
    (found,) = decoder.add(block_of([0.9], chrom="chr2"))
    assert (found.start, found.end) == (0, 1000)


def test_a_chromosome_may_come_again_after_it_ended() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    first = decoder.add(block_of([0.9, 0.1]))
    assert decoder.add(block_of([0.9, 0.1])) == first


def test_the_last_posterior_of_a_block_places_the_first_edge_of_the_next() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 100)
    assert decoder.add(block_of([0.2], last=False)) == []
    # From 0.2 at 50 to 0.8 at 150: 0.5 is reached halfway, at 100. Then down to 0 at 250.
    (found,) = decoder.add(block_of([0.8, 0.0], first_bin=1))
    assert (found.start, found.end) == (100, 150 + round(100 * 0.3 / 0.8))


def test_a_segment_that_closes_with_the_first_bin_of_a_block() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 100)
    assert decoder.add(block_of([0.75, 0.75], last=False, match=1.5, differ=0.5)) == []
    (found,) = decoder.add(block_of([0.25, 0.0], first_bin=2, match=9, differ=9))
    # From 0.75 at 150 to 0.25 at 250; the bins of the second block are not part of it.
    assert found == Segment("chr1", 0, 200, "S", "1", 0.75, 4, 3, "archaic", (0.75,))


def test_a_bin_that_only_touches_the_threshold_is_no_segment() -> None:
    # Both edges lie in the middle of the bin: there is no base between them.
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    assert decoder.add(block_of([0.25, 0.5, 0.25])) == []
    decoder = SegmentDecoder(DecodeSettings(0.5, min_length=1), 1000)
    assert decoder.add(block_of([0.25, 0.5, 0.25])) == []


def test_a_segment_of_one_base_is_one() -> None:
    # 0.5 is reached at 1.5 - 0.5 = 1 and left at 1.5 + 0.5 = 2 with bins of 1 bp.
    decoder = SegmentDecoder(DecodeSettings(0.5), 1)
    (found,) = decoder.add(block_of([0.25, 0.75, 0.25]))
    assert (found.start, found.end) == (1, 2)


def test_many_bins_in_one_block() -> None:
    """A run of 600 bins of 10 bp, from the 301st on; evidence is summed over all of them."""
    row = np.full(1000, 0.0)
    row[300:900] = 1.0
    decoder = SegmentDecoder(DecodeSettings(0.5), 10)
    (found,) = decoder.add(block_of(row, match=0.25, differ=0.125))
    assert found == Segment("chr1", 3000, 9000, "S", "1", 1.0, 225, 150, "archaic", (1.0,))


def test_segments_of_several_haplotypes_come_in_order_of_start() -> None:
    decoder = SegmentDecoder(DecodeSettings(0.5), 100)
    found = decoder.add(block_of([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert [(s.start, s.end, s.haplotype) for s in found] == [(0, 100, "2"), (200, 300, "1")]


def test_the_end_of_the_sequence_cuts_a_segment_only_where_it_is_shorter() -> None:
    for length, end in ((250, 250), (300, 300), (1000, 300)):
        decoder = SegmentDecoder(DecodeSettings(0.5), 100)
        (found,) = decoder.add(block_of([0.0, 1.0, 1.0], length=length))
        assert (found.start, found.end) == (100, end)


# ---------------------------------------------------------------- merged intervals


def intervals(*spans, chrom="1", sample="A", haplotype="1") -> list[Interval]:
    return [Interval(chrom, start, end, sample, haplotype) for start, end in spans]


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ([], []),
        ([(5, 9)], [(5, 9)]),
        ([(5, 9), (9, 12)], [(5, 12)]),
        ([(5, 9), (10, 12)], [(5, 9), (10, 12)]),
        ([(5, 20), (6, 8), (19, 21)], [(5, 21)]),
        ([(10, 12), (5, 9)], [(5, 9), (10, 12)]),
        ([(5, 9), (5, 9)], [(5, 9)]),
        ([(1, 4), (2, 9), (9, 10), (12, 13)], [(1, 10), (12, 13)]),
    ],
)
def test_intervals_that_overlap_or_touch_are_one(given, merged) -> None:
    assert merge_intervals(intervals(*given)) == intervals(*merged)


@pytest.mark.parametrize("other", [{"chrom": "2"}, {"sample": "B"}, {"haplotype": "2"}])
def test_intervals_of_different_haplotypes_stay_apart(other: dict[str, str]) -> None:
    both = [*intervals((1, 5)), *intervals((3, 9), **other)]
    assert merge_intervals(both) == both
    assert merge_intervals(both[::-1]) == both


def test_merged_intervals_are_sorted_by_position_not_by_name() -> None:
    late, early = intervals((8, 9), sample="A"), intervals((1, 2), sample="B")
    assert merge_intervals([*late, *early]) == [*early, *late]
