"""Simulated regions: the truth against an independent account, and what is written of them."""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import msprime
import numpy as np
import pytest
from support import DATA

from genolstm.errors import InputError, MissingExtraError, OutputError, SettingError
from genolstm.introgression.dataset import read_sources
from genolstm.introgression.demography import Sampled, follow_pairs
from genolstm.introgression.evaluate import Coverage
from genolstm.introgression.formats import read_intervals, read_numbered_intervals
from genolstm.introgression.segments import merge_intervals
from genolstm.introgression.settings import SimulatedSource, SimulationSettings
from genolstm.introgression.simulate import KNOWN_MODELS, introgressed_tracts, resolve, simulate_region
from genolstm.introgression.variants.join import VariantReader
from genolstm.runs.simulate import SIMULATION_FILES, simulation_files
from genolstm.runs.simulate import run as simulate_to_folders

SMALL = SimulationSettings(
    model=str(DATA / "admixture.yaml"),
    length=30_000,
    seed=5,
    n_target=2,
    n_outgroup=2,
    target="target",
    outgroup="outgroup",
    archaic="archaic",
    archaic_time=1500.0,
    mutation_rate=3e-8,
    recombination_rate=3e-8,
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_truth_is_who_was_in_the_archaic_population_just_before_the_pulse(seed: int) -> None:
    """msprime's census says for every sample where its lineage was at a time; no migration is read.

    The pulse is 1800 generations ago: a target's lineage that is in the archaic population at 1801
    came there by it.
    """
    _, demography = resolve(SMALL)
    demography.add_census(time=1801)
    demography.sort_events()
    n = 6
    ancestry = msprime.sim_ancestry(
        samples=[
            msprime.SampleSet(n, population="target"),
            msprime.SampleSet(2, population="outgroup"),
            msprime.SampleSet(1, population="archaic", time=1500),
        ],
        demography=demography,
        sequence_length=200_000,
        recombination_rate=2e-8,
        record_migrations=True,
        random_seed=seed,
    )
    names = [(f"t{h // 2}", str(h % 2 + 1)) for h in range(2 * n)]
    found = introgressed_tracts(ancestry, donors=("archaic",), archaic={"archaic"}, haplotypes=names, chrom="1")
    population = {p.id: p.metadata["name"] for p in ancestry.populations()}
    census = {node.id: population[node.population] for node in ancestry.nodes() if node.time == 1801}
    expected = np.zeros((2 * n, 200_000), dtype=bool)
    for tree in ancestry.trees():
        for h in range(2 * n):
            node = h
            while node not in census:
                node = tree.parent(node)
            if census[node] == "archaic":
                expected[h, int(tree.interval.left) : int(tree.interval.right)] = True
    assert 0.1 < expected.mean() < 0.6
    painted = np.zeros_like(expected)
    for tract in found:
        painted[names.index((tract.sample, tract.haplotype)), tract.start : tract.end] = True
    np.testing.assert_array_equal(painted, expected)
    assert found == merge_intervals(found)


def test_nobody_else_is_introgressed(region) -> None:
    assert {(t.sample[:6], t.chrom) for t in region.truth} == {("target", "chr1")}
    assert all(0 <= t.start < t.end <= 240_000 for t in region.truth)
    # Truth shows in the sequences: carriers have the archaic's own alleles there.
    block = region.block()
    own = (block.archaic[:, 0] == block.archaic[:, 1]) & (block.outgroup != block.archaic[:, :1]).all(axis=1)
    coverage = Coverage(region.truth)
    inside, outside = [], []
    for h, (sample, haplotype) in enumerate(region.haplotype_names("target")):
        at = block.positions[own]
        true = coverage.of(("chr1", sample, haplotype), at, at + 1) > 0
        carries = block.target[own, h] == block.archaic[own, 0]
        inside += carries[true].tolist()
        outside += carries[~true].tolist()
    assert np.mean(inside) > 0.4
    assert np.mean(outside) < 0.05


def test_truth_coverage_is_that_of_the_tracts(region) -> None:
    size = 7_000
    found = region.truth_coverage(size)
    starts = np.arange(0, 240_000, size)
    ends = np.minimum(starts + size, 240_000)
    coverage = Coverage(region.truth)
    for row, (sample, haplotype) in zip(found, region.haplotype_names("target"), strict=True):
        expected = coverage.of(("chr1", sample, haplotype), starts, ends) / (ends - starts)
        np.testing.assert_allclose(row, expected)


def test_the_same_seed_is_the_same_region() -> None:
    first, again = simulate_region(SMALL), simulate_region(SMALL)
    np.testing.assert_array_equal(first.alleles, again.alleles)
    np.testing.assert_array_equal(first.positions, again.positions)
    np.testing.assert_array_equal(first.reference, again.reference)
    assert first.truth == again.truth
    other = simulate_region(replace(SMALL, seed=6))
    assert not np.array_equal(other.positions, first.positions)


def test_every_site_varies_and_lies_in_the_region(region) -> None:
    assert (np.diff(region.positions) > 0).all()
    assert region.positions.min() >= 0
    assert region.positions.max() < 240_000
    reference = region.reference[region.positions]
    assert ((region.alleles != reference[:, None]).any(axis=1)).all()
    assert region.alleles.shape[1] == 2 * (3 + 10 + 1)


# --- several sources ----------------------------------------------------------------------------

SOURCES = SimulationSettings(
    model=str(DATA / "two_archaics.yaml"),
    length=400_000,
    seed=13,
    n_target=3,
    n_outgroup=2,
    target="target",
    outgroup="outgroup",
    mutation_rate=1e-8,
    recombination_rate=1e-8,
    sources=(
        SimulatedSource("nea", "nea", ("nea_donor",), 2500.0),
        SimulatedSource("den", "den"),
        SimulatedSource("ghost", None, ("ghost",)),
    ),
)


@pytest.fixture(scope="module")
def several():
    return simulate_region(SOURCES)


def test_each_source_has_the_tracts_of_its_donors(several) -> None:
    """Against a census just before each pulse: the population in which a target's lineage then is."""
    _, demography = resolve(SOURCES)
    pulses = {"nea": 1801, "den": 1601, "ghost": 1401}  # each a generation before (older than) its pulse
    donor = {"nea": "nea_donor", "den": "den", "ghost": "ghost"}
    for time_of in pulses.values():
        demography.add_census(time=time_of)
    demography.sort_events()
    n, length = 4, 100_000
    ancestry = msprime.sim_ancestry(
        samples=[msprime.SampleSet(n, population="target"), msprime.SampleSet(2, population="outgroup")],
        demography=demography,
        sequence_length=length,
        recombination_rate=2e-8,
        record_migrations=True,
        random_seed=4,
    )
    names = [(f"t{h // 2}", str(h % 2 + 1)) for h in range(2 * n)]
    population = {p.id: p.metadata["name"] for p in ancestry.populations()}
    seen = 0
    for source, when in pulses.items():
        census = {node.id: population[node.population] for node in ancestry.nodes() if node.time == when}
        expected = np.zeros((2 * n, length), dtype=bool)
        for tree in ancestry.trees():
            for h in range(2 * n):
                node = h
                while node not in census:
                    node = tree.parent(node)
                expected[h, int(tree.interval.left) : int(tree.interval.right)] = census[node] == donor[source]
        found = introgressed_tracts(
            ancestry, donors=(donor[source],), archaic={"nea", "nea_donor", "den", "ghost"}, haplotypes=names, chrom="1"
        )
        painted = np.zeros_like(expected)
        for tract in found:
            painted[names.index((tract.sample, tract.haplotype)), tract.start : tract.end] = True
        np.testing.assert_array_equal(painted, expected)
        seen += 0.02 < expected.mean() < 0.5
    assert seen == 3


def test_sources_of_one_region(several, tmp_path: Path) -> None:
    assert list(several.by_source) == ["nea", "den", "ghost"]
    assert all(several.by_source.values())
    assert several.truth == merge_intervals(t for tracts in several.by_source.values() for t in tracts)
    assert several.archaics() == {"nea": [5], "den": [6]}
    assert several.samples[5:] == ["nea0", "den0"]
    assert [source.donors for source in several.settings.sources] == [("nea_donor",), ("den",), ("ghost",)]
    assert [source.time for source in several.settings.sources] == [2500, 0, None]
    # In its tracts a haplotype has the alleles that only its own archaic has; a ghost's has neither's.
    block = several.block()
    common = (block.outgroup == block.outgroup[:, :1]).all(axis=1)
    carried = {}
    for i, name in enumerate(("nea", "den")):
        mine, other = block.archaic[:, 2 * i], block.archaic[:, 2 - 2 * i]
        own = common & (mine != block.outgroup[:, 0]) & (mine != other)
        for source, tracts in several.by_source.items():
            coverage = Coverage(tracts)
            at = block.positions[own]
            hits = []
            for h, (sample, haplotype) in enumerate(several.haplotype_names("target")):
                inside = coverage.of(("chr1", sample, haplotype), at, at + 1) > 0
                hits += (block.target[own, h] == mine[own])[inside].tolist()
            carried[source, name] = np.mean(hits)
    assert carried["nea", "nea"] > 5 * carried["nea", "den"]
    assert carried["den", "den"] > 5 * carried["den", "nea"]
    assert max(carried["ghost", "nea"], carried["ghost", "den"]) < 0.2


def test_files_of_several_sources(several, tmp_path: Path) -> None:
    ((place, summary),) = simulate_to_folders(SOURCES, tmp_path / "r")
    assert sorted(contents(place)) == sorted(simulation_files(SOURCES))
    assert "archaic.fa.gz" not in contents(place)
    for i, name in enumerate(("nea", "den")):
        assert (place / f"archaic.{name}.txt").read_text() == f"{name}0\n"
        sequences = fasta(place / f"archaic.{name}.fa.gz")
        assert list(sequences) == [f"{name}0#1#chr1", f"{name}0#2#chr1"]
        letters = np.frombuffer(sequences[f"{name}0#2#chr1"].encode(), dtype="S1")[several.positions]
        alleles = several.alleles[:, 2 * (5 + i) + 1]
        np.testing.assert_array_equal(letters, np.frombuffer(b"ACGT", dtype="S1")[alleles])
    # As `train` reads them, and as `evaluate` does.
    assert read_sources(place / "archaic.txt") == {"nea": ["nea0"], "den": ["den0"]}
    entries = read_numbered_intervals(place / "truth.bed")
    found = {name: [e.interval for e in entries if e.source == name] for name in ("nea", "den", "ghost")}
    assert found == several.by_source
    assert [e.interval for e in entries] == sorted(e.interval for e in entries)
    assert summary["tracts"] == len(entries)
    length = 6 * SOURCES.length
    for name, one in summary["sources"].items():
        tracts = several.by_source[name]
        share = sum(t.end - t.start for t in tracts) / length
        assert one == {"tracts": len(tracts), "archaic_fraction": pytest.approx(share)}
    # The same again is not simulated again, and other sources are another simulation.
    assert [json.loads(json.dumps(again)) for _, again in simulate_to_folders(SOURCES, place)] == [summary]
    for sources in (SOURCES.sources[:2], (replace(SOURCES.sources[0], donors=("nea",)), *SOURCES.sources[1:])):
        with pytest.raises(OutputError, match="holds another simulation"):
            list(simulate_to_folders(replace(SOURCES, sources=sources), place))


def test_archaics_of_an_older_simulation_do_not_stay(tmp_path: Path) -> None:
    small = replace(SOURCES, length=2000)
    single = replace(small, sources=(), archaic="nea")
    own = tmp_path / "archaic.notes"
    own.write_text("mine")
    list(simulate_to_folders(small, tmp_path))
    list(simulate_to_folders(single, tmp_path, force=True))
    assert sorted(contents(tmp_path)) == sorted([*SIMULATION_FILES, "archaic.notes"])
    assert "sources" not in json.loads((tmp_path / "simulation.json").read_text())["settings"]
    list(simulate_to_folders(small, tmp_path, force=True))
    assert sorted(contents(tmp_path)) == sorted([*simulation_files(small), "archaic.notes"])


def test_known_archaics_have_donors_of_their_own() -> None:
    papuans = SimulationSettings(target="Papuan", sources=(SimulatedSource("n", "NeaA"), SimulatedSource("d", "DenA")))
    full, _ = resolve(papuans)
    assert [(s.donors, s.time) for s in full.sources] == [(("Nea1",), 2612.0), (("Den1", "Den2"), 2058.0)]
    assert resolve(full)[0] == full
    # Of one archaic too: those of the Neanderthal gave no Denisovan tract.
    assert resolve(SimulationSettings(target="Papuan", archaic="DenA"))[0].donors == ("Den1", "Den2")
    assert resolve(SimulationSettings())[0].donors == ("Nea1",)


def test_a_donor_that_nobody_sampled() -> None:
    """One archaic that is sampled, and tracts of another population."""
    settings = replace(SOURCES, sources=(), archaic="nea", donors=("ghost",))
    assert simulate_region(settings).samples[5:] == ["nea0"]
    both = simulate_region(replace(settings, donors=("ghost", "nea_donor")))
    ghost, nea = (simulate_region(replace(settings, donors=(name,))).truth for name in ("ghost", "nea_donor"))
    assert ghost
    assert both.truth == merge_intervals([*ghost, *nea])


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([("a", "elves")], "has no population elves; it has ancestral"),
        ([("a", "nea", ("elves",))], "has no population elves"),
        ([("a", "nea"), ("b", None, ("elves",))], "has no population elves"),
        ([("a", "nea", ("ghost",)), ("b", "den", ("ghost",))], "ghost is a donor of both a and b"),
        ([("a", "nea", ("ghost",)), ("b", "nea")], "two individuals would be named nea0"),
    ],
)
def test_sources_that_the_demography_lacks(sources, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        simulate_region(replace(SOURCES, sources=tuple(SimulatedSource(*one) for one in sources)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: SimulatedSource("unknown", "x"), "cannot be called unknown"),
        (lambda: SimulatedSource("a b", "x"), "cannot be called 'a b'"),
        (lambda: SimulatedSource("a"), "neither an archaic that is sampled nor a donor"),
        (lambda: SimulatedSource("a", "x", (), -1.0), "time is -1.0"),
        (lambda: SimulatedSource("a", None, ("x",), 5.0), "the age of an archaic that is not sampled"),
        (lambda: replace(SOURCES, archaic="nea"), "exclude each other"),
        (lambda: replace(SOURCES, donors=("nea",)), "exclude each other"),
        (lambda: replace(SOURCES, archaic_time=1.0), "exclude each other"),
        (lambda: replace(SOURCES, sources=SOURCES.sources[:1] * 2), "two sources are called nea"),
        (lambda: replace(SOURCES, sources=SOURCES.sources[2:]), "no source has an archaic that is sampled"),
    ],
)
def test_sources_that_cannot_be(wrong, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        wrong()


# --- files --------------------------------------------------------------------------------------


def fasta(path: Path) -> dict[str, str]:
    found = {}
    for text in gzip.decompress(path.read_bytes()).decode().split(">")[1:]:
        name, body = text.split("\n", 1)
        found[name] = body.replace("\n", "")
    return found


def test_fasta_and_vcf_say_the_same(region, region_folder: Path) -> None:
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in ("target", "outgroup", "archaic")}
    reader = VariantReader(region_folder / "region.vcf.gz", **names)
    assert reader.lengths == {"chr1": 240_000}
    (block,) = reader.blocks(span=1_000_000, overlap=0)
    np.testing.assert_array_equal(block.positions, region.positions)
    for role in names:
        sequences = fasta(region_folder / f"{role}.fa.gz")
        columns = getattr(block, role)
        haplotypes = reader.names(role)
        assert list(sequences) == [f"{sample}#{h}#chr1" for sample, h in haplotypes]
        for (sample, h), column in zip(haplotypes, columns.T, strict=True):
            text = np.frombuffer(sequences[f"{sample}#{h}#chr1"].encode(), dtype="S1")
            assert len(text) == 240_000
            letters = np.frombuffer(b"ACGT", dtype="S1")
            np.testing.assert_array_equal(text[block.positions], letters[column])
            rest = np.delete(np.arange(240_000), block.positions)
            np.testing.assert_array_equal(text[rest], letters[region.reference[rest]])
    assert [i for i, _ in read_intervals(region_folder / "truth.bed")] == region.truth
    assert sorted(p.name for p in region_folder.iterdir()) == sorted(SIMULATION_FILES)


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_indexes_the_vcf(region_folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "x.csi"
    path = region_folder / "region.vcf.gz"
    subprocess.run(["bcftools", "index", "-o", index, path], check=True, timeout=60)
    done = subprocess.run(["bcftools", "view", "-H", path], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.count("\n") > 500


def test_manifest(region, region_folder: Path) -> None:
    found = json.loads((region_folder / "simulation.json").read_text())
    # What is said of a single archaic is what was said before there could be several.
    settings = asdict(region.settings)
    assert settings.pop("sources") == ()
    assert found["settings"] == json.loads(json.dumps(settings))
    assert found["sites"] == len(region.positions)
    assert found["tracts"] == len(region.truth)
    assert found["archaic_fraction"] == pytest.approx(region.truth_coverage(240_000).mean())


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_stopped_run_goes_on_to_the_same_files(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "regions"
    made = list(simulate_to_folders(SMALL, folder, replicates=2))
    assert [path.name for path, _ in made] == ["seed_5", "seed_6"]
    before = {path.name: contents(path) for path, _ in made}
    assert before["seed_5"]["truth.bed"] != before["seed_6"]["truth.bed"]
    # The second region was being written when the run was killed.
    half = folder / "seed_6"
    for name in ("simulation.json", "truth.bed"):
        (half / name).unlink()
    (half / ".simulating").touch()
    (half / "region.vcf.gz").write_bytes(b"half")
    from genolstm.runs import simulate

    calls = []
    real = simulate.simulate_region
    monkeypatch.setattr(simulate, "simulate_region", lambda s, **more: (calls.append(s.seed), real(s, **more))[1])
    again = list(simulate_to_folders(SMALL, folder, replicates=2))
    assert calls == [6]
    assert {path.name: contents(path) for path, _ in again} == before
    assert json.loads(json.dumps([s for _, s in again])) == json.loads(json.dumps([s for _, s in made]))


def test_a_killed_run_leaves_its_mark(tmp_path: Path, monkeypatch) -> None:
    from genolstm.runs import simulate

    def killed(region, folder: Path):
        (folder / "region.vcf.gz").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(simulate, "write_simulation", killed)
        with pytest.raises(KeyboardInterrupt):
            list(simulate_to_folders(SMALL, tmp_path / "r"))
    ((path, _),) = simulate_to_folders(SMALL, tmp_path / "r")
    assert sorted(contents(path)) == sorted(SIMULATION_FILES)


def test_other_files_are_not_overwritten(tmp_path: Path) -> None:
    own = tmp_path / "truth.bed"
    own.write_text("mine")
    with pytest.raises(OutputError, match="already exists") as error:
        list(simulate_to_folders(SMALL, tmp_path))
    assert error.value.path == str(own)
    assert contents(tmp_path) == {"truth.bed": b"mine"}
    list(simulate_to_folders(SMALL, tmp_path, force=True))
    assert own.read_text().startswith("#chrom")
    for changed in (replace(SMALL, seed=9), replace(SMALL, n_outgroup=3)):
        with pytest.raises(OutputError, match="holds another simulation"):
            list(simulate_to_folders(changed, tmp_path))
    manifest = json.loads((tmp_path / "simulation.json").read_text())
    damaged = [{**manifest, "sites": value} for value in ("7", None, [1], float("nan"), 10**400)]
    damaged.append({name: value for name, value in manifest.items() if name != "tracts"})
    for content in ("{", "[" * 100_000, "[]", "\xff", "9" * 5000, *map(json.dumps, damaged)):
        (tmp_path / "simulation.json").write_text(content, encoding="latin-1")
        with pytest.raises(OutputError, match="holds another simulation"):
            list(simulate_to_folders(SMALL, tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be created"):
        list(simulate_to_folders(SMALL, tmp_path / "file"))


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", KNOWN_MODELS)
def test_the_known_models_run(model: str) -> None:
    settings = SimulationSettings(model=model, length=20_000, n_target=1, n_outgroup=1)
    region = simulate_region(settings)
    full = region.settings
    assert full.archaic_time
    assert full.archaic_time > 1000
    assert full.mutation_rate
    assert full.mutation_rate > 1e-9
    assert len(region.samples) == 3
    known = KNOWN_MODELS[model]
    assert (full.target, full.outgroup, full.archaic) == tuple(
        known[role] for role in ("target", "outgroup", "archaic")
    )
    archaic = region.alleles[:, 4:]
    others = region.alleles[:, :4]
    apart = (archaic[:, :1] != others).all(axis=1).mean()
    assert apart > 0.1  # the archaic has alleles of its own


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"model": "none.yaml"}, InputError, "none.yaml: no such file"),
        ({"model": "NoSuchModel"}, SettingError, "no stdpopsim model named NoSuchModel"),
        ({"target": "elves"}, SettingError, "has no population elves; it has ancestral, archaic"),
        ({"donors": ("elves",)}, SettingError, "has no population elves"),
        ({"target": None}, SettingError, "the target population must be named"),
        ({"length": 0}, SettingError, "length is 0"),
        ({"length": 2**31}, SettingError, "length is 2147483648"),
        ({"seed": -1}, SettingError, "seed is -1"),
        ({"seed": 2**63}, SettingError, "seed is 9223372036854775808"),
        ({"n_target": -3}, SettingError, "n_target is -3"),
        ({"n_target": 10**12}, SettingError, r"1,000,000,000,003 individuals and 30,000 bp takes about .* GiB"),
        ({"archaic_time": -1.0}, SettingError, "archaic_time is -1.0"),
        ({"archaic_time": float("nan")}, SettingError, "archaic_time is nan"),
        (
            {"archaic_time": 1e30},
            SettingError,
            "archaic cannot be sampled 1e.30 generations ago; it exists from 0 to 20000",
        ),
        (
            {"archaic": "ancestral", "archaic_time": 1e30},
            SettingError,
            "takes about .* events, more than the 1e.09 allowed",
        ),
        ({"archaic": "ancestral", "archaic_time": 5.0}, SettingError, "ancestral cannot be sampled 5 generations ago"),
        ({"archaic": "target"}, SettingError, "two individuals would be named target0"),
        ({"outgroup": "target"}, None, ""),
        ({"mutation_rate": float("nan")}, SettingError, "mutation_rate is nan"),
        ({"mutation_rate": -1e-8}, SettingError, "mutation_rate is -1e-08"),
        ({"mutation_rate": 9e-4, "length": 2**31 - 1}, SettingError, "takes about .* events"),
        ({"recombination_rate": 9e-4, "length": 10**7}, SettingError, "takes about .* events"),
        ({"recombination_rate": float("inf")}, SettingError, "recombination_rate is inf"),
        ({"chrom": "chr1\x1b"}, SettingError, r"chrom is 'chr1\\x1b'"),
        ({"chrom": "<1>"}, SettingError, "chrom is '<1>'"),
        ({"n_archaic": 0}, SettingError, "n_archaic is 0"),
        ({"mutation_rate": 0.0}, SettingError, "mutation_rate is 0.0"),
        ({"recombination_rate": 1.0}, SettingError, "recombination_rate is 1.0"),
        ({"chrom": "chr 1"}, SettingError, "chrom is 'chr 1'"),
        ({"chrom": ""}, SettingError, "chrom is ''"),
    ],
)
def test_wrong_settings(changes, kind, said) -> None:
    started = time.process_time()
    if kind is None:
        simulate_region(replace(SMALL, **changes))
    else:
        with pytest.raises(kind, match=said):
            simulate_region(replace(SMALL, **changes))
    assert time.process_time() - started < 3


@pytest.mark.parametrize(("length", "rate"), [(1, 1e-8), (2, 9e-4), (40, 1e-300)])
def test_the_smallest_regions(tmp_path: Path, length: int, rate: float) -> None:
    """No site at all, or hardly room for one."""
    settings = replace(SMALL, length=length, mutation_rate=rate)
    ((place, summary),) = simulate_to_folders(settings, tmp_path / "r")
    assert sorted(contents(place)) == sorted(SIMULATION_FILES)
    assert summary["sites"] <= length


# --- demographies -------------------------------------------------------------------------------

DEMES = """time_units: generations
demes:
  - {{name: old, epochs: [{{start_size: {size}, end_time: 20000}}]}}
  - {{name: archaic, ancestors: [old], epochs: [{{start_size: 2000}}]}}
  - {{name: outgroup, ancestors: [old], epochs: [{{start_size: 10000}}]}}
  - {{name: target, {ancestors}epochs: [{{start_size: 5000}}]}}
pulses:
  - {{sources: [archaic], dest: target, time: 1800, proportions: [0.3]}}
{more}
"""
ALIASES = "description: x\nmetadata:\n  a: &a {x: 1, y: 2}\n" + "".join(
    f"  {b}: &{b} {{p: *{a}, q: *{a}, r: *{a}}}\n" for a, b in itertools.pairwise("abcdefghijklmnopqrstuvwxyz")
)


def demes_model(
    path: Path, *, size: object = 10000, ancestors: str = "ancestors: [outgroup], start_time: 3000, ", more: str = ""
):
    path.write_text(DEMES.format(size=size, ancestors=ancestors, more=more))
    return replace(SMALL, model=str(path), archaic_time=1900.0, length=10_000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ancestors": ""}, "no common ancestor: lineages in (old|target) never meet those in (old|target)"),
        ({"size": "1e30"}, "takes about .* events"),
        ({"size": ".inf"}, "is not a demes model"),
        ({"size": ".nan"}, "is not a demes model|takes about"),
        ({"size": "-5"}, "is not a demes model"),
        ({"size": "9" * 5000}, "is not a demes model"),
        ({"ancestors": "ancestors: [target], start_time: 3000, "}, "is not a demes model"),
        ({"more": "migrations: [{demes: [target, archaic], rate: 0.01}]"}, None),
        ({"more": "metadata: &a [*a]"}, "stands inside what it names"),
        ({"more": ALIASES}, "its aliases stand for more than 50000 values"),
        ({"more": "metadata: " + "[" * 90_000}, "nested more than 50 levels"),
        ({"more": "metadata: " + "[" * 100_000}, "larger than 100 kB"),
        ({"more": "metadata: &a " + "- " * 400}, "is not a demes model"),
        ({"more": "metadata: &a\n  " + "? " * 60 + "x"}, "nested more than 50 levels"),
        ({"more": "#" * 300_000}, "larger than 100 kB"),
        ({"more": "generation_time: 29"}, "is not a demes model"),
        ({"more": "generation_time: 1"}, None),
    ],
)  # fmt: skip
def test_demographies_are_refused_at_once_or_simulated(tmp_path: Path, changes, said) -> None:
    started = time.process_time()
    settings = demes_model(tmp_path / "x.yaml", **changes)
    if said is None:
        simulate_region(settings)
    else:
        with pytest.raises((InputError, SettingError), match=said) as error:
            simulate_region(settings)
        assert str(tmp_path / "x.yaml") in str(error.value)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 600
    assert time.process_time() - started < 3


