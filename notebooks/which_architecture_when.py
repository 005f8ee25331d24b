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
# # Which architecture when
#
# `genolstm compare` trains an MLP, a CNN, an RNN, a GRU and an LSTM with about the same number of
# parameters on the same labelled sequences, with the same split, the same batches and the same
# number of epochs. This notebook runs it once, on a small scale, and then looks at the two tasks of
# the benchmark: one that the CNN wins, and one that only the gated networks solve.
#
# **Needs** `pip install "genolstm[train,plot]"` and Jupyter. **Takes** 20 seconds. It downloads nothing, and leaves
# nothing behind.

# %% tags=["parameters"]
EPOCHS = 15  # of training

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from genolstm.comparison.architectures import match_architecture
from genolstm.comparison.data import read_labelled, split_three_ways, write_labelled
from genolstm.comparison.run import compare, trials_from_data
from genolstm.comparison.scores import summarise
from genolstm.comparison.settings import ComparisonSettings
from genolstm.comparison.tasks import simulate_motif
from genolstm.report.architectures import plot_by_distance, plot_scores
from genolstm.runs.example import run as write_example

# %config InlineBackend.figure_format = "retina"

# As `genolstm example` writes it; the tables of the benchmark are part of it.
folder = tempfile.TemporaryDirectory()
data_folder = Path(folder.name) / "example"
_ = write_example(data_folder)
results = data_folder / "comparison"


def short(runs: pd.DataFrame, *scores: str) -> pd.DataFrame:
    """Return means and ranges of some scores, rounded."""
    table = summarise(runs)
    for name in scores:
        low, high = table[f"{name}_min"], table[f"{name}_max"]
        table[f"range of {name}"] = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)]
    names = [column for name in scores for column in (name, f"range of {name}")]
    return table[["architecture", "parameters", *names]].round(3)


# %% [markdown]
# ## Labelled sequences
#
# What goes in is FASTA with `label=` in the headers, or with a separate table. `group=` says what
# belongs together: chromosomes, families, donors. Whole groups are held out, never windows of a
# sequence that was also trained on. Here the file is simulated: half of the sequences hold a
# degenerate motif of 12 bases, the other half the same motif with its columns shuffled.

# %%
fasta = Path(folder.name) / "motif.fa"
write_labelled(simulate_motif(900, seed=5, length=100), fasta)
print(fasta.read_text()[:140], "...")
data = read_labelled(fasta)
[len(part) for part in split_three_ways(data, seed=1)]

# %% [markdown]
# ## Five networks of one size
#
# Widths are chosen so that the numbers of parameters agree within a few per cent. The three
# recurrent networks are one setting of the toolkit's core and differ only in the cell.

# %%
networks = [
    match_architecture(name, 3000, steps=100, n_outputs=1, activation="sigmoid")
    for name in ("mlp", "cnn", "rnn", "gru", "lstm")
]
pd.DataFrame(
    {
        "architecture": [network.name for network in networks],
        "hidden layers": [" + ".join(map(str, network.widths)) for network in networks],
        "parameters": [network.n_parameters for network in networks],
        "learning rate": [network.learning_rate for network in networks],
    }
)

# %% [markdown]
# ## A small run
#
# Here are two of them, with one seed, in a few seconds. On the command line this is
# `genolstm compare motif.fa --architectures mlp,cnn --parameters 3000 --seeds 1`.

# %%
settings = ComparisonSettings(architectures=("mlp", "cnn"), parameters=3000, epochs=EPOCHS, batch_size=30, seeds=1)
found = compare(trials_from_data(data, settings), settings)
found.summary()[["architecture", "parameters", "ap", "accuracy", "loss"]].round(3)

# %% [markdown]
# ## A motif anywhere: the CNN
#
# The benchmark trains all five on 1,200 sequences of 200 bases, with three seeds
# (`genolstm compare --task motif`). A filter of the CNN is a motif detector that looks everywhere
# at once, so each sequence teaches it. The MLP would have to learn the motif anew at each of 189
# places; the recurrent networks would have to find it, and keep what they found to the end, with
# nothing to go by until they do both.

# %%
motif = pd.read_csv(results / "motif.tsv", sep="\t")
short(motif, "ap", "accuracy")

# %%
_ = plot_scores(motif)

# %% [markdown]
# A recurrent network *could* express a motif detector with a memory. What it lacks is a way to get
# there: an answer at the end, up to 200 steps after the motif, says next to nothing about what to
# look for. Ten times the sequences, with the same number of epochs, do not help yet:

# %%
short(pd.read_csv(results / "motif-large.tsv", sep="\t"), "ap").drop(columns="range of ap")

# %% [markdown]
# ## Two sites and their order: the gated networks
#
# Now the sequence holds two copies of a site, 20 to 500 bases apart, each on one strand, and the
# question is which of four arrangements they are in. One half alone gives 50 %.

# %%
far = pd.read_csv(results / "long-range.tsv", sep="\t")
short(far[far["test"] == "distance=200"], "accuracy", "first_half_accuracy")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
plot_by_distance(far, ax=axes[0], levels={"chance": 0.25, "one half only": 0.5})
plot_by_distance(far, score="first_half_accuracy", ax=axes[1], levels={"chance": 0.5})
plt.show()

# %% [markdown]
# - **LSTM and GRU** remember the first site until the second one comes, over all distances.
# - The **RNN** depends on luck: one seed of three learns nothing, another most of the near pairs;
#   at 500 bases none knows more than the second half.
# - The **CNN** sees which words occur, at any distance, but its filters cover 23 bases and not the
#   order of words further apart. It can still tell much of the first half: the second site always
#   lies near the sequence's end, and a filter that asks for a site *and* bases after it does not see
#   that one. It is a hint that this task gives away, not a memory.
# - The **MLP** has one weight for each base of each position, and never sees the same site at the
#   same place often enough.
#
# ## In short
#
# | what the label depends on | try first |
# | --- | --- |
# | a fixed place in aligned sequences | MLP |
# | a motif, wherever it is | CNN |
# | order or state over tens of bases | GRU or LSTM; an RNN may do |
# | order or state over hundreds of bases | LSTM or GRU |
# | a label for every position, by both sides | bidirectional LSTM, as in `introgression` |
#
# A GAN is missing on purpose: it makes sequences and does not label them. `docs/architectures.md`
# says what it would be for.
