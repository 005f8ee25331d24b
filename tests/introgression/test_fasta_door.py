"""Unknown bases of panels and queries, stretches, and panels that are not what they are taken for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genolstm.introgression.doors.fasta as door_module
import genolstm.introgression.knowledge as knowledge_module
from genolstm.errors import InputError
from genolstm.introgression.channels import CALLABLE, CHANNELS, N_COUNTS
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.knowledge import RARE, Knowledge, known_at_all, known_haplotypes
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import tracks_from_counts
from genolstm.sequences.alphabet import encode
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel

K = 31


# --- what is known at a place --------------------------------------------------------------------


def by_definition(counts, width, reach, target=None, many=0):
    """Known haplotypes, start by start, as the docstring says it."""
    pad = width + 3 * reach + 2
    zeros = np.zeros(pad, dtype=int)
    padded = np.concatenate([zeros, counts, zeros])
    n = len(padded)
    windows = [max(padded[max(j, 0) : max(j + width, 0)], default=0) for j in range(-width, n)]
    closed = np.array([min(windows[i + 1 : i + width + 1]) for i in range(n)])
    most = np.array([max(padded[max(i - reach, 0) : i + reach + 1]) for i in range(n)])
    doubtful = 2 * closed < most
    carried = np.concatenate([zeros, counts if target is None else target, zeros])
    known = np.where(doubtful, 0, closed)
    for i in np.flatnonzero(doubtful) if many else []:
        run = [i]
        for step in (-1, 1):
            j = i + step
            while doubtful[j] and abs(i - j) <= reach:
                run.append(j)
                j += step
        if max(carried[run]) < many:
            known[i] = most[i]
    return known[pad : pad + len(counts)]


@st.composite
def steps(draw, longest=400):
    """Counts that change every few starts."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, longest))
    values = random.integers(0, 9, n) * (random.random(n) < 0.8)
    return np.repeat(values, random.integers(1, 12, n))[:n].astype(np.uint16)


@settings(max_examples=60, deadline=None)
@given(steps(), steps(), st.integers(2, 20), st.integers(0, 12))
def test_known_haplotypes_are_what_they_are_said_to_be(counts, target, width, reach) -> None:
    np.testing.assert_array_equal(known_haplotypes(counts, width, reach), by_definition(counts, width, reach))
    n = min(len(counts), len(target))
    counts, target = counts[:n], target[:n]
    np.testing.assert_array_equal(
        known_haplotypes(counts, width, reach, target, 5), by_definition(counts, width, reach, target, 5)
    )
    np.testing.assert_array_equal(known_at_all(counts, width), by_definition(np.minimum(counts, 1), width, 0))


def test_long_sequences_are_worked_through_in_chunks() -> None:
    random = np.random.default_rng(3)
    counts = np.repeat(random.integers(0, 9, 4000), random.integers(1, 60, 4000)).astype(np.uint16)
    whole = known_haplotypes(counts, 32, 62)
    assert len(counts) > 5 * knowledge_module._CHUNK
    for start in (0, 8192 - 40, 3 * 8192 + 1):
        low = max(start - 300, 0)
        piece = known_haplotypes(counts[low : start + 600], 32, 62)
        np.testing.assert_array_equal(piece[start - low : start - low + 300], whole[start : start + 300])


@pytest.mark.parametrize(("share", "width"), [(0.0, 0), (None, 125), (RARE / 2, 125), (RARE, 32), (0.3, 32)])
def test_what_the_stated_share_leads_to(share, width) -> None:
    knowledge = Knowledge.of([share], share, 31)
    assert (knowledge.archaic, knowledge.outgroup) == ((width,), width)
    assert knowledge.graded == (width == 32)
    assert knowledge.context == {0: 0, 125: 124, 32: 124}[width]


# --- one sequence ---------------------------------------------------------------------------------

N_OUT = 20
LENGTH = 1200
SETTINGS = TrackSettings(K, LENGTH)


def panel_of(sequences) -> KmerPanel:
    builder = PanelBuilder(K)
    for sequence in sequences:
        builder.add_haplotype([encode(sequence)])
    return builder.finish()


