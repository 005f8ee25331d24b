"""Blocks, sample groups and refusals of a VCF, each at the border where it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.introgression import vcf_text

from genolstm.errors import InputError
from genolstm.introgression.variants.block import VariantBlock
from genolstm.introgression.variants.join import VariantReader
from genolstm.introgression.variants.lines import MAX_ALLELES

NAMES = ["t1", "t2", "o1", "a1"]
FULL = ["0|1", "1|0", "0|0", "1|1"]
HEADER = 5  # lines before the first record


def record(position: int, ref: str = "A", alt: str = "G", calls: str | None = None, chrom: str = "1"):
    return chrom, position, ref, alt, FULL if calls is None else calls.split()


def reader_of(tmp_path: Path, records, *, contigs=None, **changes) -> VariantReader:
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, records, contigs=contigs))
    groups = {"target": NAMES[:2], "outgroup": NAMES[2:3], "archaic": NAMES[3:]}
    return VariantReader(path, **{**groups, **changes})


def blocks_of(tmp_path: Path, records, *, span: int = 1000, overlap: int = 0, **changes) -> list[VariantBlock]:
    return list(reader_of(tmp_path, records, **changes).blocks(span=span, overlap=overlap))


def refused(tmp_path: Path, records, **changes) -> InputError:
    with pytest.raises(InputError) as error:
        blocks_of(tmp_path, records, **changes)
    return error.value


# ---------------------------------------------------------------- blocks


def cut(tmp_path: Path, positions: list[int], span: int, overlap: int, length: int | None = None):
    """(start, end, positions, length, last) of the blocks of a chromosome; positions are 0-based."""
    records = [record(p + 1) for p in positions]
    blocks = blocks_of(tmp_path, records, span=span, overlap=overlap, contigs={"1": length})
    return [(b.start, b.end, b.positions.tolist(), b.length, b.last) for b in blocks]


@pytest.mark.parametrize(
    ("positions", "overlap", "blocks"),
    [
        ([0], 0, [(0, 1, [0], 1, True)]),
        ([3, 9], 0, [(3, 10, [3, 9], 10, True)]),
        # The last base ends the block that it is in, not the next one.
        ([3, 10], 0, [(3, 10, [3], 11, False), (10, 11, [10], 11, True)]),
        # Up to the overlap, sites of the next block are in this one, too.
        ([3, 14], 5, [(3, 10, [3, 14], 15, False), (10, 15, [14], 15, True)]),
        ([3, 15], 5, [(3, 10, [3], 16, False), (10, 16, [15], 16, True)]),
        # And those of the block before: 5 is the first that is less than 5 from 10.
        ([4, 5, 12], 5, [(4, 10, [4, 5, 12], 13, False), (10, 13, [5, 12], 13, True)]),
        # A block without a site is a block.
        ([23, 47], 0, [(23, 30, [23], 48, False), (30, 40, [], 48, False), (40, 48, [47], 48, True)]),
        (
            [12, 27, 33],
            10,
            [(12, 20, [12, 27], 34, False), (20, 30, [12, 27, 33], 34, False), (30, 34, [27, 33], 34, True)],
        ),
    ],
)
def test_blocks_are_cut_at_multiples_of_the_span(tmp_path: Path, positions, overlap, blocks) -> None:
    assert cut(tmp_path, positions, 10, overlap) == blocks


def test_a_length_of_the_header_is_known_from_the_first_block_on(tmp_path: Path) -> None:
    found = cut(tmp_path, [3, 25], 10, 0, 500)
    assert [length for *_, length, _ in found] == [500, 500, 500]
    # Blocks end at the last site nevertheless: nothing is known beyond it.
    assert found[-1][:2] == (20, 26)


def test_blocks_hold_no_more_than_what_lies_around_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    positions = np.sort(rng.choice(300, 90, replace=False))
    for span, overlap in ((10, 3), (50, 31), (7, 20)):
        for start, end, found, *_ in cut(tmp_path, positions.tolist(), span, overlap):
            around = (positions >= end - (end - 1) % span - 1 - overlap) & (positions < end + overlap)
            assert found == positions[around].tolist(), (start, end)


def test_an_empty_block_has_the_columns_of_a_full_one(tmp_path: Path) -> None:
    _, empty, full = blocks_of(tmp_path, [record(1), record(25)], span=10)
    for block, sites in ((empty, 0), (full, 1)):
        assert [x.shape for x in (block.target, block.outgroup, block.archaic)] == [(sites, 4), (sites, 2), (sites, 2)]
        assert {x.dtype for x in (block.target, block.outgroup, block.archaic)} == {np.dtype(np.int8)}
        assert all(x.flags.c_contiguous for x in (block.target, block.outgroup, block.archaic))


# ---------------------------------------------------------------- groups


def test_the_groups_keep_to_their_columns(tmp_path: Path) -> None:
    (block,) = blocks_of(tmp_path, [record(1, "C", "T", "0|0 0|1 1|0 1|1")])
    assert (block.target.tolist(), block.outgroup.tolist(), block.archaic.tolist()) == (
        [[1, 1, 1, 3]],
        [[3, 1]],
        [[3, 3]],
    )


@pytest.mark.parametrize(
    ("calls", "counts"),
    [
        # One called haplotype of a group is enough.
        (".|0 .|. .|0 0|0", (1, 0, 0)),
        (".|. 1|. 0|. .|.", (1, 0, 1)),
        (".|. .|. 0|0 0|1", (0, 1, 0)),
        ("0|0 0|1 .|. 0|0", (0, 1, 0)),
        ("0|0 0|0 0|0 .|1", (1, 0, 0)),
    ],
)
def test_a_site_needs_a_call_in_target_and_outgroup(tmp_path: Path, calls: str, counts) -> None:
    reader = reader_of(tmp_path, [record(1), record(5, calls=calls)])
    list(reader.blocks(span=100, overlap=0))
    sites, uncalled, archaic_missing = counts
    assert (reader.counts.sites - 1, reader.counts.uncalled, reader.counts.archaic_missing) == (
        sites,
        uncalled,
        archaic_missing,
    )


@pytest.mark.parametrize(
    ("absent", "shown"), [(["x"], "x"), (["x", "y", "z"], "x, y, z"), (["x", "y", "z", "w"], "x, y, z ...")]
)
def test_up_to_three_absent_samples_are_named(tmp_path: Path, absent: list[str], shown: str) -> None:
    with pytest.raises(InputError) as error:
        reader_of(tmp_path, [record(1)], outgroup=absent)
    wanted = 3 + len(absent)
    assert error.value.reason == f"has no sample {shown} ({len(absent)} of {wanted} named samples are missing)"


# ---------------------------------------------------------------- merged records


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ("1|0", "0|0", [2, 0]),
        ("0|0", "1|0", [3, 0]),
        ("1|0", "1|0", [-1, 0]),
        (".|1", ".|.", [-1, 2]),
        (".|.", "0|1", [-1, 3]),
        ("0|.", ".|0", [-1, -1]),
    ],
)
def test_two_records_of_a_site(tmp_path: Path, first: str, second: str, merged: list[int]) -> None:
    rest = "0|1 0|0 0|0"
    records = [record(5, "A", "G", f"{first} {rest}"), record(5, "A", "T", f"{second} 0|0 0|0 0|0")]
    (block,) = blocks_of(tmp_path, records)
    assert block.target[0, :2].tolist() == merged


def test_records_of_a_site_are_merged_only_with_each_other(tmp_path: Path) -> None:
    records = [record(5), record(5), record(5, "A", "T", "0|0 0|0 0|0 0|0"), record(6), record(5, chrom="2")]
    reader = reader_of(tmp_path, records, contigs={"1": None, "2": None})
    blocks = list(reader.blocks(span=100, overlap=0))
    assert [(b.chrom, b.positions.tolist()) for b in blocks] == [("1", [4, 5]), ("2", [4])]
    assert (reader.counts.records, reader.counts.merged, reader.counts.sites) == (5, 2, 3)


@pytest.mark.parametrize(("first", "second"), [("A", "C"), ("C", "A"), ("T", "G")])
def test_a_site_has_one_reference_base(tmp_path: Path, first: str, second: str) -> None:
    alt = next(base for base in "ACGT" if base not in (first, second))
    error = refused(tmp_path, [record(5, first, alt), record(5, second, alt)])
    assert error.reason == f"REF is {second} here and {first} in the previous record"
    assert (error.record, error.hint) == ("1:5", "a position has only one reference base")


def test_case_of_the_letters_does_not_matter(tmp_path: Path) -> None:
    (block,) = blocks_of(tmp_path, [record(5, "a", "g"), record(5, "A", "t", "0|0 0|0 0|0 0|0")])
    assert block.target.tolist() == [[0, 2, 2, 0]]


# ---------------------------------------------------------------- refusals


def test_the_last_base_of_a_chromosome_is_within_it(tmp_path: Path) -> None:
    assert blocks_of(tmp_path, [record(50)], contigs={"1": 50})[-1].positions.tolist() == [49]
    error = refused(tmp_path, [record(52)], contigs={"1": 50})
    assert error.reason == "lies beyond the length stated in the header (50 bp)"
    assert (error.line, error.record) == (HEADER + 1, "1:52")


def test_as_many_alternative_alleles_as_can_be_told_apart(tmp_path: Path) -> None:
    rest = ",".join(f"<X{k}>" for k in range(MAX_ALLELES - 1))
    last = MAX_ALLELES
    (block,) = blocks_of(tmp_path, [record(5, "A", f"{rest},G", f"{last}|0 0|1 0|{last - 1} {last}|{last}")])
    assert (block.target.tolist(), block.outgroup.tolist(), block.archaic.tolist()) == (
        [[2, 0, 0, -1]],
        [[0, -1]],
        [[2, 2]],
    )
    error = refused(tmp_path, [record(5, "A", f"{rest},<Y>,G")])
    assert error.reason == f"the site has more than {MAX_ALLELES} alternative alleles"


def test_an_allele_that_the_record_does_not_have(tmp_path: Path) -> None:
    assert blocks_of(tmp_path, [record(5, "A", "G,T", "0|2 0|0 0|0 0|0")])[0].target[0, 1] == 3
    error = refused(tmp_path, [record(5, "A", "G,T", "0|3 0|0 0|0 0|0")])
    assert error.reason == "a genotype of t1 names allele 3, but the record has 3 alleles"


def test_unphased_heterozygotes_are_counted_one_by_one(tmp_path: Path) -> None:
    records = [
        record(5, calls="0/1 1/0 0/1 0/1"),
        record(6, calls="0/0 1/0 0|0 0|0"),
        record(7, calls="0|1 1/1 0|0 .|."),
    ]
    reader = reader_of(tmp_path, records, allow_unphased=True)
    (block,) = reader.blocks(span=100, overlap=0)
    assert reader.counts.unphased == 3
    assert block.target.tolist() == [[0, 2, 2, 0], [0, 0, 2, 0], [0, 2, 2, 2]]
    error = refused(tmp_path, records[1:])
    assert error.reason == "sample t2 is heterozygous and unphased"
    assert error.hint == "phase the file, or use --allow-unphased (see the documentation)"


def test_hints_say_what_to_do(tmp_path: Path) -> None:
    error = refused(tmp_path, [record(50), record(49)])
    assert (error.reason, error.hint) == ("position 49 comes after 50", "sort the file (bcftools sort)")
    error = refused(tmp_path, [record(5), record(5, chrom="2"), record(9)], contigs={"1": None, "2": None})
    assert (error.reason, error.line) == ("chromosome 1 reappears after another one", HEADER + 4)
    assert error.hint == "sort the file (bcftools sort)"
    # The contigs of the header, three at most; without --chrom they are no help.
    contigs = dict.fromkeys("1234")
    error = refused(tmp_path, [record(5)], contigs=contigs, chrom="9")
    assert error.reason == "has no chromosome 9"
    assert error.hint == "its header names 1, 2, 3"
    assert refused(tmp_path, [], contigs=contigs).hint is None
    error = refused(tmp_path, [], contigs={}, chrom="9")
    assert (error.reason, error.hint) == ("has no usable site on chromosome 9 (0 records read)", None)


@pytest.mark.parametrize(("reference", "alts"), [("A", "CG"), ("C", "AG"), ("G", "AT"), ("T", "AC")])
def test_two_records_of_a_site_whatever_the_bases_are(tmp_path: Path, reference: str, alts: str) -> None:
    """The code of a base is no rank: alternatives may come before the reference in the alphabet."""
    code = "ACGT".index
    for one, other in (alts, alts[::-1]):
        records = [record(5, reference, one, "1|0 0|0 0|0 0|0"), record(5, reference, other, "0|1 0|0 0|0 0|1")]
        (block,) = blocks_of(tmp_path, records)
        assert block.target.tolist() == [[code(one), code(other), code(reference), code(reference)]]
        assert block.archaic.tolist() == [[code(reference), code(other)]]
