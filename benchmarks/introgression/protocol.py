"""What the shipped model does on simulated sets that it never saw, beside an earlier version and hmmix.

Every set of `sets.py` is scanned with the command that a user types; an earlier version is run from a
checkout of its own. Scores are in base pairs over bins of 1 kb; intervals are 95 %, from drawing loci of
1 Mb with replacement, the same loci for both of a pair. Truth comes from the simulated genealogies.

    python benchmarks/introgression/protocol.py WORK [--before CHECKOUT] [--hmmix PROGRAM] [--only SET ...]

WORK keeps what was simulated and scanned, so that a stopped run goes on and a report is quick. hmmix (with
bcftools and vcftools on the PATH) takes about three minutes a set and person.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import run_hmmix
from scoring import by_locus, calibration, curves, draws, fill, fill_called, interval, ranked
from sets import BIN, SETS, SOURCES, Set, folder_of, make, names, people, seeds, truth

from genolstm.files import atomic_path


@dataclass(frozen=True)
class Run:
    """One scan of a set: with which archaics, options and version."""

    label: str
    archaics: tuple[str, ...] = ("nea",)
    options: tuple[str, ...] = ()
    before: bool = False

    def arguments(self) -> list[str]:
        """Return the options that name the archaics: of one, no name; of several, theirs."""
        if len(self.archaics) == 1:
            return ["--archaic", self.archaics[0].upper(), *self.options]
        return [word for one in self.archaics for word in ("--archaic", f"{one}={one.upper()}")] + list(self.options)


NOW, BEFORE, NONE = Run("now"), Run("before", before=True), Run("none given", ())
BOTH, FDR = Run("both", ("nea", "den")), Run("fdr .05", options=("--fdr", "0.05"))


def runs(of: Set) -> list[Run]:
    """Return the scans of a set."""
    wanted = [NOW, BEFORE]
    if "den" in of.archaics:
        wanted.append(BOTH)
    if of.name.startswith(("clean", "ceu", "9K19", "3I21", "papuan")) and not of.spoil:
        wanted += [NONE, FDR]
    return wanted


# -- scanning -----------------------------------------------------------------------------------------


def scan(of: Set, path: Path, run: Run, checkout: Path | None) -> None:
    """Run one scan and keep, of each haplotype and bin, the posteriors and the share that was called."""
    kept = path / f"{run.label}.npz"
    if kept.exists():
        return
    who = names(of)
    alone = of.spoil == "one haplotype at a time"
    groups = [[name] for name in who["target"]] if alone else [who["target"]]
    rows = [(name, str(h)) for name in who["target"] for h in ((1,) if alone else (1, 2))]
    bins = of.length // BIN
    posterior = np.zeros((len(rows), of.chromosomes, bins, 1 + len(run.archaics) + 1), np.float16)
    called = np.zeros((len(rows), of.chromosomes, bins, 2 + len(run.archaics)), np.float16)
    told: list[dict[str, Any]] = []
    for group in groups:
        table, segments, manifest = path / "p.tsv", path / "s.bed", path / "s.json"
        command = [sys.executable, "-m", "genolstm", "introgression", "scan", "--vcf", str(path / "set.vcf.gz")]
        command += ["--target", ",".join(group), "--outgroup", str(path / "outgroup.txt"), *run.arguments()]
        if (path / "mask.bed").stat().st_size:
            command += ["--exclude", str(path / "mask.bed")]
        command += ["--posteriors", str(table), "-o", str(segments), "--force", "-t", "2"]
        # Python finds the package in the folder that it is started in.
        root = checkout if run.before and checkout is not None else Path(__file__).resolve().parents[2]
        environment = os.environ | {"PYTHONPATH": str(root)}
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        at = {row: i for i, row in enumerate(rows)}
        fill(table, at, posterior)
        fill_called(segments, at, run.archaics, called)
        told.append({"said": done.stderr, **json.loads(manifest.read_text())})
        for one in (table, segments, manifest):
            one.unlink()
    with atomic_path(kept, force=True) as part, part.open("wb") as raw:
        np.savez_compressed(raw, posterior=posterior, called=called, told=np.array(json.dumps(told)))


# -- scoring ------------------------------------------------------------------------------------------


class Scored:
    """One scan of a set beside the truth."""

    def __init__(self, path: Path, label: str) -> None:
        with np.load(path / f"{label}.npz") as kept:
            self.posterior = kept["posterior"].astype(np.float32)
            self.called = kept["called"].astype(np.float32)
            self.told = json.loads(str(kept["told"]))
        self.true = truth(path)

    @property
    def any(self) -> np.ndarray:
        total: np.ndarray = np.clip(self.true.sum(3), 0, 1)
        return total

    def threshold(self) -> float:
        return float(np.mean([one["settings"]["threshold"] for one in self.told]))

    def row(self, what: str, score: np.ndarray, true: np.ndarray, called: np.ndarray) -> dict[str, Any]:
        """Return a line of the table: ranking, and what was called at the threshold of the scan."""
        bins, right = curves(score, true)
        best = ranked(bins.sum(0), right.sum(0))
        positives, calls, hits = (by_locus(one) for one in (true, called, np.minimum(called, true)))
        many = list(draws(len(positives)))
        with np.errstate(divide="ignore", invalid="ignore"):
            aps = [ranked(w @ bins, w @ right)["ap"] for w in many[:200]]
            ratio = [(w @ calls) / (w @ positives) for w in many]
        return {
            "what": what,
            "true %": 100 * true.mean(),
            "AP": best["ap"],
            "95 %": interval(aps),
            "best F1": best["f1"],
            "at": best["at"],
            "F1": 2 * hits.sum() / max(calls.sum() + positives.sum(), 1e-9),
            "threshold": self.threshold(),
            "called/true": calls.sum() / positives.sum() if positives.sum() else float("nan"),
            "95 % of it": interval(ratio),
            "called %": 100 * called.mean(),
            "wrong": 1 - hits.sum() / max(calls.sum(), 1e-9),
            "ECE": calibration(score, true),
        }


def paired(path: Path, one: tuple[str, np.ndarray], other: tuple[str, np.ndarray], true: np.ndarray) -> str:
    """Return how much AP the second has over the first, with the interval over loci."""
    sides = [curves(score, true) for _, score in (one, other)]
    aps = [ranked(bins.sum(0), right.sum(0))["ap"] for bins, right in sides]
    gains = []
    for weight in draws(len(sides[0][0])):
        a, b = (ranked(weight @ bins, weight @ right)["ap"] for bins, right in sides)
        gains.append(b - a)
    return f"{aps[0]:.4f} ({one[0]}), {aps[1]:.4f} ({other[0]}): {aps[1] - aps[0]:+.4f} ({interval(gains)})"


def tracts(true: np.ndarray) -> Iterator[tuple[int, int, slice, float]]:
    """Yield row, chromosome, bins and length in bp of each true tract; true has (rows, chromosomes, bins)."""
    for row, chrom in np.ndindex(true.shape[:2]):
        inside = np.concatenate([[0], (true[row, chrom] > 0).astype(np.int8), [0]])
        change = np.flatnonzero(np.diff(inside))
        for start, end in zip(change[::2].tolist(), change[1::2].tolist(), strict=True):
            yield row, chrom, slice(start, end), float(true[row, chrom, start:end].sum() * BIN)


def recall_by_length(score: np.ndarray, true: np.ndarray, precision: float) -> str:
    """Return the recall of tracts by length at the lowest threshold with a precision."""
    bins, right = (one.sum(0) for one in curves(score, true))
    good = np.flatnonzero(np.cumsum(right) >= precision * np.maximum(np.cumsum(bins), 1))
    level = 1 - (good[-1] if len(good) else 0) / (len(bins) - 1)
    edges = [0, 10_000, 30_000, 60_000, 100_000, 1 << 40]
    found, all_ = np.zeros(5), np.zeros(5)
    for row, chrom, span, length in tracts(true):
        k = int(np.searchsorted(edges, length, side="right")) - 1
        inside = true[row, chrom, span]
        all_[k] += inside.sum()
        found[k] += (inside * (score[row, chrom, span] >= level - 1e-6)).sum()
    names_ = ("< 10", "10-30", "30-60", "60-100", "> 100 kb")
    return f"at {level:.2f}: " + ", ".join(
        f"{n} {f / max(a, 1):.3f}" for n, f, a in zip(names_, found, all_, strict=True)
    )


def named_right(scored: Scored, sources: Sequence[int]) -> str:
    """Return, of what is called in true tracts of 30 kb or more, the shares named right, otherwise, and not."""
    right = wrong = unclear = 0.0
    for k in sources:
        others = [1 + j for j in sources if j != k] + [1 + len(sources)]
        for row, chrom, span, length in tracts(scored.true[..., k]):
            if length >= 30_000:
                inside = scored.true[row, chrom, span, k]
                cells = scored.called[row, chrom, span]
                right += float((inside * cells[:, 1 + k]).sum())
                wrong += float((inside[:, None] * cells[:, others]).sum())
                unclear += float((inside * (cells[:, 0] - cells[:, 1:].sum(1))).sum())
    total = right + wrong + unclear
    return f"right {100 * right / total:.1f} %, another {100 * wrong / total:.1f} %, several names {100 * unclear / total:.1f} %"


def hmmix(path: Path, program: str) -> None:
    """Run hmmix's chain on a set, and keep what it found as a scan's is kept."""
    kept = path / "hmmix.npz"
    if kept.exists():
        return
    work = path / "hmmix"
    run_hmmix.observe(path, work, program)
    for person in people(path, "target"):
        run_hmmix.infer(path, work, person, program)
    posterior, called = run_hmmix.found(path, work)
    with atomic_path(kept, force=True) as part, part.open("wb") as raw:
        told = [{"settings": {"threshold": run_hmmix.THRESHOLD}}]
        np.savez_compressed(
            raw, posterior=posterior[..., None], called=called[..., None], told=np.array(json.dumps(told))
        )


# -- the report ---------------------------------------------------------------------------------------


def report(of: Set, path: Path) -> list[dict[str, Any]]:
    """Return the lines of a set."""
    rows: list[dict[str, Any]] = []
    for run in [*runs(of), Run("hmmix")]:
        if not (path / f"{run.label}.npz").exists():
            continue
        scored = Scored(path, run.label)
        if of.twin is not None and (path / "mask.bed").stat().st_size:
            scored.posterior *= open_bins(path, of)[None, :, :, None]
            scored.true *= open_bins(path, of)[None, :, :, None]
        name = f"{of.name}, {run.label}"
        rows.append(scored.row(f"{name}: any", scored.posterior[..., 0], scored.any, scored.called[..., 0]))
        by_source = scored.posterior.shape[3] > 1
        if run.label == "both" or (by_source and len(run.archaics) == 1 and scored.true[..., 1:].any()):
            for k, source in enumerate(run.archaics):
                # Whatever has no columns by source calls everything after the one that was given.
                i = 1 + k if scored.posterior[..., 1 + k].any() else 0
                true = scored.true[..., SOURCES.index(source)]
                called = scored.called[..., 1 + k] if i else scored.called[..., 0]
                if true.any():
                    rows.append(scored.row(f"{name}: {source}", scored.posterior[..., i], true, called))
    return rows


def open_bins(path: Path, of: Set) -> np.ndarray:
    """Return the bins of which less than 95 % is masked, shape (chromosomes, bins)."""
    covered = np.zeros((of.chromosomes, of.length // BIN))
    mask = pd.read_csv(path / "mask.bed", sep="\t", header=None)
    for chrom, start, end in mask.itertuples(index=False):
        i = int(chrom.removeprefix("chr")) - 1
        edges = np.arange(start // BIN, -(-end // BIN))
        covered[i, edges] += (np.minimum(edges * BIN + BIN, end) - np.maximum(edges * BIN, start)) / BIN
    return np.asarray(covered < 0.95, dtype=np.float32)


def written(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = [value if isinstance(value, str) else f"{value:.4f}" for value in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def more(done: dict[str, Path]) -> list[str]:
    """Return what the table cannot hold: pairs, names, lengths, and what each spoiling cost."""
    lines = []
    for name, path in done.items():
        of = SETS[name]
        there = {
            label for label in ("now", "before", "both", "none given", "hmmix") if (path / f"{label}.npz").exists()
        }
        scored = {label: Scored(path, label) for label in there}
        any_ = {label: one.posterior[..., 0] for label, one in scored.items()}
        if not scored or not (true := next(iter(scored.values())).any).any():
            continue
        if {"now", "before"} <= there:
            lines.append(f"- {name}: AP {paired(path, ('before', any_['before']), ('now', any_['now']), true)}")
        if {"none given", "hmmix"} <= there:
            lines.append(
                f"- {name}: AP {paired(path, ('hmmix', any_['hmmix']), ('none given', any_['none given']), true)}"
            )
            lines.append(f"- {name}: F1 {paired_f1(scored['hmmix'], scored['none given'])}")
        for label in ("before", "now", "both"):
            if label in there and of.twin is None:
                lines.append(f"- {name}, {label}: recall at 90 % precision, {recall_by_length(any_[label], true, 0.9)}")
        if "both" in there and scored["both"].true[..., :2].any():
            lines.append(f"- {name}: called bp of tracts of 30 kb or more: {named_right(scored['both'], (0, 1))}")
        if "both" in there and of.name == "ghost":
            one = scored["both"]
            inside = one.true[..., 2] * np.minimum(one.called[..., 0], 1)
            unknown = (one.true[..., 2] * one.called[..., 3]).sum() / max(inside.sum(), 1e-9)
            lines.append(f"- ghost: of the called bp that are the ghost's, {100 * unknown:.1f} % are named unknown")
        if of.twin in done and "now" in there:
            whole = Scored(done[of.twin], "now")
            a, of_whole = whole.posterior[..., 0], whole.any
            if len(a) != len(true):
                a, of_whole = a[::2], of_whole[::2]
            if of.spoil.startswith("mask"):
                seen = open_bins(path, of)[None]
                lost = paired(path, ("whole", a * seen), (of.spoil, any_["now"] * seen), true * seen)
            else:
                lost = f"{ap(a, of_whole):.4f} whole, {ap(any_['now'], true):.4f} {of.spoil}"
            lines.append(f"- {name}: AP {lost}")
        if of.spoil.startswith("mask"):
            shut = open_bins(path, of)[None] == 0
            calls = (scored["now"].called[..., 0] * shut).sum()
            lines.append(
                f"- {name}: {calls:.0f} kb called in bins of which 95 % or more is masked, of {shut.sum() * len(true):.0f}"
            )
    return lines


def ap(score: np.ndarray, true: np.ndarray) -> float:
    bins, right = curves(score, true)
    return ranked(bins.sum(0), right.sum(0))["ap"]


def paired_f1(peer: Scored, ours: Scored) -> str:
    """Return the best F1 of a peer over its thresholds, and ours at the threshold of the scan, with intervals."""
    true = ours.any
    bins, right = curves(peer.posterior[..., 0], true)
    called, hit, positives = (
        by_locus(one) for one in (ours.called[..., 0], np.minimum(ours.called[..., 0], true), true)
    )
    gains = []
    for w in draws(len(positives)):
        theirs = ranked(w @ bins, w @ right)["f1"]
        gains.append(2 * (w @ hit) / (w @ called + w @ positives) - theirs)
    theirs = ranked(bins.sum(0), right.sum(0))["f1"]
    own = 2 * hit.sum() / (called.sum() + positives.sum())
    bins, right = curves(ours.posterior[..., 0], true)
    best = ranked(bins.sum(0), right.sum(0))["f1"]
    return f"{theirs:.4f} (hmmix, best threshold), {own:.4f} (none given, as called; {best:.4f} at its best): {own - theirs:+.4f} ({interval(gains)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--before", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--hmmix", help="hmmix's command, for the sets 'ceu' and 'clean 2 %%'")
    parser.add_argument("--only", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--jobs", type=int, default=1, help="chromosomes to simulate at once")
    parser.add_argument("--report", action="store_true", help="only report what is there")
    arguments = parser.parse_args()
    done: dict[str, Path] = {}
    arguments.work = arguments.work.resolve()
    if arguments.before is not None:
        arguments.before = arguments.before.resolve()
    for name in arguments.only:
        of = SETS[name]
        if arguments.report:
            path = folder_of(name, arguments.work)
            if not (path / "truth.npz").exists():
                continue
        else:
            path = folder_of(name, arguments.work)
            make(of, path, jobs=arguments.jobs)
            for run in runs(of):
                if not run.before or arguments.before is not None:
                    scan(of, path, run, arguments.before)
            if arguments.hmmix and name in ("ceu", "clean 2 %"):
                hmmix(path, arguments.hmmix)
            print(f"{name}: seeds {seeds(of)[0]} to {seeds(of)[-1]}", file=sys.stderr, flush=True)
        done[name] = path
    rows = [row for name, path in done.items() for row in report(SETS[name], path)]
    print(written(rows))
    print("\n".join(["", *more(done)]))


if __name__ == "__main__":
    main()