def changed(sequence: str, *places: int) -> str:
    letters = list(sequence)
    for place in places:
        letters[place] = {"A": "C", "C": "G", "G": "T", "T": "A"}[letters[place]]
    return "".join(letters)


def masked(sequence: str, start: int, end: int) -> str:
    return sequence[:start] + "N" * (end - start) + sequence[end:]


@pytest.fixture(scope="module")
def reference() -> str:
    return "".join(np.random.default_rng(5).choice(list("ACGT"), LENGTH))


def track(query: str, archaic: KmerPanel, outgroup: KmerPanel, target: KmerPanel | None = None) -> dict[str, float]:
    """The channels of a track of one bin that are not 0, in k-mers."""
    from genolstm.sequences.kmers import valid_kmers

    codes = encode(query)
    found = tracks_from_counts(
        [archaic.lookup(codes)],
        outgroup.lookup(codes),
        None if target is None else target.lookup(codes),
        valid_kmers(codes, K),
        length=len(codes),
        outgroup_size=outgroup.n_haplotypes,
        target_size=1 if target is None else target.n_haplotypes,
        settings=SETTINGS,
        knowledge=Knowledge.of([archaic.unknown_share], outgroup.unknown_share, K),
    )[0]
    counts = {name: round(float(found[i]) * K, 3) for i, name in enumerate(CHANNELS[:N_COUNTS]) if found[i]}
    everywhere, in_archaic = (round(float(found[CALLABLE + i]) * LENGTH) for i in (0, 1))
    # Of the archaic, it is said only where less is known than of the outgroup.
    return counts | {"callable": everywhere} | ({} if in_archaic == everywhere else {"callable_first": in_archaic})


def carried(cell: str, n: int) -> dict[str, int]:
    """The channels of n k-mers that the archaic carries."""
    return {cell: n, f"{cell}_first": n}


# K-mers at either end cannot be told from the beginning of an unknown stretch, so variants are kept away.
ALL = LENGTH - K + 1


@pytest.mark.parametrize(("start", "end"), [(300, 350), (300, 302), (0, 50), (1150, 1200), (100, 900)])
def test_unknown_in_the_whole_outgroup_is_not_absent(reference, start, end) -> None:
    archaic = panel_of([reference])
    outgroup = panel_of([masked(reference, start, end)] * N_OUT)
    lost = min(end, ALL) - max(start - K + 1, 0)
    assert track(reference, archaic, outgroup) == {"callable": ALL - lost}


def test_unknown_in_some_outgroup_haplotypes_lowers_no_frequency(reference) -> None:
    archaic = panel_of([changed(reference, 600)])
    # Fifteen haplotypes are unknown somewhere, each elsewhere; at 300 one in five of the rest differs.
    sequences = [changed(reference, 300) if i % 5 == 0 else reference for i in range(N_OUT)]
    sequences = [masked(s, 40 * i, 40 * i + 60) if i < 15 else s for i, s in enumerate(sequences)]
    found = track(changed(reference, 300), archaic, panel_of(sequences))
    # The query's allele at 300 is the one of 4 haplotypes, none of them unknown there: 4 of 17 or 18 known.
    assert found == {"to0.5": K, "to1_not_first": K, "callable": ALL}


@pytest.mark.parametrize("end", [332, 350])
def test_unknown_in_the_archaic_is_no_difference(reference, end) -> None:
    outgroup = panel_of([changed(reference, 700)] * N_OUT)
    archaic = panel_of([masked(changed(reference, 900), 330, end)])
    found = track(reference, archaic, outgroup)
    # Where the outgroup differs the archaic matches, and where the archaic differs it does.
    lost = end - 330 + K - 1
    expected = {**carried("absent_single", K), "to1_not_first": K, "callable": ALL, "callable_first": ALL - lost}
    assert found == expected


def test_one_known_haplotype_of_the_archaic_is_enough(reference) -> None:
    outgroup = panel_of([reference] * N_OUT)
    archaic = panel_of([masked(reference, 300, 400), masked(reference, 350, 450)])
    assert track(reference, archaic, outgroup) == {"callable": ALL, "callable_first": ALL - (50 + K - 1)}


