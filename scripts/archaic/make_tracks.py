"""Simulate regions of random worlds, spoil them as data are spoilt, and write their tracks.

    python scripts/archaic/make_tracks.py FOLDER --first-seed 1000000 --replicates 1540 --jobs 16

Each file holds the tracks of up to 20 haplotypes over 4 Mb in bins of 500 bp, compared with both archaics, as far
as the world has two (the training leaves some out at random), and the share of each bin that is of each source. A
seed gives the same file; a stopped run goes on where it was. Seeds from 900,000 on are for validation: a
quarter of them the published model with European targets, a quarter with Papuan ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from worlds import MAIN, World, log_uniform, parametric, published, simulate

from genolstm.files import atomic_path
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import tracks_from_variants
from genolstm.introgression.variants.block import VariantBlock

BIN, ROWS = 500, 20
VALIDATION = range(900_000, 1_000_000)
#: Seeds from here on are of shorter regions of worlds that vary more (see :func:`worlds.parametric`).
WIDE = 1_100_000
Spans = list[tuple[int, int]]


def draw_world(random: np.random.Generator, target: str | None, *, wide: bool) -> tuple[World, bool]:
    """Return a world, and whether it is a published one as it is."""
    if target is not None:
        return published(MAIN, random, target=target), True
    if wide:
        return draw_wide(random)
    kind = random.random()
    if kind < 0.22:
        return published(MAIN, random, target=str(random.choice(["CEU", "CEU", "CEU", "Papuan"]))), True
    if kind < 0.42:
        return published(MAIN, random, target=str(random.choice(["CEU", "CHB", "Papuan", "Papuan"])), vary=True), False
    if kind < 0.50:
        name = "OutOfAfricaArchaicAdmixture_5R19"
        return published(name, random, target=str(random.choice(["CEU", "CHB"])), vary=True), False
    return parametric(random), False


def draw_wide(random: np.random.Generator) -> tuple[World, bool]:
    kind = random.random()
    other = "OutOfAfricaArchaicAdmixture_5R19"
    if kind < 0.16:
        return published(MAIN, random, target=str(random.choice(["CEU", "CEU", "Papuan"]))), True
    if kind < 0.32:
        return published(MAIN, random, target=str(random.choice(["CEU", "CHB", "Papuan", "Papuan"])), vary=True), False
    if kind < 0.38:
        return published(other, random, target=str(random.choice(["CEU", "CHB"]))), True
    if kind < 0.46:
        return published(other, random, target=str(random.choice(["CEU", "CHB"])), vary=True), False
    return parametric(random, wide=True), False


def stretches(random: np.random.Generator, length: int, share: float, mean: float) -> Spans:
    """Return stretches of a mean length that cover a share of the region."""
    found: Spans = []
    at = 0.0
    gap = mean * (1 - share) / max(share, 1e-9)
    while at < length:
        at += random.exponential(gap)
        size = random.exponential(mean)
        start, end = int(at), int(min(at + size, length))
        if start < end:
            found.append((start, end))
        at = max(at + size, end + 1)
    return [span for span in found if span[0] < length]


def within(positions: np.ndarray, spans: Spans) -> np.ndarray:
    if not spans:
        return np.zeros(len(positions), bool)
    starts, ends = np.array(spans).T
    place = np.searchsorted(starts, positions, side="right") - 1
    inside: np.ndarray = (place >= 0) & (positions < ends[np.maximum(place, 0)])
    return inside


def spoilt_archaic(
    random: np.random.Generator, alleles: np.ndarray, positions: np.ndarray, length: int, kind: str
) -> np.ndarray:
    """Return an archaic's alleles as sequencing of some kind gives them; -1 is missing."""
    alleles = alleles.copy()
    n = len(alleles)
    if kind == "high":
        alleles[random.random(n) < random.uniform(0, 0.01)] = -1
    elif kind == "5x":
        lost = random.random(n) < 0.25  # one allele of a heterozygote is not seen
        seen = random.integers(0, alleles.shape[1], n)
        alleles[lost] = alleles[np.arange(n), seen][lost][:, None]
        alleles[random.random(n) < random.uniform(0.005, 0.05)] = -1
    elif kind == "1x":  # one allele at random, with damage at transitions
        one = alleles[np.arange(n), random.integers(0, alleles.shape[1], n)].copy()
        transition = random.random(n) < 0.67
        rate = random.uniform(0.005, 0.08)
        wrong = transition & (random.random(n) < rate)
        one[wrong] = one[wrong] == 0
        wrong = random.random(n) < 0.002
        one[wrong] = one[wrong] == 0
        one[random.random(n) < random.uniform(0.25, 0.6)] = -1
        alleles = one[:, None].copy()
    elif kind == "stretches":
        share, mean = random.uniform(0.05, 0.5), log_uniform(random, 2e3, 60e3)
        alleles[within(positions, stretches(random, length, share, mean))] = -1
    elif kind == "crumbs":
        share, mean = random.uniform(0.05, 0.6), log_uniform(random, 30, 600)
        alleles[within(positions, stretches(random, length, share, mean))] = -1
    return np.ascontiguousarray(alleles)


