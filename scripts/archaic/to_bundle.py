"""Make the model ``archaic`` of the weights that ``train_torch.py`` wrote.

    python scripts/archaic/to_bundle.py weights.npz --baseline OLD.genolstm --card CARD.md --likeness ranges.json \
        -o archaic.genolstm

What the training data were like comes from ``likeness.py --json ranges.json``, or, without ``--likeness``, from the
earlier model, if that has it: it depends on the training regions and not on the weights.
The baseline's parameters are those of an earlier model, since what it counts has not changed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from genolstm.introgression.settings import NETWORK, TRACKS, UNNAMED
from genolstm.introgression.train import CONTEXT, TILE
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.lstm.bundle.saving import export_members
from genolstm.lstm.train.network import build_network
from genolstm.provenance import record


def named(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return PyTorch's weights by the names and in the shapes of the core; the gates have the same order."""
    found = {"input/kernel": weights["conv.weight"].transpose(2, 1, 0), "input/bias": weights["conv.bias"]}
    for layer in range(NETWORK.layers):
        for direction, tail in (("forward", ""), ("backward", "_reverse")):
            place, name = f"l{layer}{tail}", f"lstm{layer + 1}/{direction}"
            found[f"{name}/kernel"] = weights[f"lstm.weight_ih_{place}"].T
            found[f"{name}/recurrent_kernel"] = weights[f"lstm.weight_hh_{place}"].T
            found[f"{name}/bias"] = weights[f"lstm.bias_ih_{place}"] + weights[f"lstm.bias_hh_{place}"]
    return found | {"head/kernel": weights["head.weight"].T, "head/bias": weights["head.bias"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--baseline", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--likeness", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with np.load(arguments.weights) as content:
        weights = named({name: content[name] for name in content.files})
    network = build_network(NETWORK)
    network.set_weights([weights[name] for name in NETWORK.weight_shapes])
    earlier = Bundle.open(arguments.baseline)
    baseline = earlier.metadata
    if arguments.likeness is not None:
        told = json.loads(arguments.likeness.read_text(encoding="utf-8"))
        likeness, origin = told["likeness"], {"regions": told["likeness"]["regions"], "seeds": told["seeds"]}
    else:
        likeness, origin = baseline.get("likeness"), earlier.provenance.get("likeness")
    account = record(
        settings={"steps": 9043, "batch_size": 256, "learning_rate": 4e-3, "window": 1024},
        seeds={"training": [1_000_000, 1_001_539], "network": 7, "order": 11},
    )
    save_bundle(
        arguments.output,
        kind="introgression",
        members=export_members(network, NETWORK),
        config=NETWORK,
        metadata={
            **TRACKS.requirements(),
            "label": UNNAMED,
            "context": CONTEXT,
            "tile": TILE,
            "hmm": baseline["hmm"],
            "hmm_threshold": baseline["hmm_threshold"],
            **({} if likeness is None else {"likeness": likeness}),
        },
        provenance=account | ({} if origin is None else {"likeness": origin}),
        card=arguments.card.read_text(encoding="utf-8"),
        force=True,
    )


if __name__ == "__main__":
    main()
