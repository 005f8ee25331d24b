"""A foreign segment, an inverted and a tandem repeat along a sequence: the figure of docs/text.md.

    python benchmarks/text/repeats.py docs/images/text_repeats.png

Counts and copies read 300,000 bases of a simulated genome, and then 12,000 more into which the three were put:
1,000 bases of another simulated genome, the other strand of 1,000 bases read long before, with 3 % of them
changed, and 20 copies of a unit of 50 bases, with 3 % changed. It prints the means of each.
"""

from __future__ import annotations

import argparse

import matplotlib.pyplot as plt
import numpy as np

from genolstm.report.style import tidy
from genolstm.sequences.alphabet import reverse_complement
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.settings import FORECASTS
from genolstm.text.simulate import simulate_genome

BEFORE, LENGTH, SIZE, BIN = 300_000, 9_000, 1_000, 100


def mutated(codes: np.ndarray, random: np.random.Generator, rate: float = 0.03) -> np.ndarray:
    copy = codes.copy()
    hit = random.random(len(copy)) < rate
    copy[hit] = (copy[hit] + random.integers(1, 4, int(hit.sum()))) % 4
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    genome = simulate_genome(BEFORE + LENGTH, 7)[0]
    before, rest = genome[:BEFORE], genome[BEFORE:]
    unit = random.integers(0, 4, 50).astype(np.uint8)
    inserts = {
        "foreign": simulate_genome(SIZE, 1007)[0],
        "inverted repeat": mutated(reverse_complement(before[50_000 : 50_000 + SIZE]), random),
        "tandem repeat": mutated(np.tile(unit, SIZE // len(unit)), random),
    }
    pieces, places, at = [], {}, 0
    for number, (name, insert) in enumerate(inserts.items()):
        native = rest[3 * SIZE * number : 3 * SIZE * (number + 1)]
        pieces += [native[:1500], insert, native[1500:]]
        places[name] = slice(at + 1500, at + 1500 + SIZE)
        at += len(native) + SIZE
    mixture = Mixture("ACGT", "dna")
    mixture.read(before)
    found = mixture.read(np.concatenate(pieces), explained=True)
    native = np.ones(at, bool)
    for place in places.values():
        native[place] = False
    print("\t".join(["part", "bits", "without_repeats", *FORECASTS]))
    for name, place in {"native": native, **places}.items():
        values = found.bits[place].mean(), found.plain[place].mean(), *found.shares[place].mean(axis=0)
        print("\t".join([name, *(f"{value:.3f}" for value in values)]))

    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained")
    middle = (np.arange(at // BIN) + 0.5) * BIN / 1000
    binned = lambda values: values[: at // BIN * BIN].reshape(-1, BIN).mean(axis=1)  # noqa: E731
    upper.plot(middle, binned(found.plain), color="0.6", lw=1.2, label="without repeats")
    upper.plot(middle, binned(found.bits), color="C0", lw=1.5, label="bits per base")
    upper.fill_between(middle, binned(found.bits), binned(found.plain), color="C0", alpha=0.15, lw=0)
    upper.set_ylabel("bits per base")
    for column, colour, label in ((2, "C1", "repeat"), (3, "C2", "inverted repeat")):
        lower.plot(middle, binned(found.shares[:, column]), color=colour, lw=1.5, label=label)
    lower.set_ylabel("share of the forecast")
    lower.set_xlabel("position (kb)")
    for axis in (upper, lower):
        for place in places.values():
            axis.axvspan(place.start / 1000, place.stop / 1000, color="0.92", lw=0, zorder=0)
        axis.legend(loc="upper left", frameon=False, ncols=2)
        tidy(axis)
    upper.set_ylim(0, 2.9)
    for name, place in places.items():
        upper.text((place.start + place.stop) / 2000, 2.3, name, ha="center", fontsize=8)
    figure.savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
