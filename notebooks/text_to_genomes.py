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
# # Text to genomes
#
# A network that has learned to guess the next letter, or the next word, can write text, and can say
# how surprising a given text is. Give it A, C, G and T instead, and the same two
# abilities become a sampler of sequences with the source's k-mers, and a detector of stretches that
# do not belong. All models here are tiny and are trained within seconds; the benchmarks in the
# repository train them properly.
#
# **Needs** `pip install "genolstm[train,plot]"` and Jupyter. **Takes** half a minute. It downloads nothing, and
# leaves nothing behind.

# %% tags=["parameters"]
RHYME_EPOCHS, GENOME_EPOCHS = 45, 12  # of training; with fewer, neither model learns much
WARMUP_STEPS = 20, 50  # over which the learning rate rises

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genolstm.report.gates import plot_gates
from genolstm.report.style import tidy
from genolstm.runs.example import run as write_example
from genolstm.sequences.alphabet import encode
from genolstm.text.baselines import markov_bits
from genolstm.text.corpus import dna_corpus
from genolstm.text.gates import sequence_gates
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import TextSettings
from genolstm.text.simulate import simulate_genome
from genolstm.text.spectrum import compare_spectra, spectrum

# %config InlineBackend.figure_format = "retina"

# As `genolstm example` writes it.
folder = tempfile.TemporaryDirectory()
data = Path(folder.name) / "example"
_ = write_example(data)

# %% [markdown]
# ## A rhyme
#
# The rhyme is 1,460 characters long, a fraction of the network's weights: the network learns it by
# heart, and to spell, but no sense (`genolstm text train` says so beforehand).

# %%
rhyme = data / "rhyme.txt"
settings = TextSettings(
    units=96,
    embedding=24,
    steps=32,
    batch_size=4,
    epochs=RHYME_EPOCHS,
    dropout=0.0,
    validation=0.0,
    warmup_steps=WARMUP_STEPS[0],
    learning_rate=8e-3,
)
poet = TextGenerator.fit(rhyme, settings, progress=False)
print(rhyme.read_text().splitlines()[0])
print(f"{poet.score(rhyme).bits_per_symbol:.2f} bits per character, on the rhyme itself")

# %% [markdown]
# Each character is drawn from what the network expects. The temperature sets how closely it follows
# that: near 0 the most likely one is always drawn, at 1 as expected, above 1 more freely. The state
# is carried along, so that each character takes the same time, and the same seed gives the same
# text.

# %%
for temperature in (0.2, 0.8, 1.3):
    written = poet.sample("And a ", 150, seed=3, temperature=temperature)
    print(f"--- temperature {temperature}\nAnd a {written}\n")

# %% [markdown]
# The symbols may be words, too (`--tokens words`). Given the beginning of a sentence, such a model
# writes its ending. A quarter of the rhyme's words are there only once; where the network expects one of these,
# a word is spelled, letter by letter. Bits per character count that, so that they can be compared.

# %%
talker = TextGenerator.fit(rhyme, replace(settings, tokens="words", steps=16), progress=False)
for beginning in ("And a goat with a ladle", "There's a lamp on the hill", "So the hedgehog came"):
    print(beginning + talker.sample(beginning, 60, seed=1, temperature=0.5, sentence=True))
total = talker.score(rhyme).total
print(f"{total.bits_per_symbol:.2f} bits per word, {total.bits_per_character:.2f} per character, on the rhyme itself")

# %% [markdown]
# What do the cells of such a network hold? `plot_gates` shows it letter by letter, as does
# `genolstm model gates rhyme.genolstm "..." --figure gates.svg`.

# %%
line = "And a goat with a ladle who lives by the gate"
_ = plot_gates(
    sequence_gates(poet.bundle, line, name="rhyme", top=10),
    parts=("forget", "input", "cell"),
    title="A line of the rhyme",
)

# %% [markdown]
# ## A genome
#
# The genome is simulated: genes with codons of uneven usage, repeats that have mutated, tandem
# repeats, and a base composition that drifts; half of it consists of copies of two repeat families,
# each of which differs by 5 to 25 % from its family's consensus. Three quarters are for training,
# on both strands, the rest for the test.

