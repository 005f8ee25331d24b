"""Panels of input that does not fit in memory: the same bytes, from temporary files that vanish."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genolstm.errors import OutputError, PanelError, SettingError
from genolstm.sequences.alphabet import Codes, encode, reverse_complement_text
from genolstm.sequences.panel import builder as panel_builder
from genolstm.sequences.panel import pieces, sections, shards
from genolstm.sequences.panel.build import build_panel
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.scratch import Scratch

EXAMPLE = Path(__file__).parents[2] / "example_data"


@contextmanager
def small_steps() -> Iterator[None]:
    """Let a few hundred bases fill every buffer and go through every loop many times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", 60)
        patch.setattr(shards, "SHARDS", 5)
        patch.setattr(shards, "_ROWS", 12)
        patch.setattr(shards, "_ROW", 40)
        patch.setattr(shards, "_BLOCK", 50)
        patch.setattr(sections, "CHUNK", 160)
        patch.setattr(sections, "_PART", 40)
        patch.setattr(sections, "_PART_ROWS", 3)
        patch.setattr(sections, "_WINDOW", 4)
        patch.setattr(panel_builder, "_SMALLEST_TABLE", 64)
        yield


def dna(length: int, seed: int = 1) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def words(text: str, k: int) -> list[str | None]:
    """Return the canonical k-mers, None where a base is unknown."""
    found = (text[i : i + k] for i in range(len(text) - k + 1))
    return [None if "N" in w else min(w, reverse_complement_text(w)) for w in found]


def related(rng: random.Random, size: int, number: int) -> list[list[str]]:
    """Return haplotypes of a few contigs with repeats, tandem repeats, unknown bases and SNPs."""
    unit = "".join(rng.choices("ACGT", k=40))
    contigs = []
    for _ in range(rng.randint(1, 3)):
        text = ""
        while len(text) < rng.randint(0, size):
            text += rng.choice(
                [unit, reverse_complement_text(unit), "A" * 70, "ACG" * 9, "N" * rng.randint(1, 9)]
                + ["".join(rng.choices("ACGT", k=rng.randint(1, 200)))] * 3
            )
        contigs.append(text)

    def descend(text: str) -> str:
        letters = list(text)
        for site in range(len(letters)):
            if rng.random() < 0.01:
                letters[site] = rng.choice("ACGTN")
        return "".join(letters)

    return [[descend(text) for text in contigs] for _ in range(number)]


def built(haplotypes: list[list[str]], k: int, memory: int | None, threads: int = 1) -> KmerPanel:
    builder = PanelBuilder(k, memory=memory, threads=threads)
    for contigs in haplotypes:
        builder.add_haplotype(encode(text) for text in contigs)
    return builder.finish()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    k=st.sampled_from([1, 2, 5, 8, 15, 22, 31]),
    number=st.integers(1, 6),
    # From 1 byte (shards from the start) to some that are exceeded on the way.
    memory=st.sampled_from([1, 9_000, 12_000, 16_000, 24_000]),
    threads=st.integers(1, 3),
)
def test_a_ceiling_does_not_change_a_byte(seed: int, k: int, number: int, memory: int, threads: int) -> None:
    haplotypes = related(random.Random(seed), 600, number)
    expected = Counter(w for contigs in haplotypes for w in {w for text in contigs for w in words(text, k) if w})
    with small_steps():
        if not expected:
            with pytest.raises(PanelError, match="-mer is left"):
                built(haplotypes, k, memory)
            return
        free, tight = built(haplotypes, k, None), built(haplotypes, k, memory, threads)
    for name, array in free.arrays.items():
        assert array.tobytes() == tight.arrays[name].tobytes(), name
    assert free.summary() == tight.summary()
    assert tight.n_kmers == len(expected)
    for contigs in haplotypes:
        for text in contigs:
            assert tight.lookup(encode(text)).tolist() == [expected[w] if w else 0 for w in words(text, k)]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), k=st.sampled_from([3, 11, 31]), least=st.integers(1, 4))
def test_reads_within_a_ceiling(seed: int, k: int, least: int) -> None:
    reads = [text for contigs in related(random.Random(seed), 400, 5) for text in contigs]
    count = Counter(w for text in reads for w in words(text, k) if w)
    kept = {word for word, n in count.items() if n >= least}
    panels = []
    with small_steps():
        for memory in (None, 1, 12_000):
            builder = PanelBuilder(k, occurrences=True, memory=memory)
            builder.add_haplotype(encode(text) for text in reads)
            strings = ["".join("ACGT"[code] for code in codes.tolist()) for codes in builder.strings(least)]
            assert Counter(w for text in strings for w in words(text, k)) == Counter(kept)
            if kept:
                panels.append(builder.finish(min_count=least))
    for panel in panels:
        assert panel.n_kmers == len(kept)
        for name, array in panels[0].arrays.items():
            assert array.tobytes() == panel.arrays[name].tobytes(), name
        for text in reads:
            assert panel.lookup(encode(text)).tolist() == [int(w in kept) for w in words(text, k)]


