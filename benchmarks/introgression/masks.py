"""What a mask does to the posteriors outside it, on the example region.

Random masks of one to three stretches (1 to 100 kb each) are laid over the region. Printed are, over all masks:
segments without a supporting site, segments across a masked stretch longer than --bridge allows, and
how far the posteriors of bins more than 20 kb away from any mask move. They move where a tract reaches
from under a mask to there: its evidence is hidden.

    python benchmarks/introgression/masks.py [--masks 60] [--seed 9]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.segments import Segment

EXAMPLE = Path(__file__).parents[2] / "example_data"
LENGTH, NEAR = 600_000, 20_000


def scan(
    model: IntrogressionClassifier, masks: list[tuple[int, int]], baseline: str | None
) -> tuple[np.ndarray, list[Segment]]:
    """Return the posteriors, shape (haplotypes, bins), and the segments."""
    roles = {role: EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    door = VcfDoor(EXAMPLE / "region.vcf.gz", **roles, exclude_mask={"chr21": masks} if masks else None)
    result = model.open(door, baseline=baseline)
    posteriors, segments = [], []
    for block in result.blocks:
        posteriors.append(block.posterior)
        segments += result.decoder.add(block)
    return np.concatenate(posteriors, axis=1), segments


def random_masks(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return up to three disjoint stretches."""
    masks: list[tuple[int, int]] = []
    for start in np.sort(rng.integers(0, LENGTH, rng.integers(1, 4))).tolist():
        end = min(start + int(10 ** rng.uniform(3, 5)), LENGTH)
        if not masks or start > masks[-1][1]:
            masks.append((start, end))
    return masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--masks", type=int, default=60)
    parser.add_argument("--seed", type=int, default=9)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    drawn = [random_masks(rng) for _ in range(options.masks)]
    model = IntrogressionClassifier.load()
    print(f"seed {options.seed}, {options.masks} masks")
    for baseline in (None, "hmm"):
        whole, _ = scan(model, [], baseline)
        bins = np.arange(whole.shape[1]) * model.settings.bin
        unsupported = across = 0
        moved: list[np.ndarray] = []
        worst: list[float] = []
        for masks in drawn:
            posterior, segments = scan(model, masks, baseline)
            unsupported += sum(s.n_match < 1 for s in segments)
            across += sum(s.start < a and s.end > b for s in segments for a, b in masks if b - a > NEAR)
            near = np.zeros(len(bins), dtype=bool)
            for start, end in masks:
                near |= (bins + model.settings.bin > start - NEAR) & (bins < end + NEAR)
            change = np.abs(posterior - whole)[:, ~near].ravel()
            moved.append(change)
            worst.append(float(change.max(initial=0)))
        every = np.concatenate(moved)
        print(
            f"{baseline or 'network'}: {unsupported} segments without a site, {across} across a long mask; beyond 20 kb "
            f"{100 * (every > 0.02).mean():.2f} % of the bins move by more than .02 (mean move {every.mean():.5f}, "
            f"in {100 * np.mean(np.array(worst) > 0.02):.0f} % of the masks some bin does)"
        )


if __name__ == "__main__":
    main()