# %%
codes, _ = simulate_genome(80_000, seed=11, genes=0.3, repeats=0.5, families=2)
border = 60_000
train, test = dna_corpus([("train", codes[:border])]), dna_corpus([("test", codes[border:])])
settings = TextSettings(
    units=96,
    embedding=8,
    steps=64,
    batch_size=16,
    epochs=GENOME_EPOCHS,
    dropout=0.0,
    warmup_steps=WARMUP_STEPS[1],
    learning_rate=6e-3,
)
model = TextGenerator.fit(train, settings, progress=False)
bits = {"LSTM of 96 units": model.score(test).bits_per_symbol}
markov = markov_bits(train.stream(), test.stream(), 4)["witten-bell"]
bits |= {f"Markov, order {order}": markov[order] for order in (0, 2, 4, 5, 8, 12)}
pd.DataFrame({"bits per base": bits}).round(4)

# %% [markdown]
# Random letters cost two bits per base. The Markov models count words of k + 1 bases; with
# longer words they run out of data and fall back on shorter ones. A network this small, trained for
# seconds, comes close to the best of them and no further. `benchmarks/text` trains models properly
# and compares them with all orders up to 12 and with `xz`.
#
# ## Sampled sequence has the source's k-mers

# %%
sample = encode(model.sample(n=20_000, seed=1))
shuffled = np.random.default_rng(1).permutation(codes[:border])[:20_000]
rows = []
for k in (2, 4, 6):
    for name, other in (("sample", sample), ("shuffled", shuffled), ("test", codes[border:])):
        found = compare_spectra([other], [codes[:border]], k)
        rows.append((k, name, found.divergence, found.correlation))
pd.DataFrame(rows, columns=["k", "compared", "divergence (bits)", "correlation"]).round(3)

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3.9), sharey=True, layout="constrained")
source = spectrum([codes[:border]], 4) * 1000
for ax, (name, other) in zip(axes, (("sampled", sample), ("shuffled", shuffled)), strict=True):
    ax.plot([1, 8], [1, 8], color="0.8", linewidth=1, zorder=0)
    ax.scatter(source, spectrum([other], 4) * 1000, s=9, color="#0072B2", alpha=0.7, linewidth=0)
    ax.set_xlim(1, 8)
    ax.set_ylim(1, 8)
    ax.set_aspect("equal")
    ax.set_title(name, loc="left")
    ax.set_xlabel("4-mers per 1,000 in the source")
    tidy(ax)
_ = axes[0].set_ylabel("per 1,000 in the other")

# %% [markdown]
# ## What does not belong
#
# A stretch of 3 kb of another simulated genome, with codons and repeats of its own, is put into the
# test sequence. The surprise, averaged over windows of 1,000 bases, is highest in the foreign
# stretch. `genolstm text score --bedgraph` writes such a track for a genome browser.

# %%
other, _ = simulate_genome(40_000, seed=99, genes=0.3, repeats=0.5, families=2)
foreign = other[20_000:23_000]
at = 9_000
mixed = np.concatenate([codes[border : border + at], foreign, codes[border + at :]])
surprise = model.score(dna_corpus([("mixed", mixed)])).records[0].bits
window = 1000
smooth = np.convolve(surprise, np.ones(window) / window, mode="same")
figure, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
ax.axvspan(at / 1000, (at + 3000) / 1000, color="#E69F00", alpha=0.35, linewidth=0)
ax.text(at / 1000 + 1.5, 1.02, "foreign", transform=ax.get_xaxis_transform(), ha="center")
inner = slice(window // 2, -window // 2)
ax.plot(np.arange(len(smooth))[inner] / 1000, smooth[inner], color="#0072B2", linewidth=1.2)
ax.set_xlim(0, len(mixed) / 1000)
ax.set_xlabel("position (kb)")
ax.set_ylabel("surprise (bits per base)")
tidy(ax)
plt.show()

# %%
inside = surprise[at : at + 3000].mean()
outside = np.concatenate([surprise[:at], surprise[at + 3000 :]]).mean()
print(f"{inside:.3f} bits per base inside the foreign stretch, {outside:.3f} outside")
