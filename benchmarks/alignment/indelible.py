"""Pairs with known alignments from INDELible, a simulator that none of our models was trained on."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers import from_rows


@dataclass(frozen=True)
class Law:
    """How the pairs evolve; the defaults are those of the published comparison."""

    submodel: str = "HKY 2.5"
    frequencies: str = "0.3 0.2 0.2 0.3"
    rates: str = "0 0.7 0"
    indelmodel: str = "POW 1.7 50"
    indelrate: float = 0.05
    length: int = 500


#: Branch lengths, named by the mean identity they give.
BRANCHES = {".88": 0.075, ".76": 0.2, ".65": 0.4, ".59": 0.6}
#: Other laws; the name says what changes. INDELible's order of frequencies is T, C, A, G.
LAWS = {
    "default": Law(),
    "GC 30": Law(frequencies="0.35 0.15 0.35 0.15"),
    "GC 65": Law(frequencies="0.175 0.325 0.175 0.325"),
    "indel .01": Law(indelrate=0.01),
    "indel .10": Law(indelrate=0.10),
    "long indels": Law(indelmodel="POW 1.5 100", indelrate=0.03),
    "geometric": Law(indelmodel="NB 0.35 1"),
    "one rate": Law(rates="0 0 0"),
    "strong rates": Law(rates="0.1 0.4 0"),
    "kappa 6": Law(submodel="HKY 6"),
    "1 kb": Law(length=1000),
}


def simulate(law: Law, branch: float, n: int, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """Return ``n`` pairs: query, reference, aligned positions (k, 2)."""
    control = f"""[TYPE] NUCLEOTIDE 1
[SETTINGS]
  [randomseed] {seed}
  [output] FASTA
[MODEL] m
  [submodel] {law.submodel}
  [statefreq] {law.frequencies}
  [rates] {law.rates}
  [indelmodel] {law.indelmodel}
  [indelrate] {law.indelrate}
[TREE] t (A:{branch},B:{branch});
[PARTITIONS] p [t m {law.length}]
[EVOLVE] p {n} out
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "control.txt").write_text(control)
        subprocess.run(["indelible"], cwd=folder, check=True, capture_output=True)
        text = Path(folder, "out_TRUE.fas").read_text()
    rows = [part.split("\n", 1)[1].replace("\n", "").strip() for part in text.split(">")[1:]]
    if len(rows) != 2 * n:
        raise RuntimeError(f"INDELible returned {len(rows)} sequences, {2 * n} were requested")
    return [
        (a.replace("-", ""), b.replace("-", ""), from_rows(a, b)) for a, b in zip(rows[::2], rows[1::2], strict=True)
    ]
