"""What a sequence-only model says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from genolstm.errors import ModelError, SettingError
from genolstm.fields import Fields
from genolstm.introgression.metadata import KIND as SCANS
from genolstm.introgression.metadata import SEQUENCE_ONLY
from genolstm.introgression.sequence_only.settings import MAX_K, SentenceSettings, Split
from genolstm.lstm.bundle.bundle import Bundle

_MOST = 1_000_000


@dataclass(frozen=True)
class ModelMetadata:
    """The metadata of a model, checked.

    Attributes
    ----------
    sentences
        How the sentences that it reads are cut.
    split
        What was kept together when data were held out.
    threshold
        Probability from which on a sentence is called archaic.
    warning
        What must be said whenever it is used.
    """

    sentences: SentenceSettings
    split: str
    threshold: float
    warning: str


def read_metadata(bundle: Bundle) -> ModelMetadata:
    """Return what a sequence-only model says of itself.

    Raises
    ------
    ModelError
        The bundle is of another kind, lacks or misstates something, or its network does not read its sentences.
    """
    if bundle.kind == SCANS:
        raise ModelError(
            "is a model that compares with references, not a sequence-only one",
            path=bundle.path,
            hint="use it with: genolstm introgression scan",
        )
    bundle.require(kind=SEQUENCE_ONLY)
    fields = Fields(bundle.metadata, path=bundle.path)
    try:
        sentences = SentenceSettings(
            fields.whole("k", 1, MAX_K),
            fields.whole("sentence", 1, _MOST),
            fields.whole("step", 1, _MOST),
            fields.number("known", 0, 1),
        )
    except SettingError as error:
        raise ModelError(f"misstates how its sentences are cut: {error.reason}", path=bundle.path) from error
    found = ModelMetadata(
        sentences,
        fields.choice("split", get_args(Split)),
        fields.number("threshold", 0, 1),
        fields.word("warning", most=1000),
    )
    if not found.warning.strip():
        fields.refuse("warning", "it is empty")
    if "test" in fields:
        _check_test(fields.table("test"))
    config = bundle.config
    if (
        config is None
        or (config.input, config.vocabulary) != ("embedding", sentences.vocabulary)
        or (config.head, config.n_outputs, config.activation) != ("classify", 1, "sigmoid")
    ):
        raise ModelError("its network does not turn sentences into one probability", path=bundle.path)
    return found


def _check_test(test: Fields) -> None:
    """Refuse what cannot be measures."""
    for name in ("sentences", "archaic", "groups"):
        test.whole(name, 0, 1 << 53)
    for name in ("threshold", "guess_f1", "guess_accuracy", "seen"):
        test.number(name, 0, 1)
    test.word("doubt")
    for name in ("auc", "f1", "accuracy"):
        test.number(name, 0, 1)
        if test.values.get(f"{name}_interval") != []:  # there is none of one group
            test.numbers(f"{name}_interval", [2], 0, 1)
