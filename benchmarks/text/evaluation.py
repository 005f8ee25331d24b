"""What english.py and genome.py share: training, the baselines' choices, and figures for the test part.

The data are in three parts. The network learns from the training part, and the validation part
chooses its epoch. Markov models choose order and back-off on the validation part, given the counts
of the training part, and then count both parts. With ``refit`` the network does likewise: it is
trained again on both parts, for the number of epochs that was best. Without it, the network has
learned from less than the Markov models, which are then also shown with the counts of the training
part alone. The test part is scored once, after all that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genolstm.text.baselines import MarkovModel, compressor_bits
from genolstm.text.corpus import DNA, Corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import TextSettings

RESAMPLES = 10_000


@dataclass(frozen=True)
class Markov:
    """One Markov model, and what it needed."""

    name: str
    validation: float
    alone: np.ndarray
    """Bits of each test symbol by the counts of the training part."""
    both: np.ndarray
    """Bits of each test symbol by the counts of the training and the validation part."""


def fit(training: Corpus, validation: Corpus, settings: TextSettings, work: Path, refit: bool) -> TextGenerator:
    """Train, with the validation part choosing the epoch; then, if wanted, again on both parts."""
    work.mkdir(exist_ok=True)
    model = TextGenerator.fit(
        training,
        settings,
        held_out=validation,
        output=work / "model.genolstm",
        folder=work,
        log_csv=work / "epochs.csv",
        force=True,
    )
    chosen = model.bundle.provenance["settings"]
    print(f"settings: {chosen}", flush=True)
    if not refit:
        return model
    both = replace(training, records=(*training.records, *validation.records))
    again = work / "refit"
    again.mkdir(exist_ok=True)
    return TextGenerator.fit(
        both,
        replace(settings, epochs=chosen["best_epoch"], validation=0.0),
        folder=again,
        output=again / "model.genolstm",
        log_csv=again / "epochs.csv",
        force=True,
    )


def both_strands(corpus: Corpus, reverse_complement: bool) -> np.ndarray:
    """Return the stream of a corpus; for DNA, followed by that of the other strand."""
    stream = corpus.stream()
    if corpus.kind != DNA or not reverse_complement:
        return stream
    from genolstm.sequences.alphabet import reverse_complement as other_strand

    return np.concatenate([stream, stream[:1], other_strand(stream[1:].astype(np.uint8))])


def markov_models(
    training: Corpus, validation: Corpus, test: Corpus, max_order: int, reverse_complement: bool
) -> list[Markov]:
    """Return every order from 0 to ``max_order`` with both kinds of back-off."""
    parts = [both_strands(one, reverse_complement) for one in (training, validation)]
    rows = []
    for name in ("Witten-Bell", "tuned"):
        model = MarkovModel(max_order, len(training.alphabet)).fit(
            parts[0], tune=name == "tuned", validation=validation.stream()
        )
        chosen_by = model.bits_by_order(validation.stream())
        alone = model.bits_by_order(test.stream())
        both = model.recount(np.concatenate(parts)).bits_by_order(test.stream())
        for order in range(max_order + 1):
            known = (one[order][~np.isnan(one[order])] for one in (alone, both))
            rows.append(Markov(f"order {order}, {name}", float(np.nanmean(chosen_by[order])), *known))
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
    model: TextGenerator,
    training: Corpus,
    validation: Corpus,
    test: Corpus,
    *,
    unit: str,
    max_order: int,
    block: int,
    reverse_complement: bool = False,
) -> None:
    """Score the test part and print the tables."""
    for name, part in (("training", training), ("validation", validation), ("test", test)):
        print(f"{name} part: {part.n_symbols} symbols in {len(part.records)} record(s)")
    refit = model.bundle.metadata["training_symbols"] > training.n_symbols
    score = model.score(test)
    ours = np.concatenate([record.bits[~np.isnan(record.bits)] for record in score.records])
    models = markov_models(training, validation, test, max_order, reverse_complement)
    chosen = min(models, key=lambda one: one.validation)
    hindsight = min(models, key=lambda one: one.both.mean())
    assert len(ours) == len(chosen.both) == test.n_symbols

    # Each with what it has learned from.
    both, alone = "training and validation part", "training part"
    rows = [
        (f"LSTM, {model.config.n_parameters:,} parameters", both if refit else alone, ours),
        (f"Markov, {chosen.name}", both, chosen.both),
        (f"Markov, {chosen.name}", alone, chosen.alone),
    ]
    print(f"\n| model | learned from | test bits per {unit} | 95 % interval |")
    print("| --- | --- | ---: | --- |")
    for name, source, bits in rows:
        low, high = interval(bits, block)
        print(f"| {name} | {source} | {bits.mean():.4f} | {low:.4f} to {high:.4f} |")
    content = test.text().encode()
    before = (training.text() + validation.text()).encode()
    for given, source in ((None, "nothing"), (before, f"primed with {both}")):
        for name, bits in compressor_bits(content, test.n_symbols, training=given).items():
            print(f"| {name} {'-9e' if name == 'xz' else '-9'} | {source} | {bits:.4f} | |")
    for name, source, bits in [*rows[1:], (f"best in hindsight: {hindsight.name}", both, hindsight.both)]:
        low, high = interval(ours - bits, block)
        print(f"\nLSTM less Markov ({name}, {source}): {(ours - bits).mean():+.4f} ({low:+.4f} to {high:+.4f})")
    print(
        f"\nIntervals: bootstrap over {-(-len(ours) // block)} blocks of {block} symbols, "
        f"{RESAMPLES} resamples, seed 1.\n\nMarkov model\tvalidation\ttest, {alone}\ttest, {both}"
    )
    for one in models:
        print(f"{one.name}\t{one.validation:.4f}\t{one.alone.mean():.4f}\t{one.both.mean():.4f}")
