"""Demographies: whatever a demes file holds is simulated, or refused before it is begun."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import DATA
from support.fuzz import corpus, counts, fuzz

from genolstm.introgression.settings import SimulationLimits, SimulationSettings
from genolstm.introgression.simulate import simulate_region

pytest.importorskip("msprime")

import support.fuzz

support.fuzz.SECONDS = 25
SETTINGS = SimulationSettings(
    length=5_000, n_target=1, n_outgroup=2, target="target", outgroup="outgroup", archaic="archaic"
)
# Everything that demes has: growth, selfing, admixture, migration within an interval, several pulses, years.
RICH = b"""description: >-
  Every feature once
time_units: years
generation_time: 25
doi: ["10.0/x"]
defaults: {epoch: {start_size: 1000}}
metadata: {a: &a [1, 2], b: *a}
demes:
  - {name: old, epochs: [{start_size: 10000, end_time: 500e3}]}
  - {name: archaic, ancestors: [old], epochs: [{end_time: 50e3}]}
  - name: outgroup
    ancestors: [old]
    epochs: [{start_size: 8000, end_time: 90e3}, {end_size: 20000, size_function: exponential}]
  - {name: ghost, start_time: 80e3, ancestors: [outgroup], epochs: [{end_time: 30e3}]}
  - {name: east, start_time: 70e3, ancestors: [outgroup], epochs: [{end_time: 30e3}]}
  - name: target
    start_time: 30e3
    ancestors: [ghost, east]
    proportions: [0.25, 0.75]
    epochs: [{start_size: 2000, end_size: 30000, selfing_rate: 0}]
migrations:
  - {demes: [outgroup, target], rate: 1e-5, end_time: 1000}
  - {source: archaic, dest: outgroup, rate: 1e-6, start_time: 200e3, end_time: 100e3}
pulses:
  - {sources: [archaic], dest: ghost, time: 55e3, proportions: [0.03]}
  - {sources: [archaic, east], dest: ghost, time: 52e3, proportions: [0.1, 0.1]}
"""
WORDS = [
    *(b"target", b"archaic", b"outgroup", b"old", b"generations", b"years", b"Infinity", b".inf", b"-.inf", b".nan"),
    *(b"[target]", b"[old, archaic]", b"&a [*a]", b"*a", b"{}", b"exponential", b"linear", b"constant", b"1e-300"),
    *(b"1e6", b"1e9", b"1e12", b"1e300", b"0.5", b"1", b"1.0", b"!!python/object:os.system", b"<<: *a", b"%YAML 1.1"),
]


@counts(500)
def test_demes(tmp_path: Path, count: int) -> None:
    def parse(path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # demes warns of pulses at the same time
            region = simulate_region(replace(SETTINGS, model=str(path)), limits=SimulationLimits(max_events=300_000))
        assert region.alleles.shape == (len(region.positions), 8)
        assert (np.diff(region.positions) > 0).all()
        assert set(np.unique(region.alleles)) <= {0, 1, 2, 3}
        assert all(0 <= tract.start < tract.end <= 5_000 for tract in region.truth)

    seeds = [(DATA / "admixture.yaml").read_bytes(), RICH, *corpus("demes")]
    [fuzz(parse, seeds, 8000, tmp_path / "x.yaml", words=WORDS, seed=s) for s in (4, 5)]
