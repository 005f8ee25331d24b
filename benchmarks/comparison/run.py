"""Compare the architectures on both tasks; writes and prints the tables of the documentation.

    python benchmarks/comparison/run.py                 all parts, an hour or two on two cores
    python benchmarks/comparison/run.py motif           one of them

Parts: ``motif``; ``long-range``; ``motif-large``, motif with ten times the data; ``learning-rates``,
three rates for the CNN, the RNN and the LSTM on distances up to 200, one seed each. A run that was
stopped resumes with the next network. The results are in ``results/``: one row per network, seed
and test set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genolstm.comparison.run import compare, trials_from_task
from genolstm.comparison.scores import format_summary, summarise
from genolstm.comparison.settings import ComparisonSettings

RESULTS = Path(__file__).parent / "results"
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Part:
    task: str
    options: dict[str, Any] = field(default_factory=dict)
    architectures: tuple[str, ...] = ("mlp", "cnn", "rnn", "gru", "lstm")
    seeds: tuple[int, ...] = SEEDS
    rates: tuple[float | None, ...] = (None,)


PARTS = {
    "motif": Part("motif"),
    "long-range": Part("long-range", architectures=("mlp", "cnn", "lstm", "rnn", "gru")),
    "motif-large": Part("motif", {"n": 15_000}, ("cnn", "rnn", "lstm"), (1,)),
    "learning-rates": Part("long-range", {"distances": (200,)}, ("cnn", "rnn", "lstm"), (1,), (0.001, 0.003, 0.01)),
}


def combinations(part: Part) -> Iterator[tuple[str, int, float | None]]:
    for name in part.architectures:
        for rate in part.rates:
            for seed in part.seeds:
                yield name, seed, rate


def run(name: str) -> None:
    part = PARTS[name]
    table = RESULTS / f"{name}.tsv"
    decay = RESULTS / f"{name}-gradients.tsv"
    runs = pd.read_csv(table, sep="\t") if table.exists() else pd.DataFrame()
    gradients = pd.read_csv(decay, sep="\t") if decay.exists() else pd.DataFrame()
    for architecture, seed, rate in combinations(part):
        if len(runs):
            same = (runs["architecture"] == architecture) & (runs["seed"] == seed)
            if rate is not None:
                same &= runs["learning_rate"] == rate
            if same.any():
                continue
        settings = replace(
            ComparisonSettings.for_task(part.task),
            architectures=(architecture,),
            seeds=1,
            seed=seed,
            learning_rate=rate,
        )
        wanted = part.task == "long-range" and part.rates == (None,)
        found = compare(trials_from_task(part.task, **part.options), settings, gradients=wanted)
        print(found.runs.to_string(index=False), flush=True)
        runs = pd.concat([runs, found.runs], ignore_index=True)
        runs.round(5).to_csv(table, sep="\t", index=False)
        if len(found.gradients):
            gradients = pd.concat([gradients, found.gradients], ignore_index=True)
            gradients = gradients[(gradients["lag"] < 50) | (gradients["lag"] % 5 == 0)]
            gradients["gradient"] = [float(f"{value:.3g}") for value in gradients["gradient"]]
            gradients.to_csv(decay, sep="\t", index=False)


def show(name: str) -> None:
    table = RESULTS / f"{name}.tsv"
    if not table.exists():
        return
    runs = pd.read_csv(table, sep="\t")
    print(f"\n## {name}\n")
    if PARTS[name].rates != (None,):
        columns = ["architecture", "learning_rate", "accuracy", "first_half_accuracy"]
        print(runs[columns].to_string(index=False))
        return
    print(format_summary(summarise(runs), markdown=True))
    decay = RESULTS / f"{name}-gradients.tsv"
    if decay.exists():
        gradients = pd.read_csv(decay, sep="\t")
        with np.errstate(divide="ignore"):
            gradients["log"] = np.log10(gradients["gradient"])
        lags = gradients[gradients["lag"].isin([20, 50, 100, 200, 500])]
        means = lags.pivot_table("log", ["architecture", "stage"], "lag")
        print("\nlog10 of the gradient, relative to the last step's\n")
        print(means.round(1).to_string())


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    RESULTS.mkdir(exist_ok=True)
    for part in chosen:
        run(part)
    for part in chosen:
        show(part)