def test_a_complete_panel_is_taken_at_its_word(reference) -> None:
    """Variants close to each other are variants, however wide the gap that they make."""
    query = changed(reference, 500, 510, 520, 550, 580)
    full = panel_of([reference] * N_OUT)
    assert full.unknown_share == 0
    wide = 580 - 500 + K
    assert track(query, panel_of([query]), full) == {**carried("absent_single", wide), "callable": ALL}


def test_a_panel_that_says_nothing_is_asked_little(reference) -> None:
    """Gaps that clusters of variants may make are variants; far longer ones are not."""
    query = changed(reference, 500, 530, 560)
    silent = {"bases": None, "unknown": None}
    outgroup = replace(panel_of([masked(reference, 800, 900)] * N_OUT), **silent)
    archaic = replace(panel_of([query]), **silent)
    wide = 60 + K
    assert wide < 4 * K + 1 <= 100 + K - 1
    assert track(query, archaic, outgroup) == {**carried("absent_single", wide), "callable": ALL - (100 + K - 1)}
    less = replace(panel_of([masked(reference, 800, 890)] * N_OUT), **silent)
    assert track(query, archaic, less) == {**carried("absent_single", wide + 90 + K - 1), "callable": ALL}


def test_other_targets_tell_variants_from_unknown_bases(reference) -> None:
    """Of ten targets, one carries three archaic variants close to each other."""
    query = changed(reference, 500, 510, 520)
    archaic = panel_of([query])
    outgroup = panel_of([masked(reference, 900, 920)] * N_OUT)
    wide, lost = 20 + K, 20 + K - 1
    targets = panel_of([query] + [reference] * 9)
    assert track(query, archaic, outgroup, targets) == {**carried("absent_single", wide), "callable": ALL - lost}
    two = panel_of([query, reference])
    assert track(query, archaic, outgroup, two) == {**carried("absent_single", wide), "callable": ALL - lost}
    # What most carry, or without other targets to ask, is not counted.
    assert track(query, archaic, outgroup) == {"callable": ALL - lost - wide}
    most = panel_of([query] * 6 + [reference] * 4)
    assert track(query, archaic, outgroup, most) == {"callable": ALL - lost - wide}
    half = panel_of([query] * 5 + [reference] * 5)
    assert track(query, archaic, outgroup, half) == {**carried("absent_shared", wide), "callable": ALL - lost}


def test_single_unknown_bases_show_if_all_targets_have_what_the_outgroup_lacks(reference) -> None:
    outgroup = panel_of([masked(reference, 600, 601)] * N_OUT)
    targets = panel_of([reference] * 10)
    assert track(reference, panel_of([reference]), outgroup, targets) == {"callable": ALL - K}
    assert track(reference, panel_of([reference]), outgroup) == {**carried("absent_single", K), "callable": ALL}
    # Next to a site at which the targets differ, too.
    mixed = panel_of([changed(reference, 610)] * 2 + [reference] * 8)
    assert track(reference, panel_of([reference]), outgroup, mixed) == {"callable": ALL - K}
    few = panel_of([reference] * 7)
    assert track(reference, panel_of([reference]), outgroup, few) == {**carried("absent_shared", K), "callable": ALL}


def test_unknown_in_the_query_is_not_compared(reference) -> None:
    full = panel_of([reference] * N_OUT)
    query = masked(changed(reference, 600), 300, 350)
    lost = 50 + K - 1
    assert track(query, full, full) == {"absent_single": K, "callable": ALL - lost}
    doubtful = panel_of([masked(reference, 1000, 1002)] * N_OUT)
    # What is next to it may be unknown as well: 20 of the k-mers over a variant are too few to tell.
    query = masked(changed(reference, 370), 300, 350)
    assert track(query, doubtful, doubtful) == {"callable": ALL - lost - (2 + K - 1) - (371 - 350)}


