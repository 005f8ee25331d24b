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
# # Archaic segments in six haplotypes
#
# The example is 600 kb of a simulated chromosome: six modern human haplotypes, a Neanderthal, and
# 100 African haplotypes as the outgroup. Because it is simulated, we know which tracts are
# Neanderthal, and can compare them with what the model finds.

# %%
from pathlib import Path

import pandas as pd

from genolstm import IntrogressionClassifier
from genolstm.introgression.evaluate import evaluate
from genolstm.introgression.formats import read_intervals
from genolstm.introgression.segments import Interval
from genolstm.report.plots import plot_posterior

# %config InlineBackend.figure_format = "retina"

# The notebook may run from anywhere inside the repository.
folders = [Path.cwd(), *Path.cwd().parents]
example = next(f / "example_data" for f in folders if (f / "example_data").is_dir())

# %% [markdown]
# ## The model
#
# `archaic` ships with GenoLSTM. It reads a haplotype in bins, counts how many of its k-mers
# the Neanderthal carries and how frequent they are in the outgroup, and gives each bin a
# probability of being archaic.

# %%
model = IntrogressionClassifier.load("archaic")
model

# %% [markdown]
# ## The scan
#
# The archaic and the outgroup are k-mer panels (`genolstm panel build`). Each row is a segment;
# `posterior` is its mean probability, `n_sites` the number of rare variants in it, and `n_match`
# how many of those the Neanderthal carries.

# %%
references = {"archaic": example / "archaic.panel", "outgroup": example / "outgroup.panel"}
found = model.scan(example / "query.fa.gz", **references, posteriors=True)
segments = found.segments
found

# %% [markdown]
# ## All haplotypes, with the truth beneath

# %%
truth = pd.read_csv(example / "truth.bed", sep="\t")
haplotypes = [(sample, str(n)) for sample in ("CEU0", "CEU1", "CEU2") for n in (1, 2)]
ax = found.plot(truth=truth, haplotypes=haplotypes)

# %% [markdown]
# ## The posterior along one haplotype
#
# Segments are where the posterior is above the threshold, which is chosen on the data at hand: the one
# with the best F1 that is to be expected, by the posteriors themselves.
# `model.scan(..., fdr=0.05)` asks for one at which 5 % of what is called are expected to be wrong.

# %%
posteriors, expected = found.posteriors, found.expected
print(f"expected at {expected.threshold:.3f}: precision {expected.precision:.3f}, recall {expected.recall:.3f}")
ax = plot_posterior(
    posteriors, sample="CEU1", haplotype="2", segments=segments, truth=truth, threshold=expected.threshold
)

# %% [markdown]
# ## How good is it here?
#
# All figures are in base pairs. Nine tracts are few: the benchmarks in the repository measure the
# model on 30 Mb.

# %%
tracts = [tract for tract, _ in read_intervals(example / "truth.bed")]
called = [(Interval(s.chrom, s.start, s.end, s.sample, s.haplotype), s.posterior) for s in segments.itertuples()]
result = evaluate(called, tracts, posteriors=posteriors)
print(f"average precision {result.ap:.3f}")
print(f"segments: precision {result.precision:.3f}, recall {result.recall:.3f}")

# %%
pd.DataFrame(result.per_haplotype).round(3)
