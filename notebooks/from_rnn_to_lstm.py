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
# # From RNN to LSTM
#
# A recurrent network reads a sequence base by base and keeps a state. For it to learn, the error at
# the end has to travel back, as a gradient, to the step with the thing to remember. This notebook
# measures how far gradients reach, shows a task that depends on it, and then opens the gates of
# two LSTMs: a small one that has learned the task, and the one that finds Neanderthal segments.
#
# **Needs** `pip install "genolstm[train,plot]"` and Jupyter. **Takes** 40 seconds, most of it the training of the
# small LSTM. It downloads nothing, and leaves nothing behind.

# %% tags=["parameters"]
EPOCHS = 12  # of training; with 2 the small LSTM does not learn the task

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genolstm import IntrogressionClassifier, LSTMConfig
from genolstm.comparison.gates import sequence_gates
from genolstm.comparison.run import compare, trials_from_task
from genolstm.comparison.saving import save_trained
from genolstm.comparison.scores import summarise
from genolstm.comparison.settings import ComparisonSettings
from genolstm.comparison.tasks import simulate_long_range
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.gates import find_haplotype, haplotype_gates, step_posteriors
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.gradient import input_gradient, mean_decay
from genolstm.report.architectures import plot_by_distance, plot_decay
from genolstm.report.gates import plot_gates
from genolstm.report.style import tidy
from genolstm.runs.example import run as write_example
from genolstm.sequences.alphabet import decode

# %config InlineBackend.figure_format = "retina"

# As `genolstm example` writes it.
folder = tempfile.TemporaryDirectory()
data = Path(folder.name) / "example"
_ = write_example(data)

# %% [markdown]
# ## The gradient on its way back
#
# A plain recurrent layer computes $h_t = \tanh(W x_t + U h_{t-1} + b)$. Each step back multiplies
# the gradient by $U$ and by the slope of tanh, which is below 1 wherever the unit is not at rest.
# After 200 steps that is a product of 200 matrices: it vanishes, or, where $U$ is large, explodes.
#
# An LSTM adds a cell state, $c_t = f_t \odot c_{t-1} + i_t \odot g_t$. Along it the gradient is
# multiplied by the forget gate $f_t$ alone, and the network can learn to keep it open. Below,
# 48 units of random weights read random DNA. The RNN's recurrent matrix is scaled to $\rho$, the
# LSTM's forget gate is biased to different values; $f$ is what a bias of $b$ makes of it.

# %%
random = np.random.default_rng(1)
units, steps = 48, 200
x = np.eye(4)[random.integers(0, 4, (40, steps))]


def random_layer(cell: str, spread: float = 1.0, forget_bias: float = 1.0) -> np.ndarray:
    """Return the gradient's decay in a layer as Keras begins it."""
    gates = {"rnn": 1, "lstm": 4}[cell]
    limit = np.sqrt(6 / (4 + gates * units))
    turn = np.linalg.qr(random.normal(size=(gates * units, units)))[0]
    bias = np.zeros(gates * units)
    if cell == "lstm":
        bias[units : 2 * units] = forget_bias
    config = LSTMConfig(cell=cell, n_features=4, units=units, layers=1, bidirectional=False)
    weights = {
        f"{cell}1/forward/kernel": random.uniform(-limit, limit, (4, gates * units)),
        f"{cell}1/forward/recurrent_kernel": spread * turn.T,
        f"{cell}1/forward/bias": bias,
    }
    return mean_decay(input_gradient(config, weights, x))


figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for rho, colour in ((0.7, "#F0A070"), (1.0, "#D55E00"), (1.3, "#8C3A00"), (1.6, "#4A1F00")):
    axes[0].plot(random_layer("rnn", rho), color=colour, label=f"$\\rho$ = {rho}")
for bias, colour in ((0, "#9BCBEA"), (1, "#56B4E9"), (3, "#0072B2"), (5, "#003B5C")):
    label = f"b = {bias}, f = {1 / (1 + np.exp(-bias)):.3f}"
    axes[1].plot(random_layer("lstm", forget_bias=bias), color=colour, label=label)
for ax, name in zip(axes, ("RNN", "LSTM"), strict=True):
    ax.set_yscale("log")
    ax.set_ylim(1e-30, 1e6)
    ax.set_xlim(0, steps)
    ax.set_title(name, loc="left")
    ax.set_xlabel("steps back from the last one")
    ax.legend(frameon=False, fontsize=8, loc="lower left")
    tidy(ax)
_ = axes[0].set_ylabel("gradient, relative to the last step's")

# %% [markdown]
# For the RNN there is one scale between vanishing and exploding (near 1.3 here), at which the
# gradient keeps its size; every step of training may push the matrix off that edge, and what comes
# through is scrambled by each base on the way. The LSTM's decay is set by one number per unit, the
# bias of its forget gate, and the path along the cell state scrambles nothing. With the usual bias
# of 1 the gate begins at 0.73, and the gradient of a *fresh* LSTM fades as well. What counts is
# what training makes of it.

# %% [markdown]
# ## A task with a memory
#
# Two copies of a site lie in a random sequence, each on one strand: *convergent*, *divergent*, or
# in *tandem* in either direction (as two CTCF sites may, where only convergent ones hold a loop).
# A network that forgets the first site before the second one comes can still tell the second one's
# strand, and is right in half of the cases. The figures are those of
# `benchmarks/comparison/run.py`, three seeds each;
# `genolstm compare --task long-range --figure long-range.svg` reproduces them.