def test_too_many_populations(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    names = "".join(f"  - {{name: p{i}, epochs: [{{start_size: 10}}]}}\n" for i in range(33))
    path.write_text(f"time_units: generations\ndemes:\n{names}")
    with pytest.raises(InputError, match="33 populations, at most 32"):
        simulate_region(replace(SMALL, model=str(path)))


def test_names_that_clash(tmp_path: Path) -> None:
    """The twelfth of `p` would have the name of the second of `p1`."""
    text = DEMES.format(size=10000, ancestors="ancestors: [outgroup], start_time: 3000, ", more="")
    path = tmp_path / "x.yaml"
    path.write_text(text.replace("outgroup", "p1").replace("target", "p"))
    settings = replace(SMALL, model=str(path), target="p", outgroup="p1", n_target=12, archaic_time=1900.0)
    with pytest.raises(SettingError, match="two individuals would be named p10"):
        simulate_region(settings)
    assert len(set(simulate_region(replace(settings, n_target=10)).samples)) == 13


def test_a_refused_simulation_makes_no_folder_and_a_raised_limit_lets_it_run(cli, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    demes_model(path)
    arguments = ["introgression", "simulate", "--demography", path, "--target", "target", "--outgroup", "outgroup"]
    arguments += ["--archaic", "archaic", "--length", 20_000, "--target-size", 1, "--outgroup-size", 1, "-o"]
    refused = cli(*arguments, tmp_path / "a", "--max-events", 10)
    assert refused.code == 1
    assert "more than the 1e+01 allowed; shorten the length" in refused.err
    assert not (tmp_path / "a").exists()
    assert cli(*arguments, tmp_path / "a", "--max-events", 1e6).code == 0
    assert cli(*arguments, tmp_path / "b", "--max-events", "nan").code in (1, 2)
    assert not (tmp_path / "b").exists()


def test_expected_times_and_migrations_are_those_of_msprime() -> None:
    """Two lineages with growth, migration, a split, a pulse, and one that is sampled late: 3,000 simulations."""
    demography = msprime.Demography()
    demography.add_population(name="A", initial_size=2000, growth_rate=1e-3)
    demography.add_population(name="B", initial_size=500)
    demography.add_population(name="C", initial_size=3000)
    demography.set_symmetric_migration_rate(["A", "B"], 2e-4)
    demography.add_mass_migration(time=400, source="A", dest="B", proportion=0.3)
    demography.add_population_split(time=1500, derived=["A", "B"], ancestral="C")
    samples = [Sampled("A", 0.0), Sampled("B", 200.0)]
    found = follow_pairs(demography, samples)
    for pair, (a, b) in zip(found, [(0, 0), (0, 1), (1, 1)], strict=True):
        sets = [msprime.SampleSet(1, population=samples[i].population, time=samples[i].time, ploidy=1) for i in (a, b)]
        times, moves = [], []
        for ancestry in msprime.sim_ancestry(
            sets, demography=demography, num_replicates=3000, random_seed=a + 2 * b + 1, record_migrations=True
        ):
            times.append(ancestry.max_root_time)
            # The split moves lineages as well, and is recorded.
            moves.append(ancestry.num_migrations)
        assert pair.time == pytest.approx(np.mean(times), rel=0.1)
        assert pair.migrations == pytest.approx(np.mean(moves), rel=0.15)


def test_a_file_that_is_no_demes_model(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for content in ("demes: [", "hello", "time_units: generations\n", "\x00"):
        path.write_text(content)
        with pytest.raises(InputError, match="is not a demes model") as error:
            simulate_region(replace(SMALL, model=str(path)))
        assert "\n" not in str(error.value)


def test_without_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(MissingExtraError, match=r'pip install "genolstm\[simulate\]"'):
        simulate_region(SMALL)
