"""What one program found in one set, scored: a file of figures and curves for `table.py`.

    python score.py METHOD SET FILES -o scored.json [--cost COST.tsv ...]

FILES are what the program wrote: posteriors and segments of a scan, hmmix's folder, or sstar's tracts by quantile.
Scores are in base pairs over bins of 1 kb; those of persons take the higher of two haplotypes. Intervals are 95 %, from
drawing loci of 1 Mb with replacement; that of the best F1 is at the threshold that is best in all loci.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import run_hmmix
import run_sstar
from scoring import by_locus, curves, draws, fill, fill_called, ranked
from sets import BIN, lengths, people, truth

from genolstm.files import atomic_path


def of_scan(path: Path, files: list[Path]) -> tuple[np.ndarray, np.ndarray, float]:
    """Return posteriors, the share of each bin that was called, and the threshold."""
    table, segments = files
    rows = [(person, haplotype) for person in people(path, "target") for haplotype in ("1", "2")]
    at = {row: i for i, row in enumerate(rows)}
    shape = (len(rows), len(lengths(path)), max(lengths(path).values()) // BIN, 1)
    posterior, called = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    fill(table, at, posterior)
    fill_called(segments, at, ["archaic"], called)
    manifest = json.loads(segments.with_suffix(".json").read_text())
    return posterior[..., 0], called[..., 0], float(manifest["settings"]["threshold"])


def by_person(values: np.ndarray) -> np.ndarray:
    """Return the higher of each two haplotypes."""
    both: np.ndarray = np.maximum(values[::2], values[1::2])
    return both


def limits(values: list[float]) -> list[float]:
    finite = np.asarray(values)[np.isfinite(values)]
    return [float(one) for one in np.percentile(finite, [2.5, 97.5])] if len(finite) else [float("nan")] * 2


def figures(score: np.ndarray, called: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Return AP, the best F1 and the figures of what was called by default, each with its interval, and the curve."""
    if not true.any():
        raise SystemExit(
            "nothing in this set is archaic, so that there is no recall: take a longer one, or more people"
        )
    bins, right = curves(score, true)
    best = ranked(bins.sum(0), right.sum(0))
    level = round((1 - best["at"]) * (bins.shape[1] - 1))
    bins_at, right_at = bins[:, : level + 1].sum(1), right[:, : level + 1].sum(1)
    positives, calls, hits = (by_locus(one) for one in (true, called, np.minimum(called, true)))
    drawn: dict[str, list[float]] = {name: [] for name in ("ap", "best_f1", "f1", "precision", "recall")}
    with np.errstate(divide="ignore", invalid="ignore"):
        for i, w in enumerate(draws(len(positives))):
            if i < 200:
                drawn["ap"].append(ranked(w @ bins, w @ right)["ap"])
            drawn["best_f1"].append(2 * (w @ right_at) / (w @ bins_at + w @ positives))
            drawn["f1"].append(2 * (w @ hits) / (w @ calls + w @ positives))
            drawn["precision"].append((w @ hits) / (w @ calls))
            drawn["recall"].append((w @ hits) / (w @ positives))
        total, hit = np.cumsum(bins.sum(0)), np.cumsum(right.sum(0))
        some = np.flatnonzero(total)
        found = {
            "ap": best["ap"],
            "best_f1": best["f1"],
            "f1": 2 * hits.sum() / (calls.sum() + positives.sum()),
            "precision": hits.sum() / calls.sum(),
            "recall": hits.sum() / positives.sum(),
        }
    return {
        **{name: [float(value), *limits(drawn[name])] for name, value in found.items()},
        "best_at": best["at"],
        "best_point": [float(right_at.sum() / positives.sum()), float(right_at.sum() / max(bins_at.sum(), 1))],
        "true_share": float(true.mean()),
        "called_over_true": float(calls.sum() / positives.sum()),
        "loci": len(positives),
        "curve": [[float(hit[i] / hit[-1]), float(hit[i] / total[i])] for i in some],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", choices=("archaic", "none", "hmm", "hmmix", "sstar"))
    parser.add_argument("set", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--cost", nargs="+", type=Path, required=True)
    told = parser.parse_args()
    true = np.clip(truth(told.set).sum(3), 0, 1)
    found: dict[str, Any] = {"method": told.method, "set": told.set.parent.name, "levels": {}}
    if told.method == "sstar":
        tracts = {float(path.name.removesuffix(".bed")): path for path in told.files}
        score, called = run_sstar.found(told.set, tracts)
        found["default_at"] = run_sstar.DEFAULT
    else:
        if told.method == "hmmix":
            score, called = run_hmmix.found(told.set, told.files[0])
            found["default_at"] = run_hmmix.THRESHOLD
        else:
            score, called, found["default_at"] = of_scan(told.set, told.files)
        found["levels"]["haplotype"] = figures(score, called, true)
        score, called = by_person(score), by_person(called)
    found["levels"]["person"] = figures(score, called, by_person(true))
    costs = [
        dict(zip(*(line.split("\t") for line in path.read_text().splitlines()), strict=True)) for path in told.cost
    ]
    found["wall_s"] = sum(float(cost["wall_s"]) for cost in costs)
    found["cpu_s"] = sum(float(cost["cpu_s"]) for cost in costs)
    found["peak_mib"] = max(float(cost["peak_mib"]) for cost in costs)
    with atomic_path(told.output, force=True) as part:
        part.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
