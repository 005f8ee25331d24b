"""Memory, time and size of `panel build` as sequences grow, with and without a ceiling on memory.

    python benchmarks/panel_scale.py                                  # 25, 50 and 100 Mb x 10 haplotypes
    python benchmarks/panel_scale.py --lengths 5 10 --memory 512M 4G
    python benchmarks/panel_scale.py --json scale.json

Two fifths of every sequence are copies of repeat families that diverged by 2 to 20 %, and any two
haplotypes differ at one base in a thousand. Every build is a child process; its peak memory is what
the kernel reports for it. Panels of the same sequence must be the same bytes whatever the ceiling.
`jellyfish count` runs on the same files where it is installed (Debian's package of that name).
Compiled code comes from numba's cache: a first build, which is not counted, fills it.

Printed at the end: straight lines through the measured points, extended to 10 genomes of 3 Gb.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
REPEATS = 0.4
DIVERGENCE = 0.001
GENOME = 3e9


def ancestor(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return random codes, of which a share of ``REPEATS`` are copies of diverged repeat families.

    Every family has its own length (300 to 6,000 bases) and divergence (2 to 20 %), as old and
    young transposons have; copies lie on either strand. Families do not become more numerous in
    longer sequences: their copies do.
    """
    codes = rng.integers(0, 4, length, dtype=np.uint8)
    families = [
        (rng.integers(0, 4, int(size), dtype=np.uint8), float(rng.uniform(0.02, 0.2)))
        for size in np.exp(rng.uniform(np.log(300), np.log(6000), 60))
    ]
    # Copies overlap those before: going on until the copies' total length is -log(1 - share) covers the share.
    left = -np.log(1 - REPEATS) * length
    while left > 0:
        unit, divergence = families[int(rng.integers(len(families)))]
        copy = unit.copy()
        changed = np.flatnonzero(rng.random(copy.size) < divergence)
        copy[changed] = (copy[changed] + rng.integers(1, 4, changed.size, dtype=np.uint8)) & 3
        if rng.random() < 0.5:
            copy = 3 - copy[::-1]
        place = int(rng.integers(0, length - copy.size))
        codes[place : place + copy.size] = copy
        left -= copy.size
    return codes


def write_group(path: Path, number: int, length: int, seed: int, width: int = 80) -> None:
    """Write haplotypes that each differ from their ancestor at half of ``DIVERGENCE`` of the bases."""
    rng = np.random.default_rng(seed)
    codes = ancestor(length, rng)
    with path.open("wb") as stream:
        for haplotype in range(number):
            child = codes.copy()
            sites = rng.integers(0, length, int(length * DIVERGENCE / 2))
            child[sites] = (child[sites] + rng.integers(1, 4, sites.size, dtype=np.uint8)) & 3
            stream.write(b">sample%d_hap1\n" % haplotype)
            letters = LETTERS[child]
            whole = length // width * width
            lines = np.full((whole // width, width + 1), ord("\n"), dtype=np.uint8)
            lines[:, :width] = letters[:whole].reshape(-1, width)
            stream.write(lines.tobytes() + letters[whole:].tobytes() + b"\n")
