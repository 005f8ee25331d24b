"""What a model of the sequence alone scores by how its windows are split, beside the model with references.

Regions are simulated, each by a seed of its own, so that they are as unlike as chromosomes. The recipe (k-mer
sentences, embedding, bidirectional LSTM) is trained three times on the same windows of them: split at random, by
chromosome, and by people at the same loci. The shipped model scans the same haplotypes, with archaic and outgroup, and
is asked about the very same windows. Of each split: the windows set aside, measured once; their archaic windows against
modern ones *at the same places*, which tells whether a model knows the haplotype or only the place; and how many are,
letter for letter, among those of the training. Finished steps are kept in the folder, and not repeated.

    python benchmarks/introgression/sequence_recipe.py --folder recipe --table recipe.json --figure sequence_only.svg
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.sequence_only.data import Sentences, read_folders
from genolstm.introgression.sequence_only.measures import Measures, best_threshold, measure, seen_share
from genolstm.introgression.sequence_only.scorer import SequenceScorer
from genolstm.introgression.sequence_only.settings import RECIPE, SENTENCES, TRAINING, WARNING
from genolstm.introgression.sequence_only.train import Parts, split_by_groups, train_on_sentences, with_interval
from genolstm.introgression.settings import SimulationSettings
from genolstm.report.style import saved_figure
from genolstm.runs.simulate import run as simulate

SPLITS = {
    "random": "at random, overlapping windows",
    "chromosome": "by chromosome",
    "haplotype": "by people, same loci",
}


@dataclass(frozen=True)
class Windows:
    """Windows of all regions, and for each archaic one a modern one at the same place.

    Attributes
    ----------
    data
        The windows; the region of each is its group.
    reference
        What the shipped model says of each, shape (n,).
    mates
        Modern windows at the places of archaic ones, of people in the same part of the split by people.
    mates_reference
        What the shipped model says of these.
    of
        The archaic window that each belongs to.
    people
        Person of each window, shape (n,).
    """

    data: Sentences
    reference: np.ndarray
    mates: np.ndarray
    mates_reference: np.ndarray
    of: np.ndarray
    people: np.ndarray


def scan(folder: Path, model: IntrogressionClassifier) -> dict[tuple[str, str], np.ndarray]:
    """Return the posterior of each bin of each haplotype of a region, by the model with references."""
    target, outgroup, archaic = (folder / f"{role}.txt" for role in ("target", "outgroup", "archaic"))
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for block in model.open(VcfDoor(folder / "region.vcf.gz", target, outgroup, archaic)).blocks:
        for name, row in zip(block.haplotypes, block.posterior, strict=True):
            found.setdefault((name[0], name[1]), []).append(row)
    return {name: np.concatenate(rows) for name, rows in found.items()}


def parts_of_people(people: np.ndarray, seed: int) -> dict[str, int]:
    """Return the part of each person: 0 to train on, 1 to validate, 2 to test; a quarter to a fifth are tested."""
    names = np.unique(people)
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    held = max(1, round(0.2 * len(names))), max(1, round(0.3 * len(names)))
    part = np.zeros(len(names), dtype=int)
    part[order[: held[0]]], part[order[held[0] : sum(held)]] = 1, 2
    return dict(zip(names.tolist(), part.tolist(), strict=True))


def some_loci(rows: np.ndarray, start: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Return all windows of loci of 1 kb, of every haplotype, of as many loci as give ``most`` windows."""
    locus = start // 1000
    kept = np.zeros(len(rows), dtype=bool)
    for number in random.permutation(np.unique(locus)):
        if kept.sum() < most:
            kept |= locus == number
    return rows[kept]


