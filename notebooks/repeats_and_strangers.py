# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Repeats and strangers
#
# How many bits does each base cost somebody who has read all that comes before it? About two, where
# there is nothing to know. Fewer, where the sequence repeats something, on either strand, and how many
# fewer says what the repeat is worth. `genolstm text score --mix` asks a network, counts and
# copy models at once, and its weights tell which of them knew. Here counts and copies work alone,
# so that nothing has to be trained.
#
# **Needs** `pip install "genolstm[plot]"` and Jupyter. **Takes** ten seconds, and up to a minute more the first time,
# when loops are compiled. It downloads nothing, and leaves nothing behind.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genolstm.report.style import tidy
from genolstm.sequences.alphabet import reverse_complement
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.settings import FORECASTS
from genolstm.text.simulate import simulate_genome

# %config InlineBackend.figure_format = "retina"

# %% [markdown]
# ## Three inserts
#
# 100,000 bases of a simulated genome are read first. Into the 9,000 that follow, three stretches of 1,000 are put:
# some of another genome, the other strand of a place that was read long before, and 20 copies of a
# unit of 50 bases. In the last two, 3 % of the bases are then changed.

# %%
random = np.random.default_rng(1)
genome, _ = simulate_genome(109_000, seed=7)
before, rest = genome[:100_000], genome[100_000:]


def changed(codes, rate=0.03):
    hit = random.random(len(codes)) < rate
    return np.where(hit, (codes + random.integers(1, 4, len(codes))) % 4, codes).astype(np.uint8)


inserts = {
    "foreign": simulate_genome(1000, seed=1007)[0],
    "inverted repeat": changed(reverse_complement(before[50_000:51_000])),
    "tandem repeat": changed(np.tile(random.integers(0, 4, 50), 20)),
}
pieces, places = [], {}
for number, (name, insert) in enumerate(inserts.items()):
    native = rest[3000 * number : 3000 * (number + 1)]
    start = 4000 * number + 1500
    places[name] = slice(start, start + 1000)
    pieces += [native[:1500], insert, native[1500:]]
sequence = np.concatenate(pieces)

# %% [markdown]
# ## What they cost
#
# `explained` asks for more than the bits: what each base would have cost without copies and long
# contexts, and whose the forecast was.

# %%
mixture = Mixture("ACGT", "dna")
mixture.read(before)
found = mixture.read(sequence, explained=True)

native = np.ones(len(sequence), bool)
for place in places.values():
    native[place] = False
rows = [
    (name, found.bits[place].mean(), found.plain[place].mean(), *found.shares[place].mean(axis=0)[1:])
    for name, place in {"native": native, **places}.items()
]
pd.DataFrame(rows, columns=["part", "bits", "without repeats", *FORECASTS[1:]]).round(2)

# %% [markdown]
# The foreign stretch costs two bits, and repeats save nothing. Both repeats are cheap, and the saved
# part says so; the share of the copy models tells one strand from the other. In the tandem repeat, what a
# base costs without repeats falls along it: 20 copies are enough for short contexts to learn the unit.

# %%
size = 100
middle = (np.arange(len(sequence) // size) + 0.5) * size / 1000


def binned(values):
    return values.reshape(-1, size).mean(axis=1)


def drawn(label):
    _, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for name, place in places.items():
        ax.axvspan(place.start / 1000, place.stop / 1000, color="0.93", linewidth=0, zorder=0)
        ax.text((place.start + place.stop) / 2000, 1.02, name, transform=ax.get_xaxis_transform(), ha="center")
    ax.set_xlabel("position (kb)")
    ax.set_ylabel(label)
    tidy(ax)
    return ax


ax = drawn("bits per base")
ax.plot(middle, binned(found.plain), color="0.6", linewidth=1.2, label="without repeats")
ax.plot(middle, binned(found.bits), color="#0072B2", linewidth=1.4, label="with them")
ax.fill_between(middle, binned(found.bits), binned(found.plain), color="#0072B2", alpha=0.15, linewidth=0)
ax.set_ylim(0, 2.9)
_ = ax.legend(loc="upper left", frameon=False, ncols=2)

# %%
ax = drawn("share of the forecast")
for column, colour in ((2, "#E69F00"), (3, "#009E73")):
    ax.plot(middle, binned(found.shares[:, column]), color=colour, label=FORECASTS[column].replace("_", " "))
_ = ax.legend(loc="upper left", frameon=False, ncols=2)