def switch(
    random: np.random.Generator, target: np.ndarray, truth: dict[str, np.ndarray], positions: np.ndarray, bins: int
) -> None:
    """Switch the phase of each diploid every 100 kb to 2 Mb, and the truth along with it."""
    every = log_uniform(random, 1e5, 2e6)
    for i in range(target.shape[1] // 2):
        breaks = np.cumsum(random.exponential(every, size=int(positions[-1] / every * 3) + 10))
        flip = np.searchsorted(breaks, positions) % 2 == 1
        pair = target[:, 2 * i : 2 * i + 2]
        pair[flip] = pair[flip][:, ::-1]
        flip = np.searchsorted(breaks, (np.arange(bins) + 0.5) * BIN) % 2 == 1
        for shares in truth.values():
            rows = shares[2 * i : 2 * i + 2]
            rows[:, flip] = rows[::-1][:, flip]


def make(seed: int) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of one replicate, and what it is."""
    random = np.random.default_rng([seed, 0x7262])
    target_population = {0: "CEU", 1: "Papuan"}.get(seed % 4) if seed in VALIDATION else None
    wide = seed >= WIDE
    length = 2_000_000 if wide else 4_000_000
    world, plain = draw_world(random, target_population, wide=wide)
    if plain and target_population is None and random.random() < 0.35:
        plain = False
    told: dict = {"seed": seed, "family": f"{world.family}/{world.target}", "plain": plain}
    if plain:
        n_target, n_outgroup = 10, 50 if world.target == "Papuan" else 100
    else:
        usual = random.random() < 0.9
        n_target = int(random.choice([5, 10, 10, 10, 20, 50])) if usual else int(random.integers(1, 6))
        n_outgroup = int(np.clip(log_uniform(random, 4, 260), 5, 200))
    region = simulate(
        world,
        length=length,
        n_target=n_target,
        n_outgroup=n_outgroup,
        seed=seed,
        varied_map=not plain and random.random() < 0.5,
        bin_size=BIN,
    )
    bins = -(-length // BIN)
    target, outgroup, positions = region.target, region.outgroup, region.positions
    archaics, truth = dict(region.archaics), region.truth
    masks: Spans = []
    if not plain:
        if random.random() < 0.12:  # a chip's or a panel's density
            share = min(1, log_uniform(random, 0.5, 4) * length / 1000 / len(positions))
            weight = np.ones(len(positions))
            if random.random() < 0.5:
                frequency = ((outgroup > 0).mean(axis=1) + (target > 0).mean(axis=1)) / 2
                weight = 0.15 + np.minimum(frequency, 1 - frequency) * 4
                weight /= weight.mean()
            kept = random.random(len(positions)) < share * weight
            positions = positions[kept]
            target, outgroup = np.ascontiguousarray(target[kept]), np.ascontiguousarray(outgroup[kept])
            archaics = {source: np.ascontiguousarray(alleles[kept]) for source, alleles in archaics.items()}
        for source in archaics:
            kinds = ["perfect", "high", "5x", "1x", "stretches", "crumbs"]
            kind = str(random.choice(kinds, p=[0.25, 0.25, 0.1, 0.18, 0.12, 0.1]))
            if kind != "perfect":
                archaics[source] = spoilt_archaic(random, archaics[source], positions, length, kind)
        if random.random() < 0.3 and len(positions):
            switch(random, target, truth, positions, bins)
        if random.random() < 0.3:  # genotyping errors
            rate = log_uniform(random, 5e-5, 2e-3)
            for alleles in (target, outgroup):
                wrong = random.random(alleles.shape) < rate
                alleles[wrong] = alleles[wrong] == 0
        if random.random() < 0.3:
            target[random.random(target.shape) < random.uniform(0, 0.06)] = -1
        if random.random() < 0.25:
            outgroup[random.random(outgroup.shape) < random.uniform(0, 0.06)] = -1
        if random.random() < 0.12:
            share, mean = random.uniform(0.02, 0.3), log_uniform(random, 50, 5e4)
            outgroup[within(positions, stretches(random, length, share, mean))] = -1
        if random.random() < 0.25:
            if random.random() < 0.5:
                share, mean = random.uniform(0.05, 0.6), log_uniform(random, 5e3, 2e5)
            else:
                share, mean = random.uniform(0.2, 0.93), log_uniform(random, 60, 2000)
            masks = stretches(random, length, share, mean)
    n = target.shape[1]
    group = n if plain else int(random.choice([1, 2, 4, 6, 10, 20, 40, n, n]))
    wanted = np.sort(random.permutation(n)[:ROWS])
    given = [source for source in ("nea", "den") if source in archaics]
    columns = np.cumsum([0, *(archaics[source].shape[1] for source in given)])
    archaic = np.concatenate([archaics[source] for source in given], axis=1)
    settings = TrackSettings(bin=BIN)
    tracks, rows = [], []
    for start in range(0, n, group):
        inside = [row for row in wanted if start <= row < start + group]
        if not inside:
            continue
        block = VariantBlock("1", positions, np.ascontiguousarray(target[:, start : start + group]), outgroup, archaic)
        made = tracks_from_variants(
            block,
            first_bin=0,
            last_bin=bins,
            length=length,
            settings=settings,
            uncallable=masks,
            sources=[range(a, b) for a, b in itertools.pairwise(columns)],
        )
        tracks.append(made[[row - start for row in inside]])
        rows += inside
    shares = np.zeros((len(rows), bins, 3), np.uint8)
    for i, source in enumerate(("nea", "den", "gho")):
        if source in truth:
            shares[:, :, i] = np.round(np.clip(truth[source][rows], 0, 1) * 255)
    told["share"] = {source: float(covered.mean()) for source, covered in truth.items()}
    has = np.array([source in archaics for source in ("nea", "den")])
    return {"x": np.concatenate(tracks).astype(np.float16), "y": shares, "has": has}, told


def write(folder: Path, seed: int) -> str:
    path = folder / f"{seed}.npz"
    if path.exists():
        return f"{seed}: there already"
    arrays, told = make(seed)
    with atomic_path(path, force=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, told=np.array(json.dumps(told)), **arrays)
    return json.dumps(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first-seed", type=int, default=1_000_000)
    parser.add_argument("--replicates", type=int, default=1540)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.replicates)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for said in pool.map(write, [arguments.folder] * len(seeds), seeds):
            print(said, flush=True)


if __name__ == "__main__":
    main()
