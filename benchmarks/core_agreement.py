"""Do the three forms of a shipped model compute the same? Keras, ONNX Runtime, NumPy's gates.

Each is given the example's own tracks and random counts; the largest absolute differences of the
outputs are printed. Needs the extra `train`.

    python benchmarks/core_agreement.py [MODEL]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.tracks import CHANNELS, TrackSettings
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.cell import forward
from genolstm.lstm.train.network import load_tensorflow

EXAMPLE = Path(__file__).resolve().parents[1] / "example_data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default="archaic")
    bundle = Bundle.open(find_bundle(parser.parse_args().model))
    assert bundle.config is not None
    _, keras = load_tensorflow()
    with tempfile.NamedTemporaryFile(suffix=".keras") as file:
        file.write(bundle.member("model.keras"))
        file.flush()
        network = keras.models.load_model(file.name, safe_mode=True)
    door = VcfDoor(EXAMPLE / "region.vcf.gz", *(EXAMPLE / f"{r}.txt" for r in ("target", "outgroup", "archaic")))
    tracks = np.concatenate([block.tracks for block in door.tracks(TrackSettings())], axis=1)
    counts = np.random.default_rng(1).poisson(0.7, (8, 600, len(CHANNELS))).astype(np.float32)
    weights = read_weights(bundle)
    runtime = Runtime(bundle.onnx)
    print("largest absolute difference of the posterior")
    for name, x in (("example's tracks", tracks), ("random counts, seed 1", counts)):
        expected = network.predict(x, verbose=0)
        onnx = np.abs(runtime.predict(x, chunk=x.shape[1]) - expected).max()
        gates = np.abs(forward(bundle.config, weights, x) - expected).max()
        print(f"  {name} {x.shape}: ONNX Runtime - Keras {onnx:.1e}, cell.py - Keras {gates:.1e}")


if __name__ == "__main__":
    main()
