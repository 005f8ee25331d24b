"""Characters per second: one ONNX step with carried state, against one Keras predict per window.

The same network with the same weights, in the same run, one process. The tutorial's way computes
each character with ``model.predict`` on the last 100; ours reads one character and carries the
state.

    python benchmarks/text/speed.py                      # the tutorial's network
    python benchmarks/text/speed.py MODEL.genolstm       # your own model
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from genolstm.lstm.bundle.saving import load_network, save_network
from genolstm.lstm.train.network import build_network, load_tensorflow
from genolstm.text.encoding import KIND, encode_input
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import PRESETS

WINDOW = 100


def random_model(preset: str, folder: Path) -> TextGenerator:
    """Return a network of a preset with 60 symbols and initial weights: speed needs no training."""
    alphabet = "".join(map(chr, range(33, 93)))
    settings = PRESETS[preset].resolve("text", 10_000_000)
    config = settings.network(len(alphabet))
    path = folder / f"{preset}.genolstm"
    save_network(
        path,
        build_network(config, seed=1),
        config,
        kind=KIND,
        metadata={
            "symbols": "text",
            "alphabet": alphabet,
            "mode": settings.mode,
            "window": WINDOW,
            "opening": alphabet,
        },
    )
    return TextGenerator.load(path, threads=1)


def measure(name: str, model: TextGenerator, predictions: int, characters: int) -> None:
    network = load_network(model.bundle)
    codes = np.random.default_rng(1).integers(0, len(model.alphabet), WINDOW)
    window = encode_input(codes[None], model.config)
    network.predict(window, verbose=0)  # the first call compiles
    model.sample("", 100, carry=True)
    slow, fast = [], []
    for _ in range(5):  # in turn, so that a busy machine slows both
        began = time.perf_counter()
        for _ in range(predictions):
            network.predict(window, verbose=0)
        slow.append(predictions / (time.perf_counter() - began))
        began = time.perf_counter()
        model.sample("", characters, carry=True, temperature=1.0)
        fast.append(characters / (time.perf_counter() - began))
    one, other = statistics.median(slow), statistics.median(fast)
    print(
        f"| {name}, {model.config.n_parameters} parameters | {one:.1f} | {other:.0f} | {other / one:.0f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="*")
    parser.add_argument("--predictions", type=int, default=10)
    parser.add_argument("--characters", type=int, default=4000)
    options = parser.parse_args()
    load_tensorflow()
    print("| network | predict a window, characters/s | carried state, characters/s | times |")
    print("| --- | --- | --- | --- |")
    if options.model:
        for path in options.model:
            model = TextGenerator.load(path, threads=1)
            measure(Path(path).stem, model, options.predictions, options.characters)
        return
    with tempfile.TemporaryDirectory() as folder:
        for preset in ("tutorial", "default"):
            model = random_model(preset, Path(folder))
            measure(preset, model, options.predictions, options.characters)


if __name__ == "__main__":
    main()
