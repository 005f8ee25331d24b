"""Several files joined by position are what one file of everybody would be, whatever is in which."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLE
from support.introgression import vcf_text

from genolstm.errors import InputError, SettingError
from genolstm.introgression.channels import CALLABLE
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.settings import TrackSettings, VariantSettings
from genolstm.introgression.variants.block import (
    ABSENT,
    UNKNOWN,
    CallSettings,
    SiteRows,
    SourceCounts,
    Stretch,
    VariantBlock,
)
from genolstm.introgression.variants.feed import ROLES
from genolstm.introgression.variants.join import VariantReader

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
NAMES = {"target": ["t0", "t1", "t2"], "outgroup": ["o0", "o1"], "archaic": ["a0"]}
EVERYBODY = [name for names in NAMES.values() for name in names]
LENGTH, SITES = 240, 36


@dataclass
class Held:
    """A source that holds its rows: by chromosome, positions, reference and alleles of all samples."""

    samples: Sequence[str]
    rows: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    contigs: Mapping[str, int | None]
    known: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    all_sites: bool | None = False
    path: str = "held"
    piece: int = 7
    counts: SourceCounts = field(default_factory=SourceCounts)

    def read(
        self, samples: Sequence[str], settings: CallSettings | Sequence[CallSettings], stretches: object = None
    ) -> Iterator[SiteRows]:
        columns = [2 * self.samples.index(name) + h for name in samples for h in (0, 1)]
        for chrom, (positions, reference, alleles) in self.rows.items():
            wanted = [Stretch(chrom)] if stretches is None else [s for s in stretches if s.chrom == chrom]  # type: ignore[attr-defined]
            for _, start, end in wanted:
                end = self.contigs[chrom] if end is None else end
                at = start
                while at < end:
                    stop = min(at + self.piece, end)
                    inside = (positions >= at) & (positions < stop)
                    known = [(max(a, at), min(b, stop)) for a, b in self.known.get(chrom, ()) if a < stop and b > at]
                    self.counts.records += int(inside.sum())
                    yield SiteRows(
                        chrom,
                        positions[inside],
                        reference[inside],
                        alleles[inside][:, columns],
                        np.array(known, dtype=np.int64).reshape(-1, 2),
                        stop,
                        stop == end,
                    )
                    at = stop


Rows = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


def genotypes(rng: np.random.Generator, chroms: Sequence[str], missing: float, haploid: bool) -> Rows:
    """Alleles of everybody; the first and the last site of a chromosome vary among the targets."""
    rows: Rows = {}
    for chrom in chroms:
        positions = np.sort(rng.choice(LENGTH, SITES, replace=False)).astype(np.int64)
        reference = rng.integers(0, 4, len(positions)).astype(np.int8)
        other = ((reference + rng.integers(1, 4, len(positions))) % 4).astype(np.int8)
        share = rng.random(len(positions))[:, None] ** 2
        alleles = np.where(
            rng.random((len(positions), 2 * len(EVERYBODY))) < share, other[:, None], reference[:, None]
        ).astype(np.int8)
        alleles[[0, -1], 0] = other[[0, -1]]
        alleles[rng.random(alleles.shape) < missing] = UNKNOWN
        alleles[[0, -1], 0] = other[[0, -1]]
        if haploid:
            # From some site on, a target has one haplotype only, and so has an archaic.
            alleles[rng.integers(1, SITES - 1) :, 3] = ABSENT
            alleles[:, 11] = ABSENT
        rows[chrom] = positions, reference, alleles
    return rows


def part(rows: Rows, samples: Sequence[str], chroms: Sequence[str], lists: bool, **changes: object) -> Held:
    """A file of some samples and chromosomes, with the sites at which these differ from the reference or are missing.

    With ``lists``, it states all other positions.
    """
    columns = [2 * EVERYBODY.index(name) + h for name in samples for h in (0, 1)]
    found: Rows = {}
    known: dict[str, list[tuple[int, int]]] = {}
    for chrom in chroms:
        positions, reference, alleles = rows[chrom]
        own = alleles[:, columns]
        without = own == ABSENT
        # A haplotype that begins or ends to exist is seen in a record.
        changed = np.concatenate([[True], (without[1:] != without[:-1]).any(axis=1)])
        kept = ((own != reference[:, None]) & ~without).any(axis=1) | (changed & without.any())
        found[chrom] = positions[kept], reference[kept], own[kept]
        if lists:
            edges = [-1, *positions[kept].tolist(), LENGTH]
            known[chrom] = [(a + 1, b) for a, b in pairwise(edges) if b > a + 1]
    return Held(list(samples), found, dict.fromkeys(chroms, LENGTH), known, lists, **changes)  # type: ignore[arg-type]


def reader(target: object, **changes: object) -> VariantReader:
    return VariantReader(target, **{**NAMES, **changes})  # type: ignore[arg-type]


def same(found: Sequence[VariantBlock], expected: Sequence[VariantBlock]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.chrom, a.start, a.end, a.length, a.last) == (b.chrom, b.start, b.end, b.length, b.last)
        assert a.positions.tolist() == b.positions.tolist()
        for role in ROLES:
            np.testing.assert_array_equal(getattr(a, role), getattr(b, role), err_msg=role)
        assert a.uncallable == b.uncallable


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_files_split_in_any_way_are_the_whole(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    chroms = ["1", "2"][: data.draw(st.integers(1, 2))]
    rows = genotypes(rng, chroms, data.draw(st.sampled_from([0.0, 0.1])), data.draw(st.booleans()))
    lists = {role: data.draw(st.booleans(), label=f"{role} lists all positions") for role in ROLES}
    span, overlap = data.draw(st.sampled_from([(1000, 50), (40, 11), (7, 3)]))
    piece = data.draw(st.sampled_from([1, 13, 1000]))

    def files(role: str, names: Sequence[str]) -> list[Held]:
        by_chrom = [[chrom] for chrom in chroms] if data.draw(st.booleans()) else [chroms]
        at = data.draw(st.integers(0, len(names)))
        batches = [batch for batch in (names[:at], names[at:]) if batch]
        return [part(rows, batch, own, lists[role], piece=piece) for own in by_chrom for batch in batches]

    with_outgroup = data.draw(st.booleans(), label="outgroup in the files of the targets")
    if with_outgroup:
        lists["outgroup"] = lists["target"]
        found = reader(
            files("target", NAMES["target"] + NAMES["outgroup"]), archaic_files=files("archaic", NAMES["archaic"])
        )
    else:
        found = reader(
            files("target", NAMES["target"]),
            outgroup_files=files("outgroup", NAMES["outgroup"]),
            archaic_files=files("archaic", NAMES["archaic"]),
        )
    # If the files of the targets state all positions, they reach from end to end.
    whole = part(rows, EVERYBODY, chroms, lists["target"])
    same(list(found.blocks(span=span, overlap=overlap)), list(reader(whole).blocks(span=span, overlap=overlap)))


def test_what_a_file_says_of_positions_without_a_record() -> None:
    sites = {
        "1": (np.array([10, 20, 30]), np.zeros(3, np.int8), np.array([[2, 0] * 5, [0, 2] * 5, [2, 0] * 5], np.int8))
    }
    targets = Held(EVERYBODY[:5], sites, {"1": 100})
    own = {"1": (np.array([10]), np.zeros(1, np.int8), np.array([[2, 0]], np.int8))}

    def archaic(told: str, **changes: object) -> tuple[VariantBlock, VariantReader]:
        file = Held(["a0"], own, {"1": 100}, path="archaic", **changes)  # type: ignore[arg-type]
        joined = reader(targets, archaic_files=file, absent={"archaic": told})  # type: ignore[dict-item]
        (block,) = joined.blocks(span=1000, overlap=5)
        return block, joined

    # A file of variant sites only: the reference.
    block, joined = archaic("auto")
    assert block.archaic.tolist() == [[2, 0], [0, 0], [0, 0]]
    assert block.uncallable == []
    assert joined.left_out()[-1] == "archaic: a position without a record has the reference"
    # One that lists invariant positions: unknown where it does not.
    lists = {"known": {"1": [(5, 10), (11, 25)]}, "all_sites": True}
    block, joined = archaic("auto", **lists)
    assert block.archaic.tolist() == [[2, 0], [0, 0], [-1, -1]]
    assert block.uncallable == [(25, 36)]
    assert joined.left_out()[-1] == (
        "archaic: lists invariant positions: a position without a record is unknown in the archaic"
    )
    # The option says otherwise, both ways.
    assert archaic("reference", **lists)[0].archaic.tolist() == [[2, 0], [0, 0], [0, 0]]
    block, joined = archaic("missing")
    assert block.archaic.tolist() == [[2, 0], [-1, -1], [-1, -1]]
    assert block.uncallable == [(5, 10), (11, 36)]
    assert joined.left_out()[-1] == "archaic: a position without a record is unknown in the archaic"


def test_a_few_invariant_records_do_not_make_a_file_that_lists_all() -> None:
    """A cohort cut down to some samples has sites at which these do not vary, but not all positions."""
    rows = genotypes(np.random.default_rng(4), ["1"], 0, False)
    held = part(rows, EVERYBODY, ["1"], False)
    taken = set(held.rows["1"][0].tolist())
    free = [p for p in range(min(taken), max(taken)) if not {p - 1, p, p + 1} & taken]
    sparse = Held(EVERYBODY, held.rows, held.contigs, {"1": [(p, p + 1) for p in free]}, True)
    plain = list(reader(held).blocks(span=1000, overlap=0))
    assert len(free) > 100
    same(list(reader(sparse).blocks(span=1000, overlap=0)), plain)


def test_a_file_that_lists_all_positions_late_is_refused() -> None:
    positions = np.arange(0, 400, 5)
    alleles = np.tile(np.array([[0, 2] * 6], np.int8), (len(positions), 1))
    known = [(p + 1, p + 5) for p in positions.tolist() if p > 200]
    file = Held(EVERYBODY, {"1": (positions, np.zeros(80, np.int8), alleles)}, {"1": 400}, {"1": known}, piece=110)
    with pytest.raises(InputError) as error:
        list(reader(file).blocks(span=1000, overlap=0))
    assert str(error.value) == (
        "held: 1:222: began as a file of variant sites only, and lists invariant ones from here on; say what a "
        "position without a record means: --target-absent missing or reference"
    )
    told = reader(file, absent=dict.fromkeys(ROLES, "reference"))
    assert [b.uncallable for b in told.blocks(span=1000, overlap=0)] == [[]]


# ---------------------------------------------------------------- alleles and references


def files_of(tmp_path: Path, **records: object) -> dict[str, Path]:
    """Files of one sample of each role; records are (position, REF, ALT, genotype)."""
    found = {}
    for role, told in records.items():
        path = tmp_path / f"{role}.vcf"
        name = {"target": ["t", "o"], "archaic": ["a"]}[role]
        lines = [("1", p, ref, alt, calls.split()) for p, ref, alt, calls in told]  # type: ignore[attr-defined]
        path.write_text(vcf_text(name, lines))
        found[role] = path
    return found


def joined(paths: Mapping[str, Path], **changes: object) -> VariantReader:
    return VariantReader(paths["target"], ["t"], ["o"], ["a"], archaic_files=paths["archaic"], **changes)  # type: ignore[arg-type]


def test_alleles_meet_by_their_letters(tmp_path: Path) -> None:
    paths = files_of(
        tmp_path,
        target=[(5, "A", "C,G", "0|1 2|2"), (9, "T", "C", "0|1 0|0")],
        archaic=[(5, "A", "G,T", "1/2"), (7, "C", "G", "0/1"), (9, "T", "G", "1/1")],
    )
    (block,) = joined(paths).blocks(span=1000, overlap=0)
    assert block.positions.tolist() == [4, 6, 8]
    assert block.target.tolist() == [[0, 1], [1, 1], [3, 1]]
    assert block.outgroup.tolist() == [[2, 2], [1, 1], [3, 3]]
    assert block.archaic.tolist() == [[2, 3], [1, 2], [2, 2]]


def test_another_reference_is_unknown_and_counted(tmp_path: Path) -> None:
    n = 200
    target = [(p, "A", "C", "0|1 0|0") for p in range(1, n + 1)]
    archaic = [(p, "A", "C", "1/1") for p in range(1, n + 1)]
    archaic[6], archaic[9] = (7, "G", "C", "1/1"), (10, "C", "A", "0/0")
    paths = files_of(tmp_path, target=target, archaic=archaic)
    found = joined(paths)
    (block,) = found.blocks(span=1000, overlap=0)
    assert block.positions.tolist() == list(range(n))
    assert np.flatnonzero((block.archaic < 0).any(axis=1)).tolist() == [6, 9]
    assert found.counts.other_ref == 2
    assert f"{paths['archaic']}: 2 positions with another REF than that of the targets, taken as missing" in (
        found.left_out()
    )
    # Three in two hundred are no chance.
    archaic[50] = (51, "T", "C", "1/1")
    paths = files_of(tmp_path, target=target, archaic=archaic)
    with pytest.raises(InputError) as error:
        list(joined(paths).blocks(span=1000, overlap=0))
    assert str(error.value) == (
        f"{paths['archaic']}: 1:7: REF differs from that of the targets at 3 of 200 shared positions; "
        "is it of another build of the genome?"
    )
    # And neither is it where the few that are shared all differ.
    paths = files_of(tmp_path, target=target[:3], archaic=[(p, "G", "C", "1/1") for p in (1, 2, 3)])
    with pytest.raises(InputError, match="at 3 of 3 shared positions"):
        list(joined(paths).blocks(span=1000, overlap=0))


# ---------------------------------------------------------------- chromosomes


def of_chroms(path: Path, names: Sequence[str], chroms: Sequence[str], contigs: Mapping[str, int | None]) -> Path:
    records = [(chrom, p, "A", "C", ["0|1"] * len(names)) for chrom in chroms for p in (5, 9)]
    path.write_text(vcf_text(names, records, contigs=contigs))
    return path


def chroms_of(found: VariantReader) -> list[str]:
    return [block.chrom for block in found.blocks(span=1000, overlap=0)]


def test_chromosomes_come_in_the_order_of_the_headers(tmp_path: Path) -> None:
    contigs = dict.fromkeys(["1", "2", "3", "10"], 100)
    targets = [of_chroms(tmp_path / f"t{c}.vcf", ["t", "o"], [c], contigs) for c in ("10", "3", "1")]
    archaic = of_chroms(tmp_path / "a.vcf", ["a"], ["1", "2", "3", "10"], contigs)
    found = VariantReader(targets, ["t"], ["o"], ["a"], archaic_files=archaic)
    assert chroms_of(found) == ["1", "3", "10"]
    assert found.warnings() == []
    # Of the archaic's, chromosome 2 is passed over.
    assert found.counts.records == 3 * 2 + 4 * 2


def test_files_of_another_order_need_an_index(tmp_path: Path) -> None:
    contigs = dict.fromkeys(["1", "2"], 100)
    targets = of_chroms(tmp_path / "t.vcf", ["t", "o"], ["1", "2"], contigs)
    archaic = of_chroms(tmp_path / "a.vcf", ["a"], ["2", "1"], contigs)
    with pytest.raises(InputError, match="has chromosome 1 at another place than the files before it") as error:
        chroms_of(VariantReader(targets, ["t"], ["o"], ["a"], archaic_files=archaic))
    assert "bcftools index" in str(error.value)


@needs_bcftools
def test_with_an_index_any_order_will_do(tmp_path: Path) -> None:
    contigs = dict.fromkeys(["1", "2"], 100)
    targets = of_chroms(tmp_path / "t.vcf", ["t", "o"], ["1", "2"], contigs)
    plain = of_chroms(tmp_path / "a.vcf", ["a"], ["2", "1"], contigs)
    packed = tmp_path / "a.vcf.gz"
    subprocess.run(["bcftools", "view", "-Oz", "-o", packed, plain], check=True)
    subprocess.run(["bcftools", "index", packed], check=True)
    blocks = list(VariantReader(targets, ["t"], ["o"], ["a"], archaic_files=packed).blocks(span=1000, overlap=0))
    assert [(b.chrom, b.archaic.tolist()) for b in blocks] == [("1", [[0, 1], [0, 1]]), ("2", [[0, 1], [0, 1]])]


def test_who_is_nowhere_on_a_chromosome_is_unknown_there(tmp_path: Path) -> None:
    contigs = dict.fromkeys(["1", "2"], 100)
    one = of_chroms(tmp_path / "one.vcf", ["t", "o", "a"], ["1", "2"], contigs)
    two = of_chroms(tmp_path / "two.vcf", ["u", "p"], ["1"], contigs)
    found = VariantReader([one, two], ["t", "u"], ["o", "p"], ["a"])
    first, second = found.blocks(span=1000, overlap=0)
    assert first.target.tolist() == [[0, 1, 0, 1]] * 2
    assert second.target.tolist() == [[0, 1, -1, -1]] * 2
    assert second.outgroup.tolist() == [[0, 1, -1, -1]] * 2
    assert found.warnings() == [
        "no file has u on 2: 1 target samples are unknown there",
        "no file has p on 2: 1 outgroup samples are unknown there",
    ]


def test_a_role_that_is_nowhere_on_a_chromosome(tmp_path: Path) -> None:
    contigs = dict.fromkeys(["1", "2"], 100)
    targets = of_chroms(tmp_path / "t.vcf", ["t", "o"], ["1", "2"], contigs)
    archaic = of_chroms(tmp_path / "a.vcf", ["a"], ["1"], contigs)
    found = VariantReader(targets, ["t"], ["o"], ["a"], archaic_files=archaic)
    first, second = found.blocks(span=1000, overlap=20)
    assert (first.uncallable, second.uncallable) == ([], [(0, 29)])
    assert second.archaic.tolist() == [[-1, -1]] * 2
    assert found.warnings()[0] == "no file of the archaic has 2: nothing can be called there"


# ---------------------------------------------------------------- what is refused


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    targets = of_chroms(tmp_path / "t.vcf", ["t", "o"], ["1"], {"1": 100})

    def refused(**changes: object) -> str:
        with pytest.raises((InputError, SettingError)) as error:
            list(VariantReader(**{"path": targets, **ROLE_NAMES, **changes}).blocks(span=1000, overlap=0))  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value).replace(f"{tmp_path}/", "")

    other = of_chroms(tmp_path / "a.vcf", ["a"], ["chr1"], {"chr1": 100})
    assert refused(archaic_files=other) == (
        "a.vcf: shares no chromosome with the targets: it has chr1, they have 1; chromosome names must agree"
    )
    # Without a declaration it shows when all is read.
    other = of_chroms(tmp_path / "a.vcf", ["a"], ["chr1"], {})
    assert refused(archaic_files=other) == (
        "a.vcf: shares no chromosome with the targets: it has chr1, they have 1; chromosome names must agree"
    )
    other = of_chroms(tmp_path / "a.vcf", ["a"], ["1"], {"1": 90})
    assert refused(archaic_files=other) == (
        "a.vcf: states a length of 90 bp for 1, and t.vcf of 100 bp; are they of the same build of the genome?"
    )
    (tmp_path / "a.vcf").write_text(vcf_text(["a"], [("1", 6, "A", "C", ["1/1"])], contigs={"1": 100}))
    assert refused(archaic_files=other) == (
        "a.vcf: has none of the 2 sites of the targets; is it of another build of the genome?"
    )
    again = of_chroms(tmp_path / "u.vcf", ["t", "x"], ["1"], {"1": 100})
    third = of_chroms(tmp_path / "a.vcf", ["a"], ["1"], {"1": 100})
    assert refused(path=[targets, again], archaic_files=third) == (
        "u.vcf: holds the sample t on 1, and so does t.vcf; "
        "a sample may be in several files only if they hold different chromosomes"
    )
    assert refused(path=[targets, targets], archaic_files=third) == "t.vcf: is given twice"
    assert refused(archaic=["o"], archaic_files=again) == (
        "sample o is named as outgroup and as archaic; the groups must not overlap"
    )
    assert refused(archaic_files=third, archaic=["b"]) == ("a.vcf: has no sample b (1 of 1 named samples are missing)")
    assert refused(path=[targets, again], target=["t", "z"], archaic_files=third) == (
        "none of the 2 files of --vcf has the sample z (1 of 3 named samples are missing)"
    )


ROLE_NAMES = {"target": ["t"], "outgroup": ["o"], "archaic": ["a"]}


def test_what_is_missing_at_most_sites_is_said(tmp_path: Path) -> None:
    """As after `bcftools merge` without -0: who has no record is missing there, not of the reference."""
    path = tmp_path / "x.vcf"
    records = [("1", p, "A", "C", ["0|1", "0|0", ".|." if p % 3 else "1|1"]) for p in range(1, 30)]
    path.write_text(vcf_text(["t", "o", "a"], records))
    found = VariantReader(path, ["t"], ["o"], ["a"])
    list(found.blocks(span=1000, overlap=0))
    assert found.warnings() == [
        "the archaic is missing at 69 % of the sites: was it merged without the reference (bcftools merge -0)? "
        "Give its own file: --archaic-vcf"
    ]
    swapped = VariantReader(path, ["t"], ["a"], ["o"])
    list(swapped.blocks(span=1000, overlap=0))
    assert swapped.warnings()[0].startswith("the outgroup is missing at 69 % of the sites")
    # Of a file of its own something else is likely.
    own = tmp_path / "a.vcf"
    own.write_text(vcf_text(["b"], [("1", 3, "A", "C", ["1|1"])]))
    apart = VariantReader(path, ["t"], ["o"], ["b"], archaic_files=own, absent={"archaic": "missing"})
    list(apart.blocks(span=1000, overlap=0))
    assert apart.warnings() == [
        "the archaic is missing at 97 % of the sites: does a position without a record mean the reference? "
        "--archaic-absent"
    ]


def test_what_was_left_out_is_said_item_by_item_and_file_by_file(tmp_path: Path) -> None:
    paths = files_of(
        tmp_path,
        target=[(5, "A", "C", "0|1 0|0"), (7, "AT", "A", "0|1 0|0"), (9, "A", "G", "0|1 .|.")],
        archaic=[(5, "A", "C", "1/1"), (6, "A", "<DEL>", "1/1"), (9, "A", "G", "./.")],
    )
    found = joined(paths)
    list(found.blocks(span=1000, overlap=0))
    assert [line.replace(f"{tmp_path}/", "") for line in found.left_out()] == [
        "1 sites in 6 records",
        "target.vcf: 1 records that are no single-base substitutions, left out",
        "archaic.vcf: 1 records that are no single-base substitutions, left out",
        "1 sites that no target or no outgroup sample is called at: nothing is counted there",
        "1 sites that the archaic is missing at: nothing is counted there",
        "target.vcf: a position without a record has the reference",
        "archaic.vcf: a position without a record has the reference",
    ]


# ---------------------------------------------------------------- the example, as people have it


def tracks_of(**door: object) -> list[np.ndarray]:
    found = VcfDoor(**door)  # type: ignore[arg-type]
    return [block.tracks for block in found.tracks(TrackSettings())]


@pytest.fixture(scope="module")
def merged_tracks() -> list[np.ndarray]:
    return tracks_of(vcf=EXAMPLE / "region.vcf.gz", **{role: EXAMPLE / f"{role}.txt" for role in ROLES})


@pytest.mark.parametrize("archaic", ["archaic.vcf.gz", "archaic.g.vcf.gz"])
@pytest.mark.parametrize("span", [2_000_000, 50_000])
def test_the_example_in_separate_files(merged_tracks: list[np.ndarray], archaic: str, span: int) -> None:
    (expected,) = merged_tracks
    found = tracks_of(
        vcf=EXAMPLE / "people.vcf.gz",
        samples=EXAMPLE / "people.tsv",
        target="CEU",
        outgroup="AFR",
        archaic_vcf=EXAMPLE / archaic,
        span=span,
    )
    np.testing.assert_array_equal(np.concatenate(found, axis=1), expected)


def test_what_the_archaic_does_not_state_is_not_callable(tmp_path: Path, merged_tracks: list[np.ndarray]) -> None:
    """Without its blocks from 100 to 200 kb, the archaic is unknown there, and nowhere else."""
    import gzip

    lines = gzip.decompress((EXAMPLE / "archaic.g.vcf.gz").read_bytes()).decode().splitlines(keepends=True)
    path = tmp_path / "archaic.g.vcf"
    kept = [line for line in lines if line.startswith("#") or not 100_000 < int(line.split("\t")[1]) <= 200_000]
    path.write_text("".join(kept))
    door = {"vcf": EXAMPLE / "people.vcf.gz", "samples": EXAMPLE / "people.tsv", "target": "CEU", "outgroup": "AFR"}
    (found,) = tracks_of(**door, archaic_vcf=path)
    share = found[0, :, CALLABLE]
    first = next(int(line.split("\t")[1]) for line in kept if line[0] != "#" and int(line.split("\t")[1]) > 200_000)
    assert (share[101:200] == 0).all()
    assert (share[:98] > 0.96).all()
    assert (share[first // 1000 + 1 : -1] == 1).all()
    np.testing.assert_array_equal(found[:, :98], merged_tracks[0][:, :98])
    told = VariantSettings(archaic_absent="reference")
    (taken,) = tracks_of(**door, archaic_vcf=path, settings=told)
    assert (taken[0, 1:-1, CALLABLE] == 1).all()
