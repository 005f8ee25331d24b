"""Symbols a second of a network, of counts and copies, and of both mixed, in one run.

    python benchmarks/text/mix_speed.py                          # a network of 256 units, a million bases
    python benchmarks/text/mix_speed.py --kind text --units 512 --length 200000
    python benchmarks/text/mix_speed.py --model MODEL.genolstm

The network has random weights unless a model is given: they do not change its speed. The three take turns, so
that a busy machine slows them alike; medians are printed, and by how much the mixture takes longer than the
network alone. Loops are compiled before.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from genolstm.lstm.bundle.bundle import Bundle, pack
from genolstm.lstm.bundle.graph import write_onnx, write_step
from genolstm.text.corpus import Corpus, dna_corpus, text_corpus
from genolstm.text.encoding import KIND
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import TextSettings
from genolstm.text.simulate import simulate_genome

LETTERS = "".join(map(chr, range(64, 64 + 62))) + " "


def random_model(kind: str, units: int | None, threads: int) -> TextGenerator:
    """Return a network with the default settings of its kind, and random weights."""
    alphabet = "ACGT" if kind == "dna" else LETTERS
    settings = TextSettings(units=units).resolve(kind, 10_000_000)
    config = settings.network(len(alphabet))
    random = np.random.default_rng(1)
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in config.weight_shapes.items()}
    content = pack(
        kind=KIND,
        config=config,
        members={
            "model.onnx": write_onnx(config, weights),
            "step.onnx": write_step(config, weights),
            "card.md": b"Random weights.",
        },
        metadata={
            "symbols": kind,
            "alphabet": alphabet,
            "mode": settings.mode,
            "window": settings.steps,
            "opening": alphabet[:4],
        },
    )
    return TextGenerator(Bundle.from_bytes(content), threads=threads)


def some_data(model: TextGenerator, length: int) -> Corpus:
    if model.symbols == "dna":
        return dna_corpus([("genome", simulate_genome(length, 7)[0])])
    random = np.random.default_rng(7)
    # Words of a vocabulary, the common ones short.
    letters = [one for one in model.alphabet if one.isalpha()]
    words = ["".join(random.choice(letters, 1 + int(n))) for n in np.log(np.arange(1, 5001))]
    chances = 1 / np.arange(1, len(words) + 1)
    text = " ".join(words[one] for one in random.choice(len(words), length // 4, p=chances / chances.sum()))
    return text_corpus([("text", text[:length])], model.alphabet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="by default, random weights")
    parser.add_argument("--kind", choices=["dna", "text"], default="dna")
    parser.add_argument("--units", type=int)
    parser.add_argument("--length", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.model:
        model = TextGenerator.load(options.model, threads=options.threads)
    else:
        model = random_model(options.kind, options.units, options.threads)
    began = time.process_time()
    model.score(some_data(model, 3000), mix=True)
    print(f"ready after {time.process_time() - began:.1f} s of CPU", flush=True)
    data = some_data(model, options.length)
    runs = {
        "counts and copies": {"mix": True, "network": False},
        f"LSTM, {model.config.n_parameters:,} parameters": {},
        "LSTM, counts and copies": {"mix": True},
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name, settings in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            model.score(data, **settings)
            spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    print(f"\n| {data.n_symbols:,} symbols, {options.threads} thread(s) | per second | per second of CPU |")
    print("| --- | ---: | ---: |")
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in spent.items()}
    for name, (wall, cpu) in medians.items():
        print(f"| {name} | {data.n_symbols / wall:,.0f} | {data.n_symbols / cpu:,.0f} |")
    _, alone, mixed = medians.values()
    print(
        f"\nThe mixture takes {mixed[0] / alone[0]:.2f} times as long as the network, {mixed[1] / alone[1]:.2f} of CPU."
    )


if __name__ == "__main__":
    main()