# --- stretches ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population(tmp_path_factory) -> tuple[Path, KmerPanel, KmerPanel]:
    """Ten queries of 9 kb with unknown bases, and panels with other ones."""
    random = np.random.default_rng(11)
    length = 9000
    base = "".join(random.choice(list("ACGT"), length))

    def haplotype(variants: int, runs: int) -> str:
        text = changed(base, *random.integers(0, length, variants).tolist())
        for start in random.integers(0, length, runs).tolist():
            text = masked(text, start, min(start + int(random.geometric(0.02)), length))
        return text

    path = tmp_path_factory.mktemp("population") / "query.fa"
    path.write_text("".join(f">s{i}#1#chr1\n{haplotype(60, 4)}\n" for i in range(10)))
    archaic = panel_of([haplotype(40, 12)])
    return path, archaic, panel_of([haplotype(20, 6) for _ in range(12)])


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(("stretch", "threads"), [(100, 1), (500, 3), (2000, 2)])
def test_stretches_do_not_show(population, monkeypatch, stretch, threads, silent) -> None:
    path, *panels = population
    if silent:
        panels = [replace(panel, bases=None, unknown=None) for panel in panels]
    door = FastaDoor([path], *panels)
    (whole,) = door.tracks(TrackSettings(31, 100))
    said = door.warnings()
    monkeypatch.setattr(door_module, "_STRETCH", stretch)
    (found,) = door.tracks(TrackSettings(31, 100), threads=threads)
    np.testing.assert_array_equal(found.tracks, whole.tracks)
    assert whole.tracks.shape == (10, 90, len(CHANNELS))
    assert 0.1 < (whole.tracks[:, :, CALLABLE + 1] < 0.99).mean() < 0.9
    assert door.warnings() == said