def test_a_ceiling_that_is_reached_on_the_way() -> None:
    haplotypes = [[dna(3000, seed)] for seed in (1, 1, 2)]
    with small_steps():
        builder = PanelBuilder(31, memory=30_000)
        for number, contigs in enumerate(haplotypes):
            builder.add_haplotype(map(encode, contigs))
            # The second haplotype adds nothing, the third one is new.
            assert (builder._shards is not None) == (number == 2)
        tight, free = builder.finish(), built(haplotypes, 31, None)
    assert tight.n_kmers == 2 * 2970
    for name, array in free.arrays.items():
        assert array.tobytes() == tight.arrays[name].tobytes(), name


def test_more_haplotypes_than_a_byte_counts() -> None:
    rng = random.Random(9)
    text, other = ("".join(rng.choices("ACGT", k=150)) for _ in range(2))
    with small_steps():
        for memory in (None, 1, 14_000):
            panel = built([[text]] * 254 + [[other]] + [[text, other]] * 46, 21, memory)
            assert panel.lookup(encode(text)).tolist() == [300] * 130
            assert panel.lookup(encode(other)).tolist() == [47] * 130


def test_runs_and_strings_across_every_border() -> None:
    # Long strings, long runs of one count, and a heavy minimizer, with the buffers as they are.
    rng = np.random.default_rng(10)
    codes = rng.integers(0, 4, 700_000).astype(np.uint8)
    for place in range(0, 300_000, 1000):
        codes[place : place + 17] = codes[:17]
    panels = []
    for memory in (None, 1, 9 << 20):
        builder = PanelBuilder(31, memory=memory, threads=2)
        builder.add_haplotype([codes])
        builder.add_haplotype([codes[350_000:]])
        panels.append(builder.finish())
    for panel in panels:
        for name, array in panels[0].arrays.items():
            assert array.tobytes() == panel.arrays[name].tobytes(), name
        expected = np.where(np.arange(codes.size - 30) < 350_000, 1, 2)
        assert np.array_equal(panel.lookup(codes), expected)
    # A string ends with every piece; the pieces after the first repeat k - 1 bases.
    assert panel.n_strings == -(-(codes.size - 30) // pieces.PIECE)
    assert panel.n_bases == codes.size + 30 * (panel.n_strings - 1)


def test_blocks_of_a_contig_are_one_contig() -> None:
    rng = np.random.default_rng(11)
    contigs = [rng.integers(0, 5, size).astype(np.uint8) for size in (500, 3, 40, 131)]

    def blocks(codes: Codes) -> list[Codes]:
        return np.split(codes, np.sort(rng.integers(0, codes.size, 6)))

    with small_steps():
        whole, parted = PanelBuilder(9), PanelBuilder(9)
        whole.add_haplotype(contigs)
        parted.add_blocks(map(blocks, contigs))
        assert (whole.bases, whole.unknown) == (parted.bases, parted.unknown)
        assert whole.bases == [674]
        assert whole.unknown == [sum(int((codes == 4).sum()) for codes in contigs)]
        first, second = whole.finish(), parted.finish()
    for name, array in first.arrays.items():
        assert array.tobytes() == second.arrays[name].tobytes(), name


def test_memory_per_base(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a builder says it needs for one more base is what its arrays take.
    monkeypatch.setattr(pieces, "PIECE", 1 << 12)
    codes = np.random.default_rng(12).integers(0, 4, 400_000).astype(np.uint8)
    builder = PanelBuilder(31)
    for _ in range(3):
        builder.add_haplotype([codes])
    known = builder._known
    assert known is not None
    assert known._counts.itemsize == 1
    used = known.n_bases * 3 // 2 + known._table.nbytes + known._links.nbytes
    assert 0 <= known.needed(1) - used < 200
    assert used < 5 * codes.size


def test_a_lookup_takes_its_result_and_the_packed_query(tmp_path: Path) -> None:
    codes = np.random.default_rng(13).integers(0, 4, 400_000).astype(np.uint8)
    builder = PanelBuilder(31)
    builder.add_haplotype([codes])
    builder.finish().save(tmp_path / "x.panel")
    panel = KmerPanel.open(tmp_path / "x.panel")
    panel.lookup(codes[:100])
    tracemalloc.start()
    try:
        assert panel.lookup(codes).min() == 1
        # 16 bits for the count, 2 for the base and 1 for whether it is known.
        assert tracemalloc.get_traced_memory()[1] < 19 / 8 * codes.size + 4096
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------ temporary files


def test_a_killed_build_leaves_nothing(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, time
        import numpy as np
        from genolstm.sequences.panel.builder import PanelBuilder
        builder = PanelBuilder(31, memory=1, folder=sys.argv[1])
        builder.add_haplotype([np.random.default_rng(1).integers(0, 4, 400_000).astype(np.uint8)])
        assert builder._pieces._scratch._file is not None
        print("building", flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "building\n"
        child.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 4, 1000).astype(np.uint8)
    builder = PanelBuilder(31, memory=1, folder=tmp_path / "none")
    with pytest.raises(OutputError, match=r"none: temporary files cannot be written here \(No such file") as caught:
        builder.add_haplotype([codes])
    assert "\n" not in str(caught.value)


def test_scratch_holds_what_it_was_given(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    parts = [rng.integers(0, 1 << 16, size).astype(np.uint16) for size in (3, 0, 100, 7)]
    for keep in (None, 0, 20, 1000):
        scratch = Scratch(tmp_path, keep)
        starts = [scratch.append(part) for part in parts]
        assert starts == [0, 6, 6, 206]
        for start, part in zip(starts, parts, strict=True):
            assert np.array_equal(scratch.read(start, part.nbytes).view(np.uint16), part)
        assert np.array_equal(scratch.mapped("<u2"), np.concatenate(parts))
        assert list(tmp_path.iterdir()) == []
    assert Scratch(tmp_path, 0).mapped("<u8").size == 0


# ------------------------------------------------------------------------- what a build is told


def write(path: Path, records: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    return path


def test_unknown_bases_are_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fa", {"a_h1": dna(90) + "N" * 10, "a_h2": dna(50) + "R-" + dna(48), "b_h1": dna(200)})
    panel = build_panel([path])
    assert (panel.bases, panel.unknown) == ((100, 100, 200), (10, 2, 0))
    assert panel.unknown_share == 12 / 400
    panel.save(tmp_path / "x.panel")
    opened = KmerPanel.open(tmp_path / "x.panel")
    assert (opened.bases, opened.unknown, opened.unknown_share) == ((100, 100, 200), (10, 2, 0), 0.03)
    assert opened.summary() == panel.summary()


def test_panels_of_before_still_open() -> None:
    for name, kmers in (("archaic.panel", 300_000), ("outgroup.panel", 500_000)):
        panel = KmerPanel.open(EXAMPLE / name)
        assert panel.n_kmers > kmers
        assert (panel.bases, panel.unknown, panel.unknown_share) == (None, None, None)


@pytest.mark.parametrize(
    ("records", "doubted"),
    [
        ({"chr1": 300, "chr2": 290, "chrX": 280}, True),
        ({"NC_000001.11": 300, "NC_000002.12": 290}, True),
        ({"CM000663.2": 300, "CM000664.2": 290}, True),
        ({"scaffold_1": 300, "scaffold_2": 300}, True),
        ({"ptg000001l": 300, "ptg000002l": 300}, True),
        ({"one": 300, "two": 150}, True),
        ({"one": 300, "two": 151}, False),
        ({"NA18486_hap1": 300, "NA18486_hap2": 100}, False),
        ({"S#1#chr1": 300, "S#1#chr2": 100, "S#2#chr1": 300}, False),
        ({"chr1": 300}, False),
        ({"china": 300, "marker": 290, "none": 290}, False),
    ],
)
def test_contigs_that_pass_for_haplotypes(tmp_path: Path, records: dict[str, int], doubted: bool) -> None:
    path = write(tmp_path / "x.fa", {name: dna(size) for name, size in records.items()})
    said: list[str] = []
    panel = build_panel([path], warn=said.append)
    some = ", ".join(list(records)[:3])
    expected = (
        f"{path}: its records are counted as {len(records)} haplotypes, but look like contigs ({some}); "
        "if the file is one haplotype, use --haplotypes file"
    )
    assert said == ([expected] if doubted else [])
    assert build_panel([path]).summary() == panel.summary()


def test_progress_knows_the_total(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fa", {"a": dna(100), "b": dna(300, 2)})
    other = write(tmp_path / "y.fa", {"c": dna(100)})
    told: list[tuple[int, float | None]] = []
    build_panel([path, other], threads=1, progress=lambda *step: told.append(step))
    assert [bases for bases, _ in told] == [100, 400, 500]
    whole = path.stat().st_size
    assert [share for _, share in told] == [share / (whole + 104) for share in (whole, whole, whole + 104)]


def test_too_little_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fa", {"a": dna(100)})
    with pytest.raises(SettingError, match="memory is 1000 bytes, at least 402653184 are needed"):
        build_panel([path], memory=1000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fa", {"a": dna(100), "b": dna(100, 2)})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', path, pipe]):
        panel = build_panel([pipe])
    assert panel.provenance["inputs"] == [{"file": "<pipe>"}]
    same = build_panel([path])
    assert list(same.provenance["inputs"][0]) == ["file", "sha256"]
    for name, array in same.arrays.items():
        assert array.tobytes() == panel.arrays[name].tobytes()
