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
# # Find Neanderthal segments
#
# The example is 600 kb of a simulated chromosome: six modern human haplotypes, a Neanderthal, and
# 100 African haplotypes as the outgroup. Because it is simulated, we know which tracts are
# Neanderthal, and can compare them with what the model finds.
#
# **Needs** `pip install "genolstm[plot]"` and Jupyter. **Takes** 15 seconds, and up to a minute more the first time,
# when loops are compiled. It downloads nothing, and leaves nothing behind.

# %%
import tempfile
from pathlib import Path

import pandas as pd

from genolstm import IntrogressionClassifier
from genolstm.introgression.agreement import Scope, compare_all
from genolstm.introgression.evaluate import evaluate
from genolstm.introgression.formats import read_intervals
from genolstm.introgression.peers import Calls, Level, joined, read_calls
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import AgreementSettings
from genolstm.report.agreement import plot_agreement
from genolstm.report.plots import plot_posterior
from genolstm.runs.example import run as write_example

# %config InlineBackend.figure_format = "retina"

# As `genolstm example` writes it. With data of your own, this is the cell to change.
folder = tempfile.TemporaryDirectory()
example = Path(folder.name) / "example"
_ = write_example(example)

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
found = model.scan(example / "query.fa.gz", **references, posteriors=True, evidence=True)
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
# ## What speaks for a segment
#
# `evidence()` has every informative site: an allele that at most 5 % of the outgroup carry. It *supports* the segment
# if the Neanderthal has it, too. Sites that *contradict* are to be expected: the donor was a relative of the
# Neanderthal that was sequenced. `shared` counts the other haplotypes that have the allele, and `weight` is by how much
# the network's log-odds fall without the site. From a VCF (`model.scan_vcf`), the table also has the bases.

# %%
evidence = found.evidence(weights=True)
first = segments.iloc[0]
sites = evidence[evidence["segment"] == first["name"]]
print(f"{first['name']}: {len(sites)} sites, {(sites['evidence'] == 'supports').sum()} support it")
sites[["pos", "outgroup_frequency", "shared", "evidence", "weight"]].head(8).round(3)

# %% [markdown]
# The segment is certain, so that hardly any single site matters: sites that say the same stand in for each other.

# %%
kb = (sites["pos"] - first["start"]) / 1000
axes = sites.assign(kb=kb).plot.scatter(
    x="kb", y="weight", c=sites["evidence"].map({"supports": "#0072B2", "contradicts": "#7F7F7F"}), figsize=(8, 2.4)
)
axes.axhline(0, color="#333333", linewidth=0.8)
_ = axes.set(
    xlabel=f"kb from the start of {first['name']} (blue: supports, grey: contradicts)", ylabel="weight (log-odds)"
)

# %% [markdown]
# ## How much there is
#
# By haplotype, sample and population, and by source; here the samples. Callable is what could be compared.

# %%
summary = found.summary()
summary[(summary["level"] == "sample") & (summary["source"] == "all")].dropna(axis="columns", how="all").round(3)

# %% [markdown]
# ## Beside another program
#
# hmmix needs no archaic genome. Its files for the same people are in `example_data/hmmix`. Both are compared by
# haplotype, and with the truth. `genolstm introgression compare` does the same with files, in seven formats.

# %%
own = Calls("genolstm", "genolstm", Level.HAPLOTYPE, [Interval(*segment[:5]) for segment in found.found])
hmmix = joined([read_calls(path) for path in sorted((example / "hmmix").glob("*.txt"))])
scope = Scope(frozenset({"chr21"}), frozenset({"CEU0", "CEU1", "CEU2"}))
rows = compare_all([own, hmmix], scope, AgreementSettings(), truth=read_calls(example / "truth.bed", name="truth"))
figure = plot_agreement(rows)

# %%
agreement = pd.DataFrame(rows)
agreement.loc[agreement["sample"] == ".", ["a", "b", "a_bp", "b_bp", "both_bp", "precision", "recall", "f1"]].round(3)

# %% [markdown]
# ## How good is it here?
#
# All figures are in base pairs. Six tracts are few: the benchmarks in the repository measure the
# model on 30 Mb.

# %%
tracts = [tract for tract, _ in read_intervals(example / "truth.bed")]
called = [(Interval(s.chrom, s.start, s.end, s.sample, s.haplotype), s.posterior) for s in segments.itertuples()]
result = evaluate(called, tracts, posteriors=posteriors)
print(f"average precision {result.ap:.3f}")
print(f"segments: precision {result.precision:.3f}, recall {result.recall:.3f}")

# %%
pd.DataFrame(result.per_haplotype).round(3)
