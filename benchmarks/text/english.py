"""Held-out bits per character of the default text model on English prose, against baselines.

The text used for the README is the King James Bible as Debian packages it (4.1 million
characters; public domain outside the United Kingdom), without the verse numbers::

    apt install bible-kjv bible-kjv-text
    bible -f gen1:1-rev22:21 | cut -d' ' -f2- > kjv.txt
    python benchmarks/text/english.py kjv.txt --epochs 6 --steps-per-epoch 500

Any UTF-8 text will do; without one, the documentation that comes with Python (pydoc_data.topics,
half a million characters) is used. The last characters are held out. The network's alphabet is
that of the whole text; Markov models get the same. Compressors start cold on the held-out text, as
a user would run them, and are shown primed with the training text too. Training goes on from its
checkpoint if it is stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from genolstm.text.corpus import Corpus, Record, read_text, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.run import baselines
from genolstm.text.settings import TextSettings


def python_documentation() -> str:
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?")
    parser.add_argument("--held-out", type=int, default=0, help="characters; 0: 200,000 or a tenth")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--steps-per-epoch", type=int, default=0)
    parser.add_argument("--units", type=int)
    parser.add_argument("--max-order", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="text-benchmark", help="folder of model and checkpoint")
    options = parser.parse_args()

    text = read_text(options.text) if options.text else python_documentation()
    whole = text_corpus([("text", text)])
    held = options.held_out or min(200_000, len(text) // 10)
    codes = whole.records[0].codes
    training, held_out = (
        Corpus(whole.kind, whole.alphabet, (Record("text", part),))
        for part in (codes[:-held], codes[-held:])
    )
    settings = TextSettings(
        units=options.units, epochs=options.epochs, steps_per_epoch=options.steps_per_epoch,
        seed=options.seed,
    )  # fmt: skip
    work = Path(options.work)
    work.mkdir(exist_ok=True)
    print(
        f"{len(text)} characters, {len(whole.alphabet)} symbols, last {held} held out; seed {options.seed}",
        flush=True,
    )
    found = baselines(training, held_out, options.max_order)
    model = TextGenerator.fit(
        training, settings, held_out=held_out, output=work / "english.genolstm", folder=work,
        force=True,
    )  # fmt: skip
    bits = model.bundle.metadata["held_out"]["bits_per_symbol"]
    print(model.bundle.provenance["settings"])
    markov = min((one for one in found if "Markov" in one[0]), key=lambda one: one[1])
    print("\n| model | held-out bits per character |\n| --- | --- |")
    print(f"| LSTM, {model.config.n_parameters} parameters | {bits:.3f} |")
    print(f"| best Markov: {markov[0]} | {markov[1]:.3f} |")
    for name, one in found:
        if "Markov" not in name:
            print(f"| {name} | {one:.3f} |")
    print("\nAll orders:")
    for name, one in found:
        print(f"{name}\t{one:.4f}")
    print("\nA sample at temperature 0.7:\n")
    print(model.sample("\n", 400, temperature=0.7, seed=options.seed))


if __name__ == "__main__":
    main()
