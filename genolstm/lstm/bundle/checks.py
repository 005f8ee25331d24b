"""What the members of a bundle must be, whoever made it, before any of them is used.

A digest shows that a bundle is as it was written; but whoever writes one gives it a right digest. So
what a member holds is compared with what the bundle's settings imply.
"""

from __future__ import annotations

from collections.abc import Mapping

from genolstm.errors import ModelError
from genolstm.lstm.bundle.custom import check_custom
from genolstm.lstm.bundle.graph import write_step
from genolstm.lstm.bundle.initializers import checked_weights
from genolstm.lstm.bundle.keras_file import check_keras
from genolstm.lstm.config import LSTMConfig

MAX_CARD = 1 << 20


def check_members(config: LSTMConfig | None, members: Mapping[str, bytes]) -> None:
    """Refuse members that are not what a bundle of these settings holds.

    Raises
    ------
    ModelError
        A graph is not the one of the settings, a Keras file holds more than layers, the card is
        not text.
    """
    _check_card(members.get("card.md", b""))
    whole, step = members.get("model.onnx"), members.get("step.onnx")
    if config is None:
        if step is not None:
            raise ModelError("the model bundle has a one-step graph, and no settings of a network")
        if whole is not None:
            check_custom(whole)
    else:
        if whole is None:
            raise ModelError("the model bundle has settings of a network, and no model.onnx")
        weights = checked_weights(whole, config)
        if step is not None and step != write_step(config, weights):
            raise ModelError("the model bundle's step.onnx is not the one-step form of its network")
    if "model.keras" in members:
        check_keras(members["model.keras"])


def _check_card(content: bytes) -> None:
    if len(content) > MAX_CARD:
        raise ModelError("the model card is too large")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError("the model card is not UTF-8 text") from error
