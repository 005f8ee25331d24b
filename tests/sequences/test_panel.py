"""The k-mer panel: what it answers is what a dictionary of k-mers answers."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genolstm.errors import InputError, OutputError, PanelError, SettingError
from genolstm.sequences.alphabet import encode, reverse_complement_text
from genolstm.sequences.panel import finish
from genolstm.sequences.panel.build import build_panel
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.kernels import HEAVY
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import PanelSettings

LENGTHS = [1, 2, 3, 4, 5, 8, 11, 16, 21, 30, 31]


def words(text: str, k: int) -> list[str | None]:
    """Return the canonical k-mers, None where a base is unknown."""
    found = (text[i : i + k] for i in range(len(text) - k + 1))
    return [None if "N" in w else min(w, reverse_complement_text(w)) for w in found]


def carriers(haplotypes: list[list[str]], k: int) -> Counter[str]:
    count: Counter[str] = Counter()
    for contigs in haplotypes:
        count.update({word for text in contigs for word in words(text, k) if word})
    return count


def build(haplotypes: list[list[str]], k: int) -> KmerPanel:
    builder = PanelBuilder(k)
    for contigs in haplotypes:
        builder.add_haplotype(encode(text) for text in contigs)
    return builder.finish()


def dna(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("ACGT", k=length))


@st.composite
def ancestors(draw: st.DrawFn) -> str:
    """Random, tandem-repeated, repeat-rich or broken sequence."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    length = draw(st.integers(0, 300))
    kind = draw(st.sampled_from(["random", "tandem", "repeats", "unknown"]))
    if kind == "random":
        return dna(rng, length)
    if kind == "tandem":
        return (dna(rng, rng.randint(1, 6)) * 300)[:length]
    if kind == "unknown":
        return "".join(rng.choices("ACGTN", [9, 9, 9, 9, 1], k=length))
    unit, text = dna(rng, rng.randint(5, 60)), ""
    while len(text) < length:
        text += rng.choice([unit, reverse_complement_text(unit), dna(rng, 8)])
    return text


@st.composite
def groups(draw: st.DrawFn) -> list[list[str]]:
    """Haplotypes that descend from common contigs by SNPs, indels and inversions."""
    contigs = draw(st.lists(ancestors(), min_size=1, max_size=3))
    rng = random.Random(draw(st.integers(0, 2**32)))

    def descend(text: str) -> str:
        letters = list(text)
        for i in range(len(letters)):
            chance = rng.random()
            if chance < 0.01:
                letters[i] = rng.choice("ACGT")
            elif chance < 0.013:
                letters[i] = ""
            elif chance < 0.016:
                letters[i] += rng.choice("ACGTN")
        child = "".join(letters)
        return reverse_complement_text(child) if rng.random() < 0.3 else child

    return [[descend(text) for text in contigs if rng.random() < 0.9] for _ in range(draw(st.integers(1, 6)))]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(haplotypes=groups(), k=st.sampled_from(LENGTHS), seed=st.integers(0, 2**32))
def test_lookup_agrees_with_a_dictionary(haplotypes: list[list[str]], k: int, seed: int) -> None:
    expected = carriers(haplotypes, k)
    if not expected:
        with pytest.raises(PanelError, match="-mer is left to build a panel from"):
            build(haplotypes, k)
        return
    panel = build(haplotypes, k)
    assert panel.n_kmers == len(expected)
    assert panel.n_haplotypes == len(haplotypes)
    texts = [text for contigs in haplotypes for text in contigs]
    texts += [reverse_complement_text(text) for text in texts]
    texts.append(dna(random.Random(seed), 200))
    for text in texts:
        assert panel.lookup(encode(text)).tolist() == [expected[word] if word else 0 for word in words(text, k)]


@settings(deadline=None, max_examples=60)
@given(reads=st.lists(ancestors(), min_size=1, max_size=8), k=st.sampled_from(LENGTHS), least=st.integers(1, 4))
def test_rare_kmers_of_reads_are_dropped(reads: list[str], k: int, least: int) -> None:
    count: Counter[str] = Counter()
    for text in reads:
        count.update(word for word in words(text, k) if word)
    kept = {word for word, n in count.items() if n >= least}
    builder = PanelBuilder(k, occurrences=True)
    builder.add_haplotype(encode(text) for text in reads)
    rewritten = list(builder.strings(least))
    found = Counter(w for codes in rewritten for w in words(decode_all(codes), k))
    assert found == Counter(kept)
    if not kept:
        return
    panel = builder.finish(min_count=least)
    assert panel.n_kmers == len(kept)
    for text in reads:
        assert panel.lookup(encode(text)).tolist() == [int(w in kept) for w in words(text, k)]


