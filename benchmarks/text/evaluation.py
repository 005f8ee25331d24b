"""What english.py and genome.py share: the baselines' choices, and the figures of the test part.

The data are in three parts. The network learns from the training part, and the validation part
chooses its epoch. Markov models choose order and back-off on the validation part, given the counts
of the training part, and then count both parts: more than the network ever learns from. The test
part is scored once, after all that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genolstm.text.baselines import MarkovModel, compressor_bits
from genolstm.text.corpus import DNA, Corpus
from genolstm.text.generator import TextGenerator

RESAMPLES = 10_000


@dataclass(frozen=True)
class Markov:
    """One Markov model, and what it needed."""

    name: str
    validation: float
    test: np.ndarray
    """Bits of each test symbol."""


def both_strands(corpus: Corpus, reverse_complement: bool) -> np.ndarray:
    stream = corpus.stream()
    if corpus.kind != DNA or not reverse_complement:
        return stream
    from genolstm.sequences.alphabet import reverse_complement as other_strand

    return np.concatenate([stream, stream[:1], other_strand(stream[1:].astype(np.uint8))])


def markov_models(
    training: Corpus, validation: Corpus, test: Corpus, max_order: int, reverse_complement: bool
) -> list[Markov]:
    """Return every order from 0 to ``max_order`` with both ways of backing off."""
    parts = [both_strands(one, reverse_complement) for one in (training, validation)]
    rows = []
    for name in ("Witten-Bell", "tuned"):
        model = MarkovModel(max_order, len(training.alphabet)).fit(
            parts[0], tune=name == "tuned", validation=validation.stream()
        )
        chosen_by = model.bits_by_order(validation.stream())
        model.recount(np.concatenate(parts))
        rows += [
            Markov(f"order {order}, {name}", float(np.nanmean(one)), other[~np.isnan(other)])
            for order, (one, other) in enumerate(
                zip(chosen_by, model.bits_by_order(test.stream()), strict=True)
            )
        ]
    return rows


def interval(values: np.ndarray, block: int, seed: int = 1) -> tuple[float, float]:
    """Return a 95 % interval of the mean by a bootstrap over blocks of neighbouring symbols."""
    starts = np.arange(0, len(values), block)
    sums = np.add.reduceat(values.astype(np.float64), starts)
    sizes = np.diff(np.append(starts, len(values)))
    drawn = np.random.default_rng(seed).integers(0, len(starts), (RESAMPLES, len(starts)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def report(
    model: TextGenerator, training: Corpus, validation: Corpus, test: Corpus, *, unit: str,
    max_order: int, block: int, reverse_complement: bool = False,
) -> None:  # fmt: skip
    """Score the test part and print the tables."""
    for name, part in (("training", training), ("validation", validation), ("test", test)):
        print(f"{name}: {part.n_symbols} symbols in {len(part.records)} record(s)")
    print(f"settings: {model.bundle.provenance['settings']}")
    score = model.score(test)
    ours = np.concatenate([record.bits[~np.isnan(record.bits)] for record in score.records])
    models = markov_models(training, validation, test, max_order, reverse_complement)
    chosen = min(models, key=lambda one: one.validation)
    hindsight = min(models, key=lambda one: one.test.mean())
    assert len(ours) == len(chosen.test) == test.n_symbols

    print(f"\n| model | test bits per {unit} | 95 % interval |\n| --- | --- | --- |")
    rows = [(f"LSTM, {model.config.n_parameters:,} parameters", ours)]
    rows.append((f"best Markov ({chosen.name})", chosen.test))
    for name, bits in rows:
        low, high = interval(bits, block)
        print(f"| {name} | {bits.mean():.4f} | {low:.4f} to {high:.4f} |")
    content = test.text().encode()
    before = (training.text() + validation.text()).encode()
    for given in (None, before):
        for name, bits in compressor_bits(content, test.n_symbols, training=given).items():
            flags = "-9e" if name == "xz" else "-9"
            primed = ", primed with the training and validation parts" if given else ""
            print(f"| {name} {flags}{primed} | {bits:.4f} | |")
    for name, other in (
        ("chosen on the validation part", chosen),
        ("best in hindsight", hindsight),
    ):
        difference = ours - other.test
        low, high = interval(difference, block)
        print(
            f"\nLSTM less the Markov model {name} ({other.name}, {other.test.mean():.4f}): "
            f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        )
    print(
        f"\nIntervals: bootstrap over {-(-len(ours) // block)} blocks of {block} symbols, "
        f"{RESAMPLES} resamples, seed 1.\n\nMarkov model\tvalidation\ttest"
    )
    for one in models:
        print(f"{one.name}\t{one.validation:.4f}\t{one.test.mean():.4f}")