def gather(folders: list[Path], most: int, seed: int) -> Windows:
    """Return windows of all regions: about ``most`` of either kind, and the mates."""
    model = IntrogressionClassifier.load("archaic", threads=1)
    bin_size = model.settings.bin
    parts: list[list[np.ndarray]] = []
    mates: list[list[np.ndarray]] = []
    haplotypes: list = []
    offset = 0
    whole: Sentences | None = None
    for number, folder in enumerate(folders):
        whole = read_folders([folder], SENTENCES, replace(RECIPE, modern=0))
        if not whole.archaic.any():
            print(f"  {folder.name}: nobody has archaic sequence; left out", flush=True)
            continue
        posteriors = scan(folder, model)
        names = [(one.sample, one.haplotype) for one in whole.haplotypes]
        table = np.stack([posteriors[name] for name in names])
        middle = (whole.start + SENTENCES.sentence // 2) // bin_size
        reference = table[whole.sequence, middle]
        people = np.array([name[0] for name in names])[whole.sequence]
        part = parts_of_people(people, seed)
        part_of = np.array([part[name[0]] for name in names])[whole.sequence]
        random = np.random.default_rng([seed, 2, number])
        # The windows that `train` would take of this region, and of them those of some loci, for the time it takes.
        drawn = read_folders([folder], SENTENCES, RECIPE, seed=seed + number)
        row_of = {key: row for row, key in enumerate(zip(whole.sequence.tolist(), whole.start.tolist(), strict=True))}
        rows = np.array([row_of[key] for key in zip(drawn.sequence.tolist(), drawn.start.tolist(), strict=True)])
        kinds = (rows[drawn.archaic], rows[~drawn.archaic])
        archaic, modern = (some_loci(kind, whole.start[kind], most, random) for kind in kinds)
        chosen = np.concatenate([archaic, modern])
        taken = np.zeros(len(whole), dtype=bool)
        taken[chosen] = True
        free = {}
        for row in np.flatnonzero(~whole.archaic & ~taken):
            free.setdefault((int(whole.start[row]), int(part_of[row])), []).append(int(row))
        pairs = []
        for place, row in enumerate(archaic):
            candidates = free.get((int(whole.start[row]), int(part_of[row])), [])
            if candidates:
                pairs.append((offset + place, candidates[random.integers(len(candidates))]))
        of, mate = np.array(pairs, dtype=int).reshape(-1, 2).T
        parts.append(
            [
                whole.tokens[chosen],
                whole.archaic[chosen],
                whole.groups[chosen],
                whole.sequence[chosen] + len(haplotypes),
                whole.start[chosen],
                reference[chosen],
                people[chosen],
            ]
        )
        mates.append([whole.tokens[mate], reference[mate], of])
        haplotypes += whole.haplotypes
        offset += len(chosen)
        print(
            f"  {folder.name}: {len(archaic)} archaic windows ({100 * whole.archaic.mean():.1f} %), {len(modern)} modern "
            f"ones drawn, {len(of)} at the same places",
            flush=True,
        )
    assert whole is not None
    joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    beside = [np.concatenate(arrays) for arrays in zip(*mates, strict=True)]
    data = Sentences(*joined[:5], tuple(haplotypes), whole.counts)
    return Windows(data, joined[5], beside[0], beside[1], beside[2], joined[6])


def split(windows: Windows, how: str, seed: int) -> Parts:
    """Split windows; by people as :func:`parts_of_people`, the others with the same shares."""
    data = windows.data
    if how == "chromosome":
        return split_by_groups(data, 0.2, 0.3, seed)
    if how == "haplotype":
        part = parts_of_people(windows.people, seed)
        of = np.array([part[name] for name in windows.people])
        return Parts(*(np.flatnonzero(of == number) for number in range(3)))
    order = np.random.default_rng([seed, 3]).permutation(len(data))
    edges = round(0.5 * len(data)), round(0.7 * len(data))
    first, second, third = np.split(order, edges)
    return Parts(np.sort(first), np.sort(second), np.sort(third))


def judge(windows: Windows, parts: Parts, values: np.ndarray, mates: np.ndarray) -> tuple[Measures, Measures]:
    """Measure the windows set aside, and their archaic ones against the modern ones at the same places."""
    data, test = windows.data, parts.test
    threshold = best_threshold(data.archaic[parts.validation], values[parts.validation])
    of = np.isin(windows.of, test)
    against = windows.of[of]
    label = np.concatenate([np.ones(len(against), bool), np.zeros(len(against), bool)])
    both = np.concatenate([values[against], mates[of]])
    groups = np.tile(data.groups[against], 2)
    return (
        measure(data.archaic[test], values[test], data.groups[test], threshold),
        measure(label, both, groups, threshold),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("sequence_recipe"))
    parser.add_argument("--regions", type=int, default=48)
    parser.add_argument("--first-seed", type=int, default=6_300_000)
    parser.add_argument("--length", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--most", type=int, default=200, help="About how many windows of either kind of each region.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=TRAINING.epochs)
    parser.add_argument("--table", type=Path, default=Path("sequence_recipe.json"))
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    begun = time.process_time()
    settings = SimulationSettings(
        length=arguments.length, seed=arguments.first_seed, n_target=arguments.people, n_outgroup=50
    )
    folders = [place for place, _ in simulate(settings, arguments.folder, replicates=arguments.regions)]
    last = arguments.first_seed + arguments.regions - 1
    print(
        f"{settings.model}, seeds {arguments.first_seed} to {last}, {arguments.length} bp, {arguments.people} people; "
        f"draws and training: seed {arguments.seed}; {SENTENCES}"
    )
    windows = gather(folders, arguments.most, arguments.seed)
    print(f"simulated, read and scanned: {time.process_time() - begun:.0f} s of CPU", flush=True)
    rows = []
    for how, shown in SPLITS.items():
        begun = time.process_time()
        parts = split(windows, how, arguments.seed)
        model = arguments.folder / f"{how}.genolstm"
        if not model.exists():
            option = "region" if how == "random" else how
            train_on_sentences(
                replace_groups(windows, how),
                parts,
                output=model,
                settings=replace(TRAINING, epochs=arguments.epochs, seed=arguments.seed),
                options=replace(RECIPE, split=option),
            )
        scorer = SequenceScorer.load(model, threads=1)
        values, mates = scorer.probabilities(windows.data.tokens), scorer.probabilities(windows.mates)
        seen = seen_share(windows.data.tokens[parts.training], windows.data.tokens[parts.test])
        spent = time.process_time() - begun
        epochs = scorer.bundle.provenance["settings"]
        for name, found in (
            ("sequence alone", judge(windows, parts, values, mates)),
            ("with references", judge(windows, parts, windows.reference, windows.mates_reference)),
        ):
            rows.append(
                {
                    "split": shown,
                    "model": name,
                    "seen": seen,
                    "training": len(parts.training),
                    "epochs": epochs["epochs_run"],
                    "best_epoch": epochs["best_epoch"],
                    "cpu_seconds": round(spent, 1),
                    "all": found[0].to_dict(),
                    "same_place": found[1].to_dict(),
                }
            )
        print(
            f"{shown}: {len(parts.training)} windows to learn from, {epochs['epochs_run']} epochs, "
            f"{spent:.0f} s of CPU",
            flush=True,
        )
    arguments.table.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n" + table(rows))
    print(f"\n> {WARNING}")
    if arguments.figure is not None:
        draw(rows, arguments.figure)


def replace_groups(windows: Windows, how: str) -> Sentences:
    """Return the windows with people as groups if they are split by these, so that the card says so."""
    return replace(windows.data, groups=windows.people) if how == "haplotype" else windows.data


def table(rows: list[dict]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| split | model | AUC | F1 | accuracy | AUC at the same places | of the test windows, also in training |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [with_interval(row["all"][name], row["all"][f"{name}_interval"]) for name in ("auc", "f1", "accuracy")]
        cells.append(with_interval(row["same_place"]["auc"], row["same_place"]["auc_interval"]))
        seen = f"{100 * row['seen']:.1f} %" if row["model"] == "sequence alone" else "(not used)"
        lines.append("| " + " | ".join([row["split"], row["model"], *cells, seen]) + " |")
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    """Draw the AUC of each split and model with its interval."""
    colours = {"sequence alone": "#b5482a", "with references": "#2a6bb5"}
    shown = list(SPLITS.values())
    with saved_figure(path, force=True) as plt:
        _, axes = plt.subplots(1, 2, figsize=(8.2, 2.5), sharex=True, sharey=True, layout="constrained")
        titles = {"all": "windows set aside", "same_place": "against modern windows at the same places"}
        for axis, (which, title) in zip(axes, titles.items(), strict=True):
            for row in rows:
                place = -shown.index(row["split"]) + (0.13 if row["model"] == "sequence alone" else -0.13)
                label = row["model"] if row["split"] == shown[0] else None
                axis.plot(row[which]["auc_interval"], [place, place], color=colours[row["model"]], linewidth=2)
                axis.plot(row[which]["auc"], place, "o", color=colours[row["model"]], label=label)
            axis.axvline(0.5, color="0.5", linestyle=":", linewidth=1)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("AUC (0.5 is chance)")
            axis.set_yticks([-place for place in range(len(shown))], shown)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].legend(frameon=False, fontsize=8, loc="lower left")


if __name__ == "__main__":
    main()