def decode_all(codes: np.ndarray) -> str:
    return "".join("ACGT"[code] for code in codes.tolist())


def test_a_heavy_minimizer_is_indexed_by_kmer() -> None:
    # One 17-mer in many surroundings: its list of places would have to be scanned.
    rng = random.Random(3)
    unit = dna(rng, 25)
    text = "".join(unit + dna(rng, 12) for _ in range(400))
    panel = build([[text], [text[:5000]]], 31)
    entries = np.zeros((2 * panel.n_bases, 2), dtype=np.uint64)
    none = np.zeros(0, dtype=np.uint64)
    n = finish.index_entries(panel.arrays["words"], counts_of(panel), 0, panel.n_bases, 0, 31, panel.m, none, entries)
    assert np.unique(entries[:n, 0], return_counts=True)[1].max() > HEAVY
    expected = carriers([[text], [text[:5000]]], 31)
    for query in (text, reverse_complement_text(text), dna(rng, 500) + unit + dna(rng, 500)):
        assert panel.lookup(encode(query)).tolist() == [expected[w] for w in words(query, 31)]


def counts_of(panel: KmerPanel) -> np.ndarray:
    """Return the count at every base of the panel's strings."""
    starts = panel.arrays["run_start"].astype(np.int64)
    lengths = np.diff(starts, append=panel.n_bases & 0xFFFF) & 0xFFFF
    return np.repeat(panel.arrays["run_count"], lengths)


def test_one_count_along_more_bases_than_a_run_may_have() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 4, 150_000).astype(np.uint8)
    builder = PanelBuilder(31)
    builder.add_haplotype([codes])
    builder.add_haplotype([codes[70_000:]])
    panel = builder.finish()
    expected = np.where(np.arange(codes.size - 30) < 70_000, 1, 2)
    assert np.array_equal(panel.lookup(codes), expected)
    assert np.array_equal(panel.lookup((3 - codes)[::-1].copy()), expected[::-1])


def test_counts_are_capped() -> None:
    codes = encode("ACGTTGCA")
    builder = PanelBuilder(5)
    for _ in range(65_540):
        builder.add_haplotype([codes])
    panel = builder.finish()
    assert panel.lookup(codes).tolist() == [65_535] * 4
    assert panel.n_haplotypes == 65_540


def test_neighbours_share_their_bases() -> None:
    # Twenty haplotypes with a SNP in 500 bases: about one byte per k-mer, index and all.
    rng = np.random.default_rng(5)
    ancestor = rng.integers(0, 4, 50_000).astype(np.uint8)
    builder = PanelBuilder(31)
    for _ in range(20):
        child = ancestor.copy()
        sites = rng.choice(child.size, 100, replace=False)
        child[sites] = (child[sites] + 1) % 4
        builder.add_haplotype([child])
    panel = builder.finish()
    assert panel.n_kmers > 90_000
    assert panel.nbytes < 1.1 * panel.n_kmers


def test_lookups_in_many_threads(group: KmerPanel, haplotypes: list[str]) -> None:
    expected = [group.lookup(encode(text)).tolist() for text in haplotypes]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = list(pool.map(lambda text: group.lookup(encode(text)).tolist(), haplotypes))
            assert found == expected


def test_short_and_strided_queries(group: KmerPanel, haplotypes: list[str]) -> None:
    codes = encode(haplotypes[0])
    assert group.lookup(codes[:0]).shape == (0,)
    assert group.lookup(codes[:10]).shape == (0,)
    assert group.lookup(codes[:11]).shape == (1,)
    backward = np.asarray(3 - codes.astype(np.int64), dtype=np.uint8)[::-1]
    assert group.lookup(backward).tolist() == group.lookup(codes)[::-1].tolist()


# ---------------------------------------------------------------------------------- the file


@pytest.fixture(scope="module")
def haplotypes() -> list[str]:
    rng = random.Random(6)
    ancestor = dna(rng, 700)
    texts = []
    for _ in range(4):
        letters = list(ancestor)
        for site in rng.sample(range(700), 4):
            letters[site] = rng.choice("ACGT")
        texts.append("".join(letters))
    return texts


@pytest.fixture(scope="module")
def group(haplotypes: list[str]) -> KmerPanel:
    builder = PanelBuilder(11)
    for text in haplotypes:
        builder.add_haplotype([encode(text)])
    return builder.finish(names=["a", "b", "c", "d"], provenance={"made": "by a test"})


