"""Bits per character of the default text model on English prose, against baselines.

The text used for the README is the King James Bible as Debian packages it (4.1 million
characters; public domain outside the United Kingdom), without the verse numbers::

    apt install bible-kjv bible-kjv-text
    bible -f gen1:1-rev22:21 | cut -d' ' -f2- > kjv.txt
    python benchmarks/text/english.py kjv.txt --epochs 8 --steps-per-epoch 500

Any UTF-8 text will do; without one, the documentation that comes with Python (pydoc_data.topics,
half a million characters) is used. The last part is the test, the part before it the validation;
evaluation.py says what each is for. The network's alphabet is that of the whole text; Markov models
get the same one. Compressors start cold on the test part, as a user would run them, and are shown
primed with the other two parts too. Training resumes from its checkpoint if it was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation import fit, report

from genolstm.text.corpus import Corpus, Record, read_text, text_corpus
from genolstm.text.settings import TextSettings


def python_documentation() -> str:
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?")
    parser.add_argument(
        "--held-out",
        type=int,
        default=0,
        help="characters in the validation and in the test part; 0: 200,000 or a tenth, whichever is less",
    )
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--steps-per-epoch", type=int, default=0)
    parser.add_argument("--units", type=int)
    parser.add_argument("--max-order", type=int, default=12)
    parser.add_argument("--block", type=int, default=1000, help="symbols per block of the bootstrap")
    parser.add_argument("--refit", action="store_true", help="train again, on training and validation part together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="text-benchmark", help="folder for model and checkpoint")
    options = parser.parse_args()

    text = read_text(options.text) if options.text else python_documentation()
    whole = text_corpus([("text", text)])
    held = options.held_out or min(200_000, len(text) // 10)
    codes = whole.records[0].codes
    training, validation, test = (
        Corpus(whole.kind, whole.alphabet, (Record("text", part),))
        for part in (codes[: -2 * held], codes[-2 * held : -held], codes[-held:])
    )
    settings = TextSettings(
        units=options.units, epochs=options.epochs, steps_per_epoch=options.steps_per_epoch, seed=options.seed
    )
    print(f"{len(text)} characters, {len(whole.alphabet)} symbols; seed {options.seed}", flush=True)
    model = fit(training, validation, settings, Path(options.work), options.refit)
    report(model, training, validation, test, unit="character", max_order=options.max_order, block=options.block)
    print("\nA sample at temperature 0.7:\n")
    print(model.sample("\n", 400, temperature=0.7, seed=options.seed))


if __name__ == "__main__":
    main()
