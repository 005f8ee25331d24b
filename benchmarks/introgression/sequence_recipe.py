"""What a model of the sequence alone scores by how its windows are split, beside the model with references.

Regions are simulated, each by a seed of its own, so that they are as unlike as chromosomes. From each, loci are cut that
are labelled as in the published recipe: archaic, where somebody carries a tract, or modern, where nobody does; every
person's haplotype of a locus is a record with its label. The recipe (k-mer sentences, embedding, bidirectional LSTM) is
trained three times on the same overlapping windows: split at random, by chromosome, and by people at the same loci. The
shipped model scans the same haplotypes with archaic and outgroup, and is asked about the very same windows. Of each
split, the windows set aside are measured once, against two truths: the labels of the loci, and, at archaic loci, whether
the person carries the tract or not, which the labels do not say. Finished steps are kept in the folder, not repeated.

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
from genolstm.introgression.evaluate import Coverage
from genolstm.introgression.formats import read_intervals
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.segments import Interval
from genolstm.introgression.sequence_only.data import Sentences, haplotype_of, read_loci
from genolstm.introgression.sequence_only.measures import Measures, best_threshold, measure, seen_share
from genolstm.introgression.sequence_only.scorer import SequenceScorer
from genolstm.introgression.sequence_only.settings import ARCHAIC, MODERN, RECIPE, SENTENCES, TRAINING, WARNING
from genolstm.introgression.sequence_only.train import Parts, split_by_groups, train_on_sentences, with_interval
from genolstm.introgression.settings import SimulationSettings
from genolstm.report.style import saved_figure
from genolstm.runs.simulate import run as simulate
from genolstm.sequences.alphabet import decode
from genolstm.sequences.fasta import read_codes

SPLITS = {
    "random": "at random, overlapping windows",
    "chromosome": "by chromosome",
    "haplotype": "by people, same loci",
}

#: Shares of what is split that choose the epoch and the threshold, and that are measured.
VALIDATION, TEST = 0.2, 0.4


@dataclass(frozen=True)
class Windows:
    """Windows of all loci.

    Attributes
    ----------
    data
        The windows with the labels of their loci; the chromosome of each is its group.
    carried
        Whether each is archaic on its own haplotype, shape (n,).
    reference
        What the shipped model says of each.
    people
        Person of each.
    """

    data: Sentences
    carried: np.ndarray
    reference: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class Region:
    """A simulated region: its first haplotype of each person, where they are archaic, and the posteriors of a scan."""

    name: str
    haplotypes: dict[str, np.ndarray]
    archaic: Coverage
    posteriors: dict[tuple[str, str], np.ndarray]


def read_region(folder: Path, model: IntrogressionClassifier) -> Region:
    """Read a region, and scan it."""
    haplotypes = {}
    for record, codes in read_codes(folder / "target.fa.gz"):
        place = haplotype_of(record, folder.name)
        if place.haplotype == "1":
            haplotypes[place.sample] = codes
    tracts = read_intervals(folder / "truth.bed")
    tracts = [Interval(folder.name, *tract[1:]) for tract, _ in tracts]
    return Region(folder.name, haplotypes, Coverage(tracts), scan(folder, model))


def choose_loci(region: Region, length: int, most: int, random: np.random.Generator) -> dict[int, bool]:
    """Return the begin of loci and whether each is archaic: somebody's whole locus is, or nothing of anybody's."""
    whole = len(next(iter(region.haplotypes.values())))
    start = np.arange(0, whole - length + 1, length)
    covered = np.stack(
        [region.archaic.of((region.name, name, h), start, start + length) for name in region.haplotypes for h in "12"]
    )
    ours = covered[::2]
    kinds = {True: (ours == length).any(axis=0), False: ~covered.any(axis=0)}
    found = {}
    n = min(most, *(int(kind.sum()) for kind in kinds.values()))
    for label, kind in kinds.items():
        found |= dict.fromkeys(random.permutation(start[kind])[:n].tolist(), label)
    return found


def gather(folders: list[Path], length: int, most: int, seed: int, place: Path) -> Windows:
    """Write the loci of all regions as FASTA and a table of labels, and read them as `train --labels` does."""
    model = IntrogressionClassifier.load("archaic", threads=1)
    regions = {}
    fasta, labels = place / "loci.fa", place / "labels.tsv"
    counts = np.zeros(3, dtype=int)
    with fasta.open("w") as records, labels.open("w") as table:
        table.write("name\tlabel\tgroup\n")
        for number, folder in enumerate(folders):
            region = read_region(folder, model)
            loci = choose_loci(region, length, most, np.random.default_rng([seed, 2, number]))
            counts += np.array([len(loci) > 0, sum(loci.values()), len(loci) - sum(loci.values())])
            regions[region.name] = region
            for start, archaic in loci.items():
                for name, codes in region.haplotypes.items():
                    locus = f"{name}#1#{region.name}:{start}"
                    records.write(f">{locus}\n{decode(codes[start : start + length])}\n")
                    table.write(f"{locus}\t{ARCHAIC if archaic else MODERN}\t{region.name}\n")
    data = read_loci([fasta], labels, SENTENCES)
    print(
        f"{counts[0]} regions with {counts[1]} archaic loci and {counts[2]} modern ones: {len(data)} windows",
        flush=True,
    )
    carried, reference, people = (np.empty(len(data), kind) for kind in (bool, np.float64, object))
    for row, (number, offset) in enumerate(zip(data.sequence.tolist(), data.start.tolist(), strict=True)):
        sample = data.haplotypes[number].sample
        name, _, locus = data.haplotypes[number].chrom.partition(":")
        region, start = regions[name], int(locus) + offset
        end = start + SENTENCES.sentence
        inside = region.archaic.of_interval(Interval(name, start, end, sample, "1"))
        carried[row] = 2 * inside >= SENTENCES.sentence
        reference[row] = region.posteriors[sample, "1"][(start + end) // 2 // model.settings.bin]
        people[row] = sample
    return Windows(data, carried, reference, people.astype(str))


def scan(folder: Path, model: IntrogressionClassifier) -> dict[tuple[str, str], np.ndarray]:
    """Return the posterior of each bin of each haplotype of a region, by the model with references."""
    target, outgroup, archaic = (folder / f"{role}.txt" for role in ("target", "outgroup", "archaic"))
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for block in model.open(VcfDoor(folder / "region.vcf.gz", target, outgroup, archaic)).blocks:
        for name, row in zip(block.haplotypes, block.posterior, strict=True):
            found.setdefault((name[0], name[1]), []).append(row)
    return {name: np.concatenate(rows) for name, rows in found.items()}


def parts_of_people(people: np.ndarray, seed: int) -> dict[str, int]:
    """Return the part of each person: 0 to train on, 1 to validate (a fifth), 2 to test (two fifths)."""
    names = np.unique(people)
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    held = max(1, round(VALIDATION * len(names))), max(1, round(TEST * len(names)))
    part = np.zeros(len(names), dtype=int)
    part[order[: held[0]]], part[order[held[0] : sum(held)]] = 1, 2
    return dict(zip(names.tolist(), part.tolist(), strict=True))


def split(windows: Windows, how: str, seed: int) -> Parts:
    """Split windows; by people as :func:`parts_of_people`, the others with the same shares."""
    data = windows.data
    if how == "chromosome":
        return split_by_groups(data, VALIDATION, TEST, seed)
    if how == "haplotype":
        part = parts_of_people(windows.people, seed)
        of = np.array([part[name] for name in windows.people])
        return Parts(*(np.flatnonzero(of == number) for number in range(3)))
    order = np.random.default_rng([seed, 3]).permutation(len(data))
    edges = round((1 - VALIDATION - TEST) * len(data)), round((1 - TEST) * len(data))
    first, second, third = np.split(order, edges)
    return Parts(np.sort(first), np.sort(second), np.sort(third))


def judge(windows: Windows, parts: Parts, values: np.ndarray) -> tuple[Measures, Measures]:
    """Measure the windows set aside by the labels of their loci, and those of archaic loci by who carries the tract."""
    data, test = windows.data, parts.test
    threshold = best_threshold(data.archaic[parts.validation], values[parts.validation])
    at = test[data.archaic[test]]
    return (
        measure(data.archaic[test], values[test], data.groups[test], threshold),
        measure(windows.carried[at], values[at], data.groups[at], threshold),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("sequence_recipe"))
    parser.add_argument("--regions", type=int, default=96)
    parser.add_argument("--first-seed", type=int, default=6_300_000)
    parser.add_argument("--length", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--locus", type=int, default=600, help="Length of a locus in bp.")
    parser.add_argument("--most", type=int, default=3, help="Loci of either kind of each region.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="Of loci, splits and training.")
    parser.add_argument("--epochs", type=int, default=5)
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
        f"loci, splits and training by the seeds {', '.join(map(str, arguments.seeds))}; {SENTENCES}\n"
        f"simulated: {time.process_time() - begun:.0f} s of CPU",
        flush=True,
    )
    rows = [row for seed in arguments.seeds for row in measured(folders, seed, arguments)]
    arguments.table.write_text(json.dumps(rows, indent=1) + "\n")
    first = [row for row in rows if row["seed"] == arguments.seeds[0]]
    print("\n" + table(first) + "\n\n" + table_of_seeds(rows))
    print(f"\n> {WARNING}\n\n{time.process_time():.0f} s of CPU")
    if arguments.figure is not None:
        draw(first, arguments.figure)


def measured(folders: list[Path], seed: int, arguments: argparse.Namespace) -> list[dict]:
    """Draw loci, train by each split, and measure both models."""
    windows = gather(folders, arguments.locus, arguments.most, seed, arguments.folder)
    rows = []
    for how, shown in SPLITS.items():
        begun = time.process_time()
        parts = split(windows, how, seed)
        model = arguments.folder / f"{how}-{seed}.genolstm"
        if not model.exists():
            train_on_sentences(
                replace_groups(windows, how),
                parts,
                output=model,
                settings=replace(TRAINING, epochs=arguments.epochs, seed=seed),
                options=replace(RECIPE, split="region" if how == "random" else how),
            )
        scorer = SequenceScorer.load(model, threads=1)
        values = scorer.probabilities(windows.data.tokens)
        seen = seen_share(windows.data.tokens[parts.training], windows.data.tokens[parts.test])
        epochs = scorer.bundle.provenance["settings"]
        for name, of_model in (("sequence alone", values), ("with references", windows.reference)):
            by_loci, by_carriers = judge(windows, parts, of_model)
            rows.append(
                {
                    "seed": seed,
                    "split": shown,
                    "model": name,
                    "seen": seen,
                    "training": len(parts.training),
                    "epochs": epochs["epochs_run"],
                    "best_epoch": epochs["best_epoch"],
                    "loci": by_loci.to_dict(),
                    "carriers": by_carriers.to_dict(),
                }
            )
        print(
            f"seed {seed}, {shown}: {len(parts.training)} windows to learn from, {epochs['epochs_run']} epochs, "
            f"{time.process_time() - begun:.0f} s of CPU",
            flush=True,
        )
    return rows


def replace_groups(windows: Windows, how: str) -> Sentences:
    """Return the windows with people as groups if they are split by these, so that the card says so."""
    return replace(windows.data, groups=windows.people) if how == "haplotype" else windows.data


def table(rows: list[dict]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| split | model | AUC, labels of the loci | F1 | accuracy | AUC, who carries the tract | test windows also in training |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = [
            with_interval(row["loci"][name], row["loci"][f"{name}_interval"]) for name in ("auc", "f1", "accuracy")
        ]
        cells.append(with_interval(row["carriers"]["auc"], row["carriers"]["auc_interval"]))
        seen = f"{100 * row['seen']:.1f} %" if row["model"] == "sequence alone" else "(not used)"
        lines.append("| " + " | ".join([row["split"], row["model"], *cells, seen]) + " |")
    return "\n".join(lines)


def table_of_seeds(rows: list[dict]) -> str:
    """Return the AUC of each seed as Markdown."""
    seeds = sorted({row["seed"] for row in rows})
    lines = [
        f"| split | model | AUC, labels of the loci, seeds {', '.join(map(str, seeds))} | AUC, who carries the tract |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        if row["seed"] == seeds[0]:
            same = [other for other in rows if (other["split"], other["model"]) == (row["split"], row["model"])]
            cells = [", ".join(f"{other[truth]['auc']:.3f}" for other in same) for truth in ("loci", "carriers")]
            lines.append("| " + " | ".join([row["split"], row["model"], *cells]) + " |")
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    """Draw the AUC of each split and model with its interval."""
    colours = {"sequence alone": "#b5482a", "with references": "#2a6bb5"}
    shown = list(SPLITS.values())
    with saved_figure(path, force=True) as plt:
        _, axes = plt.subplots(1, 2, figsize=(8.2, 2.5), sharex=True, sharey=True, layout="constrained")
        titles = {"loci": "by the labels of the loci", "carriers": "by who carries the tract"}
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
        axes[1].legend(frameon=False, fontsize=9, loc="center", bbox_to_anchor=(0.5, 0.42))


if __name__ == "__main__":
    main()