def test_a_saved_panel_is_the_same_panel(group: KmerPanel, haplotypes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "x.panel"
    group.save(path)
    for verify in (True, False):
        opened = KmerPanel.open(path, verify=verify)
        assert opened.summary() == group.summary()
        assert opened.names == ("a", "b", "c", "d")
        for text in [*haplotypes, "ACGT" * 20]:
            assert np.array_equal(opened.lookup(encode(text)), group.lookup(encode(text)))
    with pytest.raises(OutputError, match="already exists"):
        group.save(path)
    before = path.read_bytes()
    opened.save(path, force=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.panel"]


def test_every_changed_byte_is_noticed(group: KmerPanel, tmp_path: Path) -> None:
    path = tmp_path / "x.panel"
    group.save(path)
    whole = bytearray(path.read_bytes())
    # Every byte of the headers, every third of the arrays.
    for at in [*range(1024), *range(1024, len(whole), 3)]:
        whole[at] ^= 0x20
        path.write_bytes(whole)
        with pytest.raises(PanelError) as caught:
            KmerPanel.open(path)
        assert "\n" not in str(caught.value)
        whole[at] ^= 0x20


def test_a_truncated_panel_is_noticed(group: KmerPanel, tmp_path: Path) -> None:
    path = tmp_path / "x.panel"
    group.save(path)
    whole = path.read_bytes()
    for size in [*range(0, 200), *range(200, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(PanelError):
            KmerPanel.open(path)
        with pytest.raises(PanelError):
            KmerPanel.open(path, verify=False)
    path.write_bytes(whole + b"\0")
    with pytest.raises(PanelError, match="followed by foreign data"):
        KmerPanel.open(path)


def test_what_is_no_panel_is_refused(group: KmerPanel, tmp_path: Path) -> None:
    path = tmp_path / "x.panel"
    with pytest.raises(InputError, match="no such file"):
        KmerPanel.open(path)
    with pytest.raises(InputError, match="is a folder"):
        KmerPanel.open(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(PanelError, match="is empty"):
        KmerPanel.open(path)
    path.write_bytes(b">a\n" + b"ACGT" * 100)
    with pytest.raises(PanelError, match="is not a k-mer panel; build one with"):
        KmerPanel.open(path)
    group.save(path, force=True)
    other = bytearray(path.read_bytes())
    other[8] = 9
    path.write_bytes(other)
    with pytest.raises(PanelError, match="of version 9, this program reads version 1"):
        KmerPanel.open(path)


def test_another_k_is_refused(group: KmerPanel) -> None:
    with pytest.raises(PanelError, match="holds 11-mers where 31-mers are needed"):
        group.require_k(31)


# ------------------------------------------------------------------------- from FASTA and FASTQ


def write_fasta(path: Path, records: dict[str, str], width: int = 60, newline: str = "\n") -> Path:
    with path.open("w", newline="") as stream:
        for name, text in records.items():
            stream.write(f">{name}{newline}")
            for i in range(0, len(text), width):
                stream.write(text[i : i + width] + newline)
    return path


def test_a_panel_does_not_depend_on_the_layout(tmp_path: Path, haplotypes: list[str]) -> None:
    records = {f"h{i}": text for i, text in enumerate(haplotypes)}
    files = set()
    for width, newline, lower, threads in (
        (60, "\n", False, 1),
        (1, "\n", False, 2),
        (700, "\r\n", True, 0),
        (61, "\n", True, 1),
    ):
        path = write_fasta(
            tmp_path / "x.fa", {n: t.lower() if lower else t for n, t in records.items()}, width, newline
        )
        panel = build_panel([path], PanelSettings(k=11), threads=threads)
        assert panel.names == ("h0", "h1", "h2", "h3")
        files.add(b"".join(array.tobytes() for array in panel.arrays.values()))
    assert len(files) == 1


def test_the_same_input_gives_the_same_file(tmp_path: Path, haplotypes: list[str]) -> None:
    path = write_fasta(tmp_path / "x.fa", {f"h{i}": t for i, t in enumerate(haplotypes)})
    for name in ("a.panel", "b.panel"):
        build_panel([path], PanelSettings(k=21)).save(tmp_path / name)
    assert (tmp_path / "a.panel").read_bytes() == (tmp_path / "b.panel").read_bytes()
    provenance = KmerPanel.open(tmp_path / "a.panel").provenance
    assert provenance["inputs"][0]["file"] == "x.fa"
    assert str(tmp_path) not in str(provenance)


def test_a_haplotype_is_a_record_or_a_file(tmp_path: Path, haplotypes: list[str]) -> None:
    one = write_fasta(tmp_path / "one.fa", {"c1": haplotypes[0], "c2": haplotypes[1]})
    two = write_fasta(tmp_path / "two.fasta", {"c3": haplotypes[2], "c4": haplotypes[3]})
    records = build_panel([one, two], PanelSettings(k=11))
    assert records.names == ("c1", "c2", "c3", "c4")
    expected = carriers([[text] for text in haplotypes], 11)
    codes = encode(haplotypes[0])
    assert records.lookup(codes).tolist() == [expected[w] for w in words(haplotypes[0], 11)]

    files = build_panel([one, two], PanelSettings(k=11, haplotypes="file"))
    assert files.names == ("one", "two")
    expected = carriers([haplotypes[:2], haplotypes[2:]], 11)
    assert files.lookup(codes).tolist() == [expected[w] for w in words(haplotypes[0], 11)]


def test_adjacent_contigs_of_one_haplotype(tmp_path: Path, haplotypes: list[str]) -> None:
    names = ["S#1#c1", "S#1#c2", "S#2#c1", "S#2#c2"]
    path = write_fasta(tmp_path / "x.fa", dict(zip(names, haplotypes, strict=True)))
    panel = build_panel([path], PanelSettings(k=11))
    assert panel.names == ("S#1", "S#2")
    expected = carriers([haplotypes[:2], haplotypes[2:]], 11)
    for text in haplotypes:
        assert panel.lookup(encode(text)).tolist() == [expected[w] for w in words(text, 11)]
    names = ["S#1#c1", "S#2#c1", "S#1#c2", "S#2#c2"]
    path = write_fasta(tmp_path / "y.fa", dict(zip(names, haplotypes, strict=True)))
    with pytest.raises(InputError, match=r"y.fa:27: S#1#c2: the same haplotype occurs twice"):
        build_panel([path], PanelSettings(k=11))
    with pytest.raises(InputError, match="the same haplotype occurs twice"):
        build_panel([tmp_path / "x.fa", tmp_path / "x.fa"], PanelSettings(k=11))


def write_reads(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"@r\n{t}\n+\n{'I' * len(t)}\n" for t in texts))
    return path


def test_reads_of_one_or_of_several_individuals(tmp_path: Path, haplotypes: list[str]) -> None:
    rng = random.Random(8)

    def sequence(text: str) -> list[str]:
        starts = [rng.randint(0, 620) for _ in range(150)]
        reads = [list(text[s : s + 80]) for s in starts]
        for read in reads:
            read[rng.randrange(80)] = rng.choice("ACGT")
        return ["".join(r) for r in reads] + ["ACG"]

    first, second = sequence(haplotypes[0]), sequence(haplotypes[1])
    paths = [write_reads(tmp_path / "a.fq", first), write_reads(tmp_path / "b_1.fq", second)]

    def kept(reads: list[str]) -> set[str]:
        count = Counter(w for text in reads for w in words(text, 21) if w)
        return {word for word, n in count.items() if n >= 3}

    pooled = build_panel(paths, PanelSettings(k=21, min_count=3))
    assert (pooled.n_haplotypes, pooled.min_count, pooled.names) == (1, 3, ("a",))
    together = kept(first + second)
    assert pooled.n_kmers == len(together)
    apart = build_panel(paths, PanelSettings(k=21, min_count=3, haplotypes="file"))
    assert (apart.n_haplotypes, apart.names) == (2, ("a", "b_1"))
    each = Counter([*kept(first), *kept(second)])
    assert max(each.values()) == 2
    for text in (haplotypes[0], haplotypes[1], first[0], second[3]):
        codes, expected = encode(text), words(text, 21)
        assert pooled.lookup(codes).tolist() == [int(w in together) for w in expected]
        assert apart.lookup(codes).tolist() == [each[w] for w in expected]
    with pytest.raises(InputError, match="these are reads"):
        build_panel(paths, PanelSettings(k=21))
    with pytest.raises(PanelError, match="is every k-mer rarer than 1000"):
        build_panel(paths, PanelSettings(k=21, min_count=1000))


def test_short_records(tmp_path: Path, haplotypes: list[str]) -> None:
    path = write_fasta(tmp_path / "x.fa", {"long": haplotypes[0], "short": "ACGTAC"})
    with pytest.raises(InputError, match=r"x.fa:14: short: has 6 bases, fewer than k = 11"):
        build_panel([path], PanelSettings(k=11))
    assert build_panel([path], PanelSettings(k=11, skip_short=True)).names == ("long",)
    with pytest.raises(InputError, match="every record is shorter than k = 31"):
        build_panel([write_fasta(path, {"a": "ACGT", "b": "AC"})], PanelSettings(k=31, skip_short=True))
    with pytest.raises(PanelError, match="do all sequences consist of unknown bases"):
        build_panel([write_fasta(path, {"a": "N" * 100})], PanelSettings(k=11))


def test_senseless_settings(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "x.fa", {"a": "ACGTACGT"})
    for settings_ in ({"k": 0}, {"k": 32}, {"min_count": 0}, {"haplotypes": "contig"}):
        with pytest.raises(SettingError):
            build_panel([path], PanelSettings(**settings_))  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        build_panel([])
