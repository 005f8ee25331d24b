"""What the network of a text or genome model reads."""

from __future__ import annotations

import numpy as np

from genolstm.lstm.config import LSTMConfig

KIND = "text"


def encode_input(codes: np.ndarray, config: LSTMConfig) -> np.ndarray:
    """Return codes as the network reads them: as they are, or scaled below 1 as vectors."""
    if config.input == "embedding":
        return codes.astype(np.int32)
    return (codes / np.float32(config.n_outputs)).astype(np.float32)[..., None]
