"""Simulated regions: the truth against an independent account, and what is written of them."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import msprime
import numpy as np
import pytest
from support import DATA

from genolstm.errors import InputError, MissingExtraError, OutputError, SettingError
from genolstm.introgression.evaluate import Coverage
from genolstm.introgression.formats import read_intervals
from genolstm.introgression.segments import merge_intervals
from genolstm.introgression.settings import SimulationSettings
from genolstm.introgression.simulate import KNOWN_MODELS, introgressed_tracts, resolve, simulate_region
from genolstm.introgression.variants.join import VariantReader
from genolstm.runs.simulate import SIMULATION_FILES
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
    assert found["settings"] == json.loads(json.dumps(asdict(region.settings)))
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
    monkeypatch.setattr(simulate, "simulate_region", lambda s: (calls.append(s.seed), real(s))[1])
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
    (tmp_path / "simulation.json").write_text("{")
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
        ({"n_archaic": 0}, SettingError, "n_archaic is 0"),
        ({"mutation_rate": 0.0}, SettingError, "mutation_rate is 0.0"),
        ({"recombination_rate": 1.0}, SettingError, "recombination_rate is 1.0"),
        ({"chrom": "chr 1"}, SettingError, "chrom is 'chr 1'"),
        ({"chrom": ""}, SettingError, "chrom is ''"),
    ],
)
def test_wrong_settings(changes, kind, said) -> None:
    with pytest.raises(kind, match=said):
        simulate_region(replace(SMALL, **changes))


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
