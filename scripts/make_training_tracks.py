"""Simulate the tracks on which the shipped introgression model is trained.

Two thirds of the replicates follow the published demography with the benchmark's sample sizes or
smaller ones; the rest vary the demography, admixture fraction, donor divergence, mutation and
recombination rates, sample sizes, switch errors, and stretches missing from the archaic genome.
Each replicate has its own seed and file, so a stopped run resumes where it was.

    python scripts/make_training_tracks.py FOLDER --replicates 240 --first-seed 7100000 --jobs 2
"""

from __future__ import annotations

import argparse
import copy
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from genolstm.files import atomic_path
from genolstm.introgression.simulate import KNOWN_MODELS, SimulatedRegion, SimulationSettings, resolve, simulate_region
from genolstm.introgression.tracks import TrackSettings, n_bins, tracks_from_variants

MAIN_MODEL = "PapuansOutOfAfrica_10J19"


def randomised(settings: SimulationSettings, rng: np.random.Generator):
    """Return settings and a demography moved away from the published one."""
    model = str(rng.choice([MAIN_MODEL, *KNOWN_MODELS]))
    settings = replace(settings, model=model)
    full, demography = resolve(settings)
    demography = copy.deepcopy(demography)
    names = {population.name: i for i, population in enumerate(demography.populations)}
    archaic = {names[n] for n in KNOWN_MODELS[model]["archaic_populations"]}
    donors = {names[n] for n in KNOWN_MODELS[model]["donors"]}
    pulse = float(np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
    divergence = float(rng.uniform(2700, 7000))

    def index(population: object) -> object:
        return names.get(population, population)

    for event in demography.events:
        source, dest = index(getattr(event, "source", None)), index(getattr(event, "dest", None))
        kind = type(event).__name__
        if kind == "MassMigration" and dest in donors and source not in archaic:
            event.proportion = min(event.proportion * pulse, 0.2)
        elif kind == "MigrationRateChange" and {source, dest} & archaic:
            event.rate *= pulse
        elif model == MAIN_MODEL and event.time == 3375:
            event.time = divergence
    demography.sort_events()
    scale = np.exp(rng.uniform(np.log(0.5), np.log(2.0), size=2))
    full = replace(
        full, mutation_rate=full.mutation_rate * scale[0], recombination_rate=full.recombination_rate * scale[1]
    )
    return full, demography


def switched(haplotypes: np.ndarray, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where the phase of each diploid is switched, about once per 100 kb to 2 Mb.

    The caller applies the same switches to the truth, because a switch moves a tract.
    """
    every = np.exp(rng.uniform(np.log(1e5), np.log(2e6)))
    flip = np.zeros((len(positions), haplotypes.shape[1] // 2), dtype=bool)
    for i in range(flip.shape[1]):
        breaks = np.cumsum(rng.exponential(every, size=int(positions[-1] / every * 3) + 10))
        flip[:, i] = np.searchsorted(breaks, positions) % 2 == 1
    return flip


def tracks_and_truth(
    region: SimulatedRegion, rng: np.random.Generator, *, plain: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return tracks (haplotype, bin, channel) float16 and archaic fraction (haplotype, bin)."""
    settings = TrackSettings()
    length = region.settings.length
    bins = n_bins(length, settings.bin)
    truth = region.truth_coverage(settings.bin)
    block = region.block()
    if plain:
        tracks = tracks_from_variants(block, first_bin=0, last_bin=bins, length=length, settings=settings)
        return tracks.astype(np.float16), truth
    n_outgroup = block.outgroup.shape[1] // 2
    size = int(np.clip(np.exp(rng.uniform(np.log(5), np.log(n_outgroup * 1.6))), 5, n_outgroup))
    kept = rng.choice(n_outgroup, size=size, replace=False)
    outgroup = block.outgroup[:, np.stack([2 * kept, 2 * kept + 1], 1).ravel()]
    archaic = block.archaic.copy()
    if rng.random() < 0.3:  # stretches that the archaic genome does not cover
        lost = rng.uniform(0.02, 0.3)
        for start in rng.uniform(0, length, size=int(length * lost / 3000)):
            a, b = np.searchsorted(block.positions, [start, start + rng.exponential(3000)])
            archaic[a:b] = -1
    target = block.target.copy()
    if rng.random() < 0.3:
        flip = switched(target, block.positions, rng)
        bin_of = np.minimum(np.searchsorted(block.positions, np.arange(bins) * 1000), len(flip) - 1)
        for i in range(flip.shape[1]):
            pair = target[:, 2 * i : 2 * i + 2]
            pair[flip[:, i]] = pair[flip[:, i]][:, ::-1]
            rows = truth[2 * i : 2 * i + 2]
            rows[:, flip[bin_of, i]] = rows[::-1][:, flip[bin_of, i]]
    if rng.random() < 0.3:
        target[rng.random(target.shape) < rng.uniform(0, 0.03)] = -1
    if rng.random() < 0.2:
        outgroup = np.where(rng.random(outgroup.shape) < rng.uniform(0, 0.05), -1, outgroup)
    # The smaller the group, the less it reveals about sharing; a single haplotype reveals nothing.
    n_target = target.shape[1]
    group = int(rng.choice([1, 2, 4, 6, 10, 20, 30, n_target]))
    pieces = []
    for start in range(0, n_target, group):
        part = replace_block(block, target[:, start : start + group], outgroup, archaic)
        pieces.append(tracks_from_variants(part, first_bin=0, last_bin=bins, length=length, settings=settings))
    return np.concatenate(pieces).astype(np.float16), truth


def replace_block(block, target, outgroup, archaic):
    """Return the block with other haplotypes at the same sites."""
    return replace(
        block,
        target=np.ascontiguousarray(target),
        outgroup=np.ascontiguousarray(outgroup).astype(np.int8),
        archaic=archaic,
    )


def make(seed: int, folder: Path, plain_fraction: float) -> str:
    """Simulate one replicate and save its tracks."""
    path = folder / f"{seed}.npz"
    if path.exists():
        return f"{seed}: there already"
    rng = np.random.default_rng([seed, 0x7261])
    draw = rng.random()
    settings = SimulationSettings(model=MAIN_MODEL, seed=seed)
    demography = None
    plain = draw < plain_fraction
    if draw > plain_fraction + (1 - plain_fraction) * 0.35:
        settings = replace(settings, n_target=int(rng.choice([5, 10, 10, 25])))
        settings, demography = randomised(settings, rng)
    region = simulate_region(settings, demography=demography)
    tracks, truth = tracks_and_truth(region, rng, plain=plain)
    kept = np.sort(rng.permutation(len(tracks))[:20])
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, tracks=tracks[kept], truth=np.round(truth[kept] * 255).astype(np.uint8), plain=np.array(plain))
    return f"{seed}: {region.settings.model} {'plain' if plain else 'varied'} {truth.mean():.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--replicates", type=int, default=240)
    parser.add_argument("--first-seed", type=int, default=7_100_000)
    parser.add_argument("--plain-fraction", type=float, default=0.55)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.replicates)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(make, s, arguments.folder, arguments.plain_fraction) for s in seeds]
        for job in jobs:
            print(job.result(), flush=True)


if __name__ == "__main__":
    main()
