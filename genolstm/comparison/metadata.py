"""What a network of a comparison says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from genolstm.comparison.architectures import ARCHITECTURES, RECURRENT
from genolstm.errors import ModelError
from genolstm.fields import Fields
from genolstm.lstm.bundle.bundle import Bundle

KIND = "comparison"
_MOST_CLASSES = 10_000


@dataclass(frozen=True)
class ModelMetadata:
    """The metadata of a network, checked.

    Attributes
    ----------
    architecture
        One of :data:`~genolstm.comparison.architectures.ARCHITECTURES`.
    classes
        Names of the classes, in the order of their codes.
    length
        Bases per sequence.
    """

    architecture: str
    classes: tuple[str, ...]
    length: int


def read_metadata(bundle: Bundle) -> ModelMetadata:
    """Return what a network of a comparison says of itself.

    Raises
    ------
    ModelError
        The bundle is of another kind, or lacks or misstates something.
    """
    bundle.require(kind=KIND, alphabet="ACGT")
    fields = Fields(bundle.metadata, path=bundle.path)
    found = ModelMetadata(
        fields.choice("architecture", ARCHITECTURES),
        tuple(fields.words("classes", _MOST_CLASSES)),
        fields.whole("length", 1, 1 << 30),
    )
    config = bundle.config
    if (found.architecture in RECURRENT) != (config is not None):
        fields.refuse("architecture", f"{found.architecture!r}, which the network is not")
    if config is not None and (config.n_features != 4 or config.per_step or config.cell != found.architecture):
        raise ModelError("its network does not read DNA", path=bundle.path)
    return found
