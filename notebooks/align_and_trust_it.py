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
# # Align and trust it
#
# An aligner always returns an alignment, also of what has nothing in common, and also where two ways to place a gap are
# equally good. This notebook asks how far each part of an answer can be trusted: the columns (posteriors), the score
# (E-values), and the place (mapping quality). Pairs are simulated, so that the true alignments are known.
#
# **Needs** `pip install "genolstm[plot]"` and Jupyter. **Takes** 20 seconds, and up to half a minute more the first
# time, when loops are compiled. It downloads nothing, and leaves nothing behind.

# %% tags=["parameters"]
PAIRS = 60  # simulated, for each identity
UNRELATED = 300  # pairs that have nothing in common

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genolstm import AlignmentScorer
from genolstm.alignment.evaluate import compare_pairs, reliability, right_pairs
from genolstm.alignment.simulate.pairs import PRESETS, left_align, simulate_pairs
from genolstm.report.alignment import plot_reliability
from genolstm.report.style import tidy
from genolstm.sequences.alphabet import decode

# %config InlineBackend.figure_format = "retina"

aligner = AlignmentScorer.load("dna")

# %% [markdown]
# ## One pair
#
# Every column has a posterior: the probability that these two residues are homologous, given that the sequences are
# related. Columns are coloured by it.

# %%
alignment = aligner.align(
    "ACGTTGCATTTAGCACCATGACAGGTACCCATTTGACGATAGGACCATTAAACCGGTA",
    "ACGTTCCATTAGCACCTTGACAGGTCCCATTTTGACGAAGGACGATTAAACCGTA",
)
alignment

# %% [markdown]
# The gaps are the doubtful part. In `CATTTAG` against `CATTAG` one T is missing, and nothing tells which: the aligner
# has to choose one, and the posterior says that there were others. The score is in bits: how much likelier the two
# sequences are if they are related.

# %%
print(f"{alignment.bits:.1f} bits, E-value {alignment.evalue:.2g}, {alignment.cigar}")
print("doubtful columns:", [round(float(p), 2) for p in alignment.posteriors if p < 0.9])

# %% [markdown]
# ## Are the posteriors right?
#
# Pairs of 300 to 400 bases, at four divergences, whose true alignments the simulator knows. If all is well, of the
# columns with a posterior of .7, seven in ten are right. (Where a gap stands in a repeat cannot be known; both
# alignments have it as far left as the letters allow.)

# %%
settings = replace(PRESETS["homogeneous"], length=(300, 400))
rows, posteriors, right = [], [], []
for divergence in (0.1, 0.3, 0.6, 0.9):
    pairs = list(simulate_pairs(settings, PAIRS, seed=17, divergences=[divergence] * PAIRS))
    f1 = []
    for pair, found in zip(pairs, aligner.align_many([pair.texts for pair in pairs], strand="plus"), strict=True):
        sequences = pair.query, pair.reference
        f1.append(compare_pairs(found.pairs, pair.pairs, sequences=sequences).f1)
        posteriors.append(found.posterior.of_pairs(found.pairs))
        right.append(right_pairs(left_align(*sequences, found.pairs.astype(np.int32)), pair.pairs))
    identity = np.mean([pair.identity for pair in pairs])
    mean = np.concatenate(posteriors[-PAIRS:]).mean()
    share = np.concatenate(right[-PAIRS:]).mean()
    rows.append((divergence, identity, np.mean(f1), mean, share))
names = ["substitutions per site", "identity", "F1", "mean posterior", "columns that are right"]
pd.DataFrame(rows, columns=names).round(3)

# %%
_ = plot_reliability(reliability(np.concatenate(posteriors), np.concatenate(right), bins=10))

# %% [markdown]
# The more distant the pair, the fewer columns are right, and the aligner says so. What it is unsure of can be left
# out: keep the columns above a posterior, and the share that is right rises. All four divergences together:

# %%
p, ok = np.concatenate(posteriors), np.concatenate(right)
pd.DataFrame(
    [(cut, (p >= cut).mean(), ok[p >= cut].mean()) for cut in (0.0, 0.5, 0.8, 0.95, 0.99)],
    columns=["posterior of at least", "columns kept", "of these right"],
).round(3)

# %% [markdown]
# ## Is there anything to align?
#
# Sequences that have nothing in common are aligned as well. The E-value says how many unrelated sequences would score
# as high by chance: of unrelated pairs, one in ten should have an E-value of at most .1, and one in a hundred of .01.
# Here are such pairs, beside related ones.

# %%
random = np.random.default_rng(4)
unrelated = [tuple(decode(random.integers(0, 4, 300).astype(np.uint8)) for _ in range(2)) for _ in range(UNRELATED)]
chance = np.array([found.evalue for found in aligner.align_many(unrelated, strand="plus")])
related = [pair.texts for pair in simulate_pairs(settings, PAIRS, seed=18, divergences=[0.9] * PAIRS)]
found = np.array([one.evalue for one in aligner.align_many(related, strand="plus")])
shares = pd.DataFrame(
    [(cut, (chance <= cut).mean(), (found <= cut).mean()) for cut in (0.5, 0.1, 0.01, 1e-4)],
    columns=["E-value of at most", "share of unrelated pairs", "share of related pairs"],
)
shares.round(4)

# %%
figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
edges = np.linspace(-40, 3, 60)
for values, name, colour in ((chance, "unrelated", "0.6"), (found, "related, 0.9 substitutions per site", "#0072B2")):
    ax.hist(np.log10(np.maximum(values, 1e-40)), bins=edges, color=colour, label=name, density=True)
ax.set_xlabel("log10 of the E-value")
ax.set_yticks([])
ax.legend(frameon=False)
tidy(ax)
plt.show()

# %% [markdown]
# E-values hold for sequences of independent bases. Repeats and low complexity score higher than they say: mask them.
#
# ## Is it the right place?
#
# A read that fits two places equally well belongs to neither for sure. Its columns say so (half each), and so does
# the mapping quality, -10 log10 of the probability that the place is wrong.

# %%
unit = decode(random.integers(0, 4, 60).astype(np.uint8))
left, middle, end = (decode(random.integers(0, 4, 80).astype(np.uint8)) for _ in range(3))
rows = []
for name, reference in (("one copy", left + unit + middle), ("two copies", left + unit + middle + unit + end)):
    placed = aligner.align(unit, reference, mode="semiglobal", strand="plus")
    rows.append((name, placed.mapq, float(placed.posteriors.mean()), f"{placed.evalue:.1g}"))
pd.DataFrame(rows, columns=["in the reference", "mapping quality", "mean posterior", "E-value"]).round(3)

# %% [markdown]
# The second copy changes nothing about whether the read is related (the E-value), and everything about where it
# belongs.
#
# On the command line: `genolstm align score` writes the same numbers as tags of PAF and SAM, `genolstm align
# reliability` draws the figure above for your own pairs with a known truth, and `genolstm align search` looks in many
# references.
