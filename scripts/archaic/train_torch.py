"""Train the network of the model ``archaic`` on a GPU, with PyTorch, and write its weights.

    python scripts/archaic/train_torch.py TRACKS --steps 9000 -o weights.npz

The same network as ``genolstm.introgression.settings.NETWORK``; ``to_bundle.py`` makes a model of the weights.
Which archaics are given, and in which order, is drawn for each window anew, so that one network learns to
read two, one or none. The shipped weights took 9,043 steps, eight minutes on an H100 that trained five
other shapes beside it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn

from genolstm.introgression.channels import CALLABLE, N_COUNTS
from genolstm.introgression.settings import NETWORK
from genolstm.introgression.tracks import BOTH, FIRST, NOT_FIRST, SECOND

WINDOW = 2048  # bins of 500 bp
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Network(nn.Module):
    """Reads bins of 500 bp in pairs; gives the logits of the classes of every bin of 1 kb."""

    def __init__(self) -> None:
        super().__init__()
        units, stride = NETWORK.layer_units[0], NETWORK.stride
        self.conv = nn.Conv1d(NETWORK.n_features, NETWORK.input_units, NETWORK.kernel_size, stride)
        self.lstm = nn.LSTM(NETWORK.input_units, units, NETWORK.layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * units, NETWORK.n_outputs * stride)
        with torch.no_grad():  # as Keras begins: forget gates open
            for name, weights in self.lstm.named_parameters():
                if "bias" in name:
                    weights.zero_()
                    if "bias_ih" in name:
                        weights[units : 2 * units] = 1
                elif "weight_hh" in name:
                    for gate in range(4):
                        nn.init.orthogonal_(weights[gate * units : (gate + 1) * units])
                else:
                    nn.init.xavier_uniform_(weights)
            nn.init.xavier_uniform_(self.head.weight)
            self.head.bias.zero_()
            self.head.bias.view(stride, -1)[:, 0] = 3  # most bins are modern

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.log1p(in_pairs(x)).transpose(1, 2)
        overlap = NETWORK.kernel_size - NETWORK.stride
        x = torch.relu(self.conv(nn.functional.pad(x, (overlap // 2, overlap - overlap // 2)))).transpose(1, 2)
        hidden, _ = self.lstm(x.contiguous())
        return self.head(hidden).reshape(len(x), -1, NETWORK.n_outputs)


def in_pairs(x: torch.Tensor) -> torch.Tensor:
    """Return bins of 1 kb: counts add up, the rest is averaged."""
    pairs = x.reshape(len(x), -1, 2, x.shape[2])
    return torch.cat([pairs[..., :N_COUNTS].sum(2), pairs[..., N_COUNTS:].mean(2)], -1)


def given(
    x: torch.Tensor, y: torch.Tensor, has: torch.Tensor, random: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw which archaics are given, and in which slot; return the channels and the shares of the classes."""
    draw = torch.rand(len(x), generator=random, device=x.device)
    one = (draw < 0.72) & has[:, 0]
    two = ((draw < 0.42) | ((draw >= 0.72) & (draw < 0.86))) & has[:, 1]
    turned = torch.rand(len(x), generator=random, device=x.device) < 0.5
    turned = torch.where(one & two, turned, two & ~one)  # one archaic alone stands in the first slot
    x = x.clone()
    first, second = one[:, None, None].to(x.dtype), two[:, None, None].to(x.dtype)
    x[..., FIRST] *= first
    x[..., SECOND] *= second
    x[..., BOTH] *= first * second
    flip = turned[:, None, None]
    x[..., FIRST], x[..., SECOND] = (
        torch.where(flip, x[..., SECOND], x[..., FIRST]),
        torch.where(flip, x[..., FIRST], x[..., SECOND]),
    )
    for low in (NOT_FIRST, CALLABLE + 1):
        a, b = x[..., low] * first[..., 0], x[..., low + 1] * second[..., 0]
        x[..., low], x[..., low + 1] = torch.where(flip[..., 0], b, a), torch.where(flip[..., 0], a, b)
    nea, den = y[..., 0] * first[..., 0], y[..., 1] * second[..., 0]
    unknown = y.sum(-1) - nea - den
    shares = torch.stack([torch.where(flip[..., 0], den, nea), torch.where(flip[..., 0], nea, den), unknown], -1)
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=1)
    return x, torch.cat([1 - shares.sum(-1, keepdim=True), shares], -1)


def load(folder: Path) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tracks, shares, and which archaics there are, of all haplotypes."""
    parts: list[list[torch.Tensor]] = [[], [], []]
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as content:
            parts[0].append(torch.from_numpy(content["x"]).to(DEVICE))
            parts[1].append(torch.from_numpy(content["y"]).to(DEVICE))
            parts[2].append(torch.from_numpy(np.repeat(content["has"][None], len(content["x"]), 0)).to(DEVICE))
    tracks, shares, has = (torch.cat(part) for part in parts)
    return tracks, shares, has


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=4e-3)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(7)
    network = Network().to(DEVICE)
    random = torch.Generator(device=DEVICE)
    random.manual_seed(11)
    tracks, shares, has = load(arguments.folder)
    n, bins, channels = tracks.shape
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    size = arguments.batch_size
    for step in range(arguments.steps):
        done = step / arguments.steps
        rate = arguments.learning_rate * min(1, done / 0.03 + 1e-3) * (1 + math.cos(math.pi * done)) / 2 + 1e-6
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(n, (size,), generator=random, device=DEVICE)
        starts = torch.randint((bins - WINDOW) // 8 + 1, (size,), generator=random, device=DEVICE) * 8
        places = (rows * bins + starts)[:, None] + torch.arange(WINDOW, device=DEVICE)[None]
        x = tracks.view(-1, channels)[places].float()
        y = shares.view(-1, 3)[places].float() / 255
        x, classes = given(x, y, has[rows], random)
        classes = classes.reshape(size, -1, 2, classes.shape[2]).mean(2)
        known = x[..., CALLABLE].reshape(size, -1, 2).mean(2) > 0.02
        weight = torch.where(known, 1.0, 0.1)
        entropy = -(torch.log_softmax(network(x), -1) * classes).sum(-1)
        loss = (entropy * weight).sum() / weight.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if step % 200 == 199:
            print(step + 1, round(loss.item(), 5), flush=True)
    np.savez(arguments.output, **{name: value.cpu().numpy() for name, value in network.state_dict().items()})


if __name__ == "__main__":
    main()