@settings(max_examples=15, deadline=None)
@given(length=st.integers(31, 2000), size=st.integers(31, 90), stretch=st.integers(1, 300))
def test_stretches_cover_every_start_once(length, size, stretch) -> None:
    track_settings = TrackSettings(31, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(door_module, "_STRETCH", stretch)
        pieces = list(door_module._stretches(length, track_settings))
    starts = [start for first, last in pieces for start in range(first, last)]
    assert starts == list(range(length - 30))
    bins = [{(start + 15) // size for start in range(first, last)} for first, last in pieces]
    assert all(not a & b for i, a in enumerate(bins) for b in bins[i + 1 :])
    assert all(len(b) <= max(stretch // size, 1) for b in bins)


def test_few_sequences_are_held_at_a_time(population, monkeypatch) -> None:
    path, *panels = population
    monkeypatch.setattr(door_module, "_STRETCH", 1000)
    held: list[int] = []
    batches = door_module._batches

    def watched(records, bases):
        for batch in batches(records, bases):
            held.append(len(batch))
            yield batch
            assert batch == []

    monkeypatch.setattr(door_module, "_batches", watched)
    (whole,) = FastaDoor([path], *panels).tracks(TrackSettings(31, 100), threads=2)
    assert held == [1] * 10
    monkeypatch.setattr(door_module, "_STRETCH", 10_000)
    (again,) = FastaDoor([path], *panels).tracks(TrackSettings(31, 100), threads=2)
    assert held[10:] == [3, 3, 3, 1]
    np.testing.assert_array_equal(whole.tracks, again.tracks)


def test_the_ceiling_of_memory_reaches_the_panel_of_the_query(population, monkeypatch) -> None:
    path, *panels = population
    given_memory = []

    class Watched(PanelBuilder):
        def __init__(self, k, *, memory=None):
            given_memory.append(memory)
            super().__init__(k, memory=memory)

    monkeypatch.setattr("genolstm.sequences.panel.builder.PanelBuilder", Watched)
    (free,) = FastaDoor([path], *panels).tracks(TrackSettings(31, 100))
    (tight,) = FastaDoor([path], *panels, memory=1 << 28).tracks(TrackSettings(31, 100))
    assert given_memory == [4 << 30, 1 << 28]
    np.testing.assert_array_equal(free.tracks, tight.tracks)


# --- panels and records that are not what they are taken for ----------------------------------------


def random_text(seed: int, length: int = 8000) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def scanned(tmp_path: Path, query: dict[str, str], archaic: KmerPanel, outgroup: KmerPanel, **options) -> list[str]:
    path = tmp_path / "query.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in query.items()))
    door = FastaDoor([path], archaic, outgroup, **options)
    assert door.warnings() == []
    list(door.tracks(TrackSettings()))
    return door.warnings()


def test_right_input_raises_no_doubts(tmp_path) -> None:
    text = random_text(1)
    haplotypes = [changed(text, 100 + 10 * i) for i in range(6)]
    query = {f"s{i}#1#chr1": changed(text, 3000 + i) for i in range(3)}
    assert scanned(tmp_path, query, panel_of([changed(text, 5000)]), panel_of(haplotypes)) == []


def test_contigs_counted_as_haplotypes_are_refused(tmp_path) -> None:
    contigs = [random_text(i) for i in range(12)]
    outgroup = panel_of(contigs)
    with pytest.raises(InputError) as caught:
        scanned(tmp_path, {"s#1#chr1": contigs[0]}, panel_of(contigs), outgroup)
    assert caught.value.reason == (
        "counts 12 haplotypes, and the query's k-mers occur in at most 1 of them: contigs were counted as haplotypes"
    )
    assert "panel build --haplotypes file" in str(caught.value)


def test_a_part_of_the_outgroup_is_a_warning(tmp_path) -> None:
    """A Y chromosome is carried by a quarter of the haplotypes, and unknown bases also leave few."""
    text = random_text(1)
    others = [random_text(i) for i in range(10, 16)]
    said = scanned(tmp_path, {"s#1#chrY": text}, panel_of([text]), panel_of([text, text, *others]))
    assert said == [
        "the outgroup panel counts 8 haplotypes, and the query's k-mers occur in at most 2 of them: if contigs were "
        "counted as haplotypes, build it with genolstm panel build --haplotypes file"
    ]
    mostly = panel_of([text, *(masked(text, 0, 7990) for _ in range(7))])
    (share, few) = scanned(tmp_path, {"s#1#chrY": text}, panel_of([text]), mostly)
    assert share == ("the input of the outgroup panel is 87.4 % unknown bases; what lies there was not compared")
    assert "in at most 1 of them" in few


def test_panels_of_something_else(tmp_path) -> None:
    text = random_text(1)
    outgroup = panel_of([text] * 4)
    said = scanned(tmp_path, {"s#1#chr1": text}, panel_of([random_text(2) + text[:1000]]), outgroup)
    assert said == [
        "the archaic panel holds 12.2 % of the k-mers that the query shares with the whole outgroup: "
        "is it of another species, or of another part of the genome?"
    ]
    said = scanned(tmp_path, {"s#1#chr1": text}, panel_of([text]), panel_of([random_text(2)] * 4))
    assert said == [
        "the outgroup panel holds 0.0 % of the query's k-mers: is it of another species, or of another part of the "
        "genome?"
    ]


def test_contigs_of_the_query_taken_as_haplotypes(tmp_path) -> None:
    contigs = {f"contig{i}": random_text(i) for i in range(3)}
    panel = panel_of(["N".join(contigs.values())] * 4)
    complete = replace(panel, unknown=(0,) * 4)
    assert scanned(tmp_path, contigs, complete, complete) == [
        "100 % of the query's k-mers occur in one of its 3 haplotypes only: if its records are contigs of one "
        "haplotype, use --haplotypes file"
    ]
    assert scanned(tmp_path, contigs, complete, complete, haplotypes="file", sharing=True) == []


def test_the_share_of_unknown_bases_is_told(tmp_path) -> None:
    text = random_text(1)
    archaic, outgroup = panel_of([masked(text, 0, 1600)]), panel_of([masked(text, 1000, 1080)] * 4)
    assert scanned(tmp_path, {"s#1#chr1": text}, archaic, outgroup) == [
        "the input of the archaic panel is 20.0 % unknown bases; what lies there was not compared",
        "the input of the outgroup panel is 1.0 % unknown bases; what lies there was not compared",
    ]


def test_panels_of_reads_do_not_know_everything(reference) -> None:
    """They state no N, but lack the k-mers of stretches that were not covered."""
    panel = panel_of([reference])
    assert door_module._unknown_share(panel) == 0
    assert door_module._unknown_share(replace(panel, min_count=3)) is None
    assert door_module._unknown_share(panel_of([masked(reference, 0, 300)])) == 0.25
