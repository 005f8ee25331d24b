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
# # Train on your own demography
#
# The shipped model knows many human demographies. Is yours among them? This notebook writes a demography down,
# simulates it, looks at what the shipped model makes of it, trains a model on it, and compares both on regions that
# neither has seen.
#
# **Needs** `pip install "genolstm[train,simulate,plot]"` and Jupyter. **Takes** about a minute and a half as it
# stands, which is enough to see how it goes; a model to rely on needs 40 regions of 5 Mb, a quarter of an hour to
# simulate and as long to train. It downloads nothing, and leaves nothing behind.

# %% tags=["parameters"]
REGIONS = 16  # to train on
LENGTH = 1_500_000  # of each, in bp
EPOCHS = 12  # of training
WINDOW = 500  # bins of 1 kb that are read at a time in training; no more than a region has
HELD_OUT = 3  # regions to compare on

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from genolstm import IntrogressionClassifier
from genolstm.introgression.evaluate import evaluate
from genolstm.introgression.formats import read_intervals
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import TRAINING, IntrogressionTraining, SimulationSettings
from genolstm.report.plots import plot_posterior
from genolstm.report.style import tidy
from genolstm.runs.simulate import run as simulate

# %config InlineBackend.figure_format = "retina"

folder = tempfile.TemporaryDirectory()
work = Path(folder.name)

# %% [markdown]
# ## The demography
#
# In the language of demes: a donor that split 20,000 generations ago gives 6 % to one of two populations. Change what
# is not yours; `genolstm introgression simulate --demography` also takes the name of a stdpopsim model.

# %%
demography = work / "mine.yaml"
demography.write_text("""\
time_units: generations
demes:
  - name: ancestral
    epochs:
      - {start_size: 10000, end_time: 20000}
  - name: donor
    ancestors: [ancestral]
    epochs:
      - {start_size: 2000}
  - name: modern
    ancestors: [ancestral]
    epochs:
      - {start_size: 10000, end_time: 3000}
  - name: outgroup
    ancestors: [modern]
    epochs:
      - {start_size: 10000}
  - name: target
    ancestors: [modern]
    epochs:
      - {start_size: 5000}
pulses:
  - {sources: [donor], dest: target, time: 1800, proportions: [0.06]}
""")

# %% [markdown]
# ## Regions
#
# Each region is a folder with a phased VCF, lists of who is who, and the true tracts, which the simulator knows from
# the migrations themselves. The held-out ones have other seeds.

# %%
settings = SimulationSettings(
    model=str(demography),
    target="target",
    outgroup="outgroup",
    archaic="donor",
    archaic_time=1500.0,
    mutation_rate=1.25e-8,
    recombination_rate=1e-8,
    n_target=8,
    n_outgroup=25,
    length=LENGTH,
)
training = [place for place, _ in simulate(replace(settings, seed=1), work / "regions", replicates=REGIONS)]
held = [place for place, _ in simulate(replace(settings, seed=9001), work / "held", replicates=HELD_OUT)]
tracts = [len(read_intervals(place / "truth.bed")) for place in (*training, *held)]
pd.DataFrame({"region": [p.name for p in (*training, *held)], "true tracts": tracts}).T

# %% [markdown]
# ## What the shipped model makes of it
#
# All regions that were held out, in base pairs. `called over true` is how much is called, right or wrong, for what
# there is.


# %%
def scanned(model: IntrogressionClassifier, place: Path):
    """Return what a model finds in a region."""
    lists = {name: place / f"{name}.txt" for name in ("target", "outgroup", "archaic")}
    return model.scan_vcf(place / "region.vcf.gz", **lists, posteriors=True)


def scores(model: IntrogressionClassifier) -> pd.DataFrame:
    """Return how well a model does on each region that was held out."""
    rows = []
    for place in held:
        found = scanned(model, place)
        called = [
            (Interval(s.chrom, s.start, s.end, s.sample, s.haplotype), s.posterior) for s in found.segments.itertuples()
        ]
        truth = [tract for tract, _ in read_intervals(place / "truth.bed")]
        result = evaluate(called, truth, posteriors=found.posteriors)
        rows.append((place.name, result.ap, result.f1, result.precision, result.recall, result.calibration_error))
    return pd.DataFrame(rows, columns=["region", "AP", "F1", "precision", "recall", "calibration error"]).round(3)


shipped = IntrogressionClassifier.load("archaic")
scores(shipped)

# %% [markdown]
# ## Training
#
# Whole regions are held out for validation, here one in five. As the data are few, batches are small, so that there
# are enough steps. `genolstm introgression train` would warn that the regions are few: with 40 of 5 Mb the curve
# below goes on for longer, and ends lower.

# %%
log = work / "mine.csv"
mine = IntrogressionClassifier.fit(
    [work / "regions"],
    output=work / "mine.genolstm",
    settings=replace(TRAINING, epochs=EPOCHS, batch_size=16),
    options=IntrogressionTraining(label="donor", window=WINDOW),
    log_csv=log,
    progress=False,
)
history = pd.read_csv(log)
history.tail(3).round(4)

# %%
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(history["epoch"], history["loss"], color="#0072B2", label="training")
ax.plot(history["epoch"], history["val_loss"], color="#D55E00", label="validation")
ax.set_xlabel("epoch")
ax.set_ylabel("loss")
ax.legend(frameon=False)
tidy(ax)
plt.show()

# %% [markdown]
# ## Both, on what neither has seen

# %%
pd.concat({"shipped": scores(shipped), "mine": scores(mine)}, names=["model", None]).reset_index(level=0)

# %% [markdown]
# The haplotype with the longest tract, by both models, with the truth beneath:

# %%
place = max(held, key=lambda one: max((t.end - t.start for t, _ in read_intervals(one / "truth.bed")), default=0))
truth = pd.read_csv(place / "truth.bed", sep="\t").rename(columns={"#chrom": "chrom"})
longest = truth.loc[(truth["end"] - truth["start"]).idxmax()]
figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
for ax, model, name in zip(axes, (shipped, mine), ("shipped", "mine"), strict=True):
    found = scanned(model, place)
    plot_posterior(
        found.posteriors,
        sample=longest["sample"],
        haplotype=longest["haplotype"],
        segments=found.segments,
        truth=truth,
        threshold=found.threshold,
        ax=ax,
    )
    ax.set_title(name, loc="left")
plt.show()

# %% [markdown]
# If the shipped model does as well as yours, keep it: it has seen errors, masks and outgroups of many sizes, and
# yours only what you simulated. If yours does better, train it properly (`genolstm introgression simulate
# --replicates 40`, `genolstm introgression train`), with sizes as in your data, and remember that it believes what
# the simulation says.
