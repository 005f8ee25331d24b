"""Bits per character of a model of words and a model of characters that were given the same CPU time to train.

    bible -f gen1:1-rev22:21 | cut -d' ' -f2- > kjv.txt
    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/text/words.py kjv.txt --seconds 360

The text is in three parts, as in english.py: the last characters are the test, those before them the validation part,
which chooses the epoch. Both models have the same LSTM; a step reads about as many characters in both. How long a step
takes is measured first, with five and 25 steps; the number of steps follows from that and ``--seconds``, and can be
given instead (``--steps CHARACTERS WORDS``); validation is part of the time. Words that the training part does not have twice are spelled, and cost
what their spelling costs, so that bits per character are comparable. The difference has a 95 % interval from a
bootstrap over blocks of 1,000 characters; a word counts where it begins. Markov models of the same symbols, of the
order that the validation part chooses, count the training part.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from evaluation import RESAMPLES

from genolstm.text.baselines import MarkovModel
from genolstm.text.corpus import Corpus, close_vocabulary, read_text, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import CHARACTERS, WORDS, TextSettings
from genolstm.text.words import Vocabulary

_BLOCK = 1000


def corpora(parts: list[str], symbols: str, size: int) -> tuple[Corpus, Corpus, Corpus]:
    """Return the three parts, unclosed if they are words."""
    whole = text_corpus([("text", "".join(parts))])
    alphabet = whole.alphabet if symbols == CHARACTERS else text_corpus([("t", parts[0])], symbols=WORDS).alphabet
    training, validation, test = (text_corpus([("text", part)], alphabet) for part in parts)
    return training, validation, test


def seconds_of(training: Corpus, settings: TextSettings, steps: int) -> float:
    begin = time.process_time()
    short = replace(settings, epochs=1, steps_per_epoch=steps, validation=0.0)
    TextGenerator.fit(training, short, progress=False)
    return time.process_time() - begin


def markov(training: Corpus, validation: Corpus, test: Corpus, max_order: int) -> tuple[str, float]:
    """Return the model that the validation part chooses, and its bits per character of the test part."""
    spelled = 0.0
    if isinstance(training.alphabet, Vocabulary):
        spelled = float(training.alphabet.spelled_bits(test.records[0].spelled).sum())
    model = MarkovModel(max_order, len(training.alphabet)).fit(
        training.stream(), tune=True, validation=validation.stream()
    )
    order = int(np.argmin([np.nanmean(bits) for bits in model.bits_by_order(validation.stream())]))
    bits = model.bits_by_order(test.stream())[order]
    return f"Markov, order {order}, tuned", (float(np.nansum(bits)) + spelled) / test.n_characters


def by_block(model: TextGenerator, text: str) -> np.ndarray:
    """Return the bits of each block of characters."""
    record = model.score(text_corpus([("test", text)], model.alphabet)).records[0]
    at = np.arange(len(text))
    if record.vocabulary is not None:
        lengths = record.vocabulary.lengths(record.codes, record.spelled)
        at = np.cumsum(lengths) - lengths
    return np.bincount(at // _BLOCK, record.bits.astype(np.float64), -(-len(text) // _BLOCK))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--seconds", type=float, default=360, help="CPU time to train each model for")
    parser.add_argument("--steps", type=int, nargs=2, help="steps of either model, instead")
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=(8, 8), help="into which the steps of either are divided"
    )
    parser.add_argument(
        "--warm-up", type=int, nargs=2, help="steps of either over which the rate rises; a tenth of all"
    )
    parser.add_argument("--held-out", type=int, default=200_000, help="characters of the validation and the test part")
    parser.add_argument("--vocabulary", type=int, default=5000)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="words-benchmark", help="folder for models and checkpoints")
    options = parser.parse_args()

    text, held = read_text(options.text), options.held_out
    parts = [text[: -2 * held], text[-2 * held : -held], text[-held:]]
    common = TextSettings(units=options.units, steps=64, dropout=0.0, patience=0, seed=options.seed)
    wanted = {
        CHARACTERS: replace(common, batch_size=64),
        # 4.2 characters to a word, and so a quarter of the lanes.
        WORDS: replace(common, tokens=WORDS, vocabulary=options.vocabulary, batch_size=16),
    }
    print(f"{len(text)} characters, {held} each for validation and test; seed {options.seed}", flush=True)
    rows, blocks = [], {}
    for number, (symbols, settings) in enumerate(wanted.items()):
        training, validation, test = corpora(parts, symbols, options.vocabulary)
        if options.steps:
            steps = options.steps[number]
        else:
            # The first one also imports TensorFlow.
            _, few, more = (seconds_of(training, settings, n) for n in (1, 5, 25))
            steps = round(options.seconds * 20 / (more - few))
            print(f"{symbols}: {(more - few) / 20:.3f} s of CPU a step", flush=True)
        epochs = options.epochs[number]
        warm_up = options.warm_up[number] if options.warm_up else steps // 10
        settings = replace(settings, epochs=epochs, steps_per_epoch=max(1, steps // epochs), warmup_steps=warm_up)
        folder = Path(options.work) / symbols
        folder.mkdir(parents=True, exist_ok=True)
        begin = time.process_time()
        model = TextGenerator.fit(
            training,
            settings,
            held_out=validation,
            folder=folder,
            log_csv=folder / "epochs.csv",
            output=folder / "model.genolstm",
            force=True,
        )
        spent = time.process_time() - begin
        if symbols == WORDS:
            training, validation = close_vocabulary(training, validation, options.vocabulary)  # type: ignore[assignment]
            test = text_corpus([("test", parts[2])], training.alphabet)
        score = model.score(test)
        blocks[symbols] = by_block(model, parts[2])
        per_character = score.total.bits / len(parts[2])
        unknown = f"{100 * score.total.unknown_share:.2f} %" if symbols == WORDS else ""
        name = f"LSTM of {symbols}, {model.config.n_parameters:,} parameters"
        trained = f"{epochs * settings.steps_per_epoch} steps, {spent:.0f} s of CPU"
        rows.append((name, trained, score.bits_per_symbol, per_character, unknown))
        best, bits = markov(training, validation, test, 12 if symbols == CHARACTERS else 4)
        rows.append((f"{best}, of {symbols}", "", bits * len(parts[2]) / test.n_symbols, bits, unknown))
        print(rows[-2:], flush=True)
        print(
            repr(model.sample("And the LORD said unto Moses", 60, temperature=0.7, seed=1, sentence=True)), flush=True
        )
    print("\n| model | training | bits per symbol | bits per character | unknown words |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, trained, each, per_character, unknown in rows:
        print(f"| {name} | {trained} | {each:.4f} | {per_character:.4f} | {unknown} |")
    less = blocks[WORDS] - blocks[CHARACTERS]
    drawn = np.random.default_rng(1).integers(0, len(less), (RESAMPLES, len(less)))
    low, high = np.quantile(less[drawn].sum(axis=1) / (len(less) * _BLOCK), [0.025, 0.975])
    print(f"\nwords less characters: {less.sum() / len(parts[2]):+.4f} bits per character ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
