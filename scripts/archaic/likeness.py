"""Tell what training data were like, and put that into a model.

    python scripts/archaic/likeness.py TRACKS --held-out VALIDATION -o genolstm/models/archaic.genolstm

``TRACKS`` is a folder that ``make_tracks.py`` wrote. The model keeps its weights; what is replaced is the entry
``likeness`` of its metadata, which a scan compares its data with. Prints how many regions are found unlike: of those
that made the ranges, of each fifth of them by the ranges of the others, and of the held-out ones, whole and in parts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genolstm.introgression.channels import N_COUNTS
from genolstm.introgression.likeness import Likeness, Measured, Profile
from genolstm.introgression.metadata import read_metadata
from genolstm.introgression.settings import TRACKS
from genolstm.lstm.bundle.bundle import Bundle, save_bundle


def in_pairs(x: np.ndarray) -> np.ndarray:
    """Return bins of 1 kb of those of 500 bp: counts add up, the rest is averaged."""
    pairs = x.reshape(len(x), -1, 2, x.shape[2]).astype(np.float32)
    return np.concatenate([pairs[..., :N_COUNTS].sum(2), pairs[..., N_COUNTS:].mean(2)], axis=2)


def regions(folder: Path, parts: int = 1) -> Iterator[tuple[int, list[Measured]]]:
    """Yield seed and statistics of each region, or of each part of it."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as content:
            tracks, has = in_pairs(content["x"]), content["has"]
        found = []
        for piece in np.array_split(tracks, parts, axis=1):
            profile = Profile(len(has), TRACKS.bin)
            profile.add(piece, [("", str(row)) for row in range(len(piece))])
            measured = profile.measured()
            if measured is not None:
                measured.sources[~has] = np.nan
                found.append(measured)
        yield int(path.stem), found


def measure(folder: Path, parts: int = 1) -> list[Measured]:
    return [one for _, found in regions(folder, parts) for one in found]


def alarms(likeness: Likeness, measured: list[Measured]) -> str:
    found = [likeness.compare(one) for one in measured]
    told = [one for one in found if one.odd is not None]
    odd = [one for one in told if one.odd]
    lines = [f"{len(odd)} of {len(told)} found unlike", *(line for one in odd for line in one.warnings())]
    return "\n  ".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="a model, whose metadata are written anew")
    parser.add_argument("--json", type=Path, help="the ranges alone, for to_bundle.py")
    arguments = parser.parse_args()
    found = list(regions(arguments.folder))
    seeds = [seed for seed, _ in found]
    measured = [one for _, several in found for one in several]
    likeness = Likeness.fit(measured)
    if likeness is None:
        parser.error(f"{len(measured)} regions are too few")
    print(f"{likeness.regions} regions; {alarms(likeness, measured)}")
    crossed = []
    for fold in range(5):
        others = Likeness.fit([one for i, one in enumerate(measured) if i % 5 != fold])
        if others is not None:
            told = [others.compare(one).odd for one in measured[fold::5]]
            crossed += [bool(odd) for odd in told if odd is not None]
    print(f"left out of the ranges, a fifth at a time: {sum(crossed)} of {len(crossed)} found unlike")
    if arguments.held_out is not None:
        for parts in (1, 2, 4):
            print(f"held out, in {parts} parts: {alarms(likeness, measure(arguments.held_out, parts))}")
    if arguments.json is not None:
        told = {"likeness": likeness.to_dict(), "seeds": [min(seeds), max(seeds)]}
        arguments.json.write_text(json.dumps(told), encoding="utf-8")
    if arguments.output is not None:
        replace(arguments.output, likeness, [min(seeds), max(seeds)])


def replace(path: Path, likeness: Likeness, seeds: list[int]) -> None:
    """Write a model anew, with other ranges."""
    bundle = Bundle.open(path)
    save_bundle(
        path,
        kind=bundle.kind,
        members=bundle.members,
        config=bundle.config,
        metadata={**bundle.metadata, "likeness": likeness.to_dict()},
        provenance={**bundle.provenance, "likeness": {"regions": likeness.regions, "seeds": seeds}},
        card=bundle.card,
        force=True,
    )
    read_metadata(Bundle.open(path))


if __name__ == "__main__":
    main()
