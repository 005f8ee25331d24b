"""Train the shipped model on the tracks written by ``make_training_tracks.py``.

    python scripts/train_neanderthal.py TRACKS_FOLDER... --validation FOLDER... -o MODEL

Training and validation use disjoint simulation seeds. A run that was killed resumes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from genolstm.introgression.dataset import LabelledTracks
from genolstm.introgression.settings import LABELLING, NETWORK, TRAINING
from genolstm.introgression.train import train_on_tracks

CARD = """# neanderthal

Labels bins of modern human haplotypes as Neanderthal-like or modern, from what their k-mers (or
alleles) have in common with a Neanderthal genome, an African outgroup and each other.

## What it was trained on

Simulations only: {replicates} replicates of 5 Mb, {plain} of them of the published demography
PapuansOutOfAfrica_10J19 (10 CEU and 100 YRI diploids, one Neanderthal sampled at its published
time, an outgroup that itself carries about 0.4 % Neanderthal ancestry), the others with smaller
outgroups (5 to 100 diploids), one to 50 target haplotypes, switch errors, missing genotypes,
stretches that the archaic lacks, and with demographies OutOfAfricaArchaicAdmixture_5R19,
OutOfAfricaExtendedNeandertalAdmixturePulse_3I21, AncientEurasia_9K19 and randomised 10J19
(admixture x 0.4 to 2, donor divergence 2,700 to 7,000 generations, mutation and recombination
rates x 0.5 to 2).

## What it was not trained on

Real data, Denisovan ancestry as a class of its own (Denisovan segments may be called where they
match the archaic panel), ancient target genomes with damage, populations with African ancestry as
targets, and bins near centromeres or in repeats. Simulated sequence has neither selection nor
gene conversion nor alignment error; expect the calibration to be optimistic on real data.
"""


def load(folders: list[Path]) -> tuple[list[LabelledTracks], int]:
    """Return all replicates of the folders, and how many follow the published demography."""
    regions: list[LabelledTracks] = []
    plain = 0
    for path in sorted(p for folder in folders for p in folder.glob("*.npz")):
        with np.load(path) as content:
            truth = (content["truth"] / np.float32(255)).astype(np.float32)
            regions.append(LabelledTracks(path.stem, content["tracks"], truth))
            plain += int(content["plain"])
    return regions, plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--validation", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=TRAINING.epochs)
    parser.add_argument("--units", type=int, default=NETWORK.layer_units[0])
    parser.add_argument("--layers", type=int, default=NETWORK.layers)
    parser.add_argument("--window", type=int, default=LABELLING.window)
    parser.add_argument("--batch-size", type=int, default=TRAINING.batch_size)
    parser.add_argument("--learning-rate", type=float, default=TRAINING.learning_rate)
    parser.add_argument("--seed", type=int, default=TRAINING.seed)
    parser.add_argument("--force", action="store_true")
    arguments = parser.parse_args()
    training, plain = load(arguments.folders)
    validation, _ = load(arguments.validation)
    bundle = train_on_tracks(
        training,
        validation,
        output=arguments.output,
        network=replace(NETWORK, units=arguments.units, layers=arguments.layers),
        settings=replace(
            TRAINING,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            learning_rate=arguments.learning_rate,
            seed=arguments.seed,
            patience=0,
        ),
        options=replace(LABELLING, label="neanderthal", window=arguments.window),
        folder=Path(f"{arguments.output}.training"),
        log_csv=Path(f"{arguments.output}.csv"),
        force=arguments.force,
        card=CARD.format(replicates=len(training), plain=plain),
        provenance={
            "training_seeds": [int(region.group) for region in training],
            "validation_seeds": [int(region.group) for region in validation],
        },
    )
    print(bundle.card)


if __name__ == "__main__":
    main()