# %%
results = data / "comparison"
runs = pd.read_csv(results / "long-range.tsv", sep="\t")
recurrent = runs[runs["architecture"].isin(["rnn", "gru", "lstm"])]
table = summarise(recurrent[recurrent["test"] == "distance=200"])
table[["architecture", "parameters", "accuracy", "accuracy_min", "accuracy_max"]].round(3)

# %%
gradients = pd.read_csv(results / "long-range-gradients.tsv", sep="\t")
figure, axes = plt.subplots(1, 3, figsize=(12.5, 3.5), layout="constrained")
plot_by_distance(recurrent, ax=axes[0], levels={"chance": 0.25, "second half only": 0.5})
plot_decay(gradients, stage="initial", ax=axes[1])
plot_decay(gradients, stage="trained", ax=axes[2])
axes[2].set_ylim(axes[1].get_ylim())
plt.show()

# %% [markdown]
# Before training none of the three reaches back 200 steps, and the gated ones least of all: what
# they gain, they gain by learning. The training sequences hold short distances as well as long
# ones, and each distance learned opens the way to the next. After training, the gradient that
# arrives over 200 steps is about $10^{-4}$ of the last step's in the GRU, $10^{-8}$ in the LSTM and
# $10^{-17}$ in the RNN. There is a reason why the LSTM's is not larger: it has learned to hold the
# first site as one of a few stable states, which small changes of the input no longer disturb, and
# what nothing disturbs has no gradient (Bengio et al. 1994 on latching).

# %% [markdown]
# ## The gates, seen
#
# Here an LSTM of 25 units learns the task at up to 75 bases. Then one sequence goes through it, and
# `genolstm.lstm.cell` (NumPy, equal to Keras to within 1e-6) computes what every gate does at every
# base. Next to each unit's number is the half-life of its memory: the number of steps after which
# half of its content is gone.

# %%
bundles = []
settings = ComparisonSettings.for_task("long-range", architectures=("lstm",), parameters=3000, seeds=1, epochs=EPOCHS)
model_file = Path(folder.name) / "long-range-lstm.genolstm"
found = compare(
    trials_from_task("long-range", distances=(20, 75), n=5000),
    settings,
    keep=lambda *run: bundles.append(save_trained(model_file, *run, force=True)),
)
found.summary()[["architecture", "test", "accuracy", "training_seconds"]].round(3)

# %%
example = simulate_long_range(8, 60, seed=4, length=99)
row = int(np.flatnonzero(example.targets == 0)[0])
gates = sequence_gates(bundles[0], decode(example.codes[row]), name="convergent", top=10)
prediction = Runtime(bundles[0]).predict(example.one_hot()[row : row + 1])[0]
print({name: round(float(p), 3) for name, p in zip(example.classes, prediction, strict=True)})
sequence = decode(example.codes[row])
sites = [(p, p + 4) for p in range(96) if sequence[p : p + 4] in ("GACT", "AGTC")]
_ = plot_gates(gates, spans=sites, title="A convergent pair, 60 bases apart")

# %% [markdown]
# The lines mark the two sites. Several cell states change sign at the first one, keep it until the
# second one comes, and change again there. They keep it in two ways: where the forget gate stays
# near 1 (black) the content stays; where it does not, the layer reads its own last output and
# writes the same value anew at each step, which is why some half-lives are short.
#
# ## The same, where it matters
#
# `archaic` reads tracks of 1 kb bins, two of them at each step. Here is its second layer, reading forwards over a true
# Neanderthal segment of a simulated haplotype. On the command line:
#
#     genolstm model gates archaic --vcf region.vcf.gz --target target.txt \
#         --outgroup outgroup.txt --archaic archaic.txt --haplotype CEU1#1 \
#         --region 430001-600000 --figure gates.svg -o gates.tsv

# %%
model = IntrogressionClassifier.load("archaic")
door = VcfDoor(
    data / "region.vcf.gz", target=data / "target.txt", outgroup=data / "outgroup.txt", archaic=data / "archaic.txt"
)
track = find_haplotype(door.tracks(model.settings), "CEU1#1")
gates = haplotype_gates(model, track, layer=2, region=(430_000, 600_000), top=10)
truth = pd.read_csv(data / "truth.bed", sep="\t").query("sample == 'CEU1' and haplotype == 1")
_ = plot_gates(
    gates,
    curve=(gates.starts, step_posteriors(model, track, gates), "posterior of\narchaic ancestry"),
    spans=list(truth[["start", "end"]].itertuples(index=False)),
)

# %% [markdown]
# At the left edge the candidates of nearly all units change sign within some 20 kb; at the right
# edge they change back. The units differ in how long they remember: most forget within a few kb,
# while some remember for tens of kb, which is the length of the segments themselves. The table has
# all 32.

# %%
everything = haplotype_gates(model, track, layer=2, units=range(32))
lives = everything.half_life_table().set_index("unit")["half_life"] / 1000
figure, ax = plt.subplots(figsize=(6.5, 2.4), layout="constrained")
ax.bar(range(32), lives.sort_values(), color="#0072B2")
ax.set_yscale("log")
ax.set_xlabel("units, by their half-life")
ax.set_ylabel("half-life (kb)")
tidy(ax)
plt.show()
everything
