"""GenoLSTM: archaic introgression, alignment and sequence models on one LSTM core.

The public names are imported when they are first used, so that ``import genolstm`` costs
milliseconds and never loads TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "AlignmentScorer": "genolstm.alignment.scorer",
    "GenolstmError": "genolstm.errors",
    "IntrogressionClassifier": "genolstm.introgression.model",
    "KmerPanel": "genolstm.sequences.panel.panel",
    "LSTMConfig": "genolstm.lstm.config",
    "TextGenerator": "genolstm.text.generator",
}

__all__ = [
    "AlignmentScorer",
    "GenolstmError",
    "IntrogressionClassifier",
    "KmerPanel",
    "LSTMConfig",
    "TextGenerator",
    "__version__",
]

if TYPE_CHECKING:
    from genolstm.alignment.scorer import AlignmentScorer
    from genolstm.errors import GenolstmError
    from genolstm.introgression.model import IntrogressionClassifier
    from genolstm.lstm.config import LSTMConfig
    from genolstm.sequences.panel.panel import KmerPanel
    from genolstm.text.generator import TextGenerator

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("genolstm")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'genolstm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
