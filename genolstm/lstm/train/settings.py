"""How to train a network, and what a caller may plug into the loop; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from genolstm.settings import POSITIVE, SHARE, Range, check

if TYPE_CHECKING:
    import numpy as np

# (y, prediction) -> loss of shape (n,), (n, steps) or scalar, in TensorFlow.
Loss = Callable[[Any, Any], Any]
# (y, prediction) of the whole held-out set -> number, in NumPy.
Metric = Callable[[Any, Any], float]
# (x, y, random) of a batch -> (x, y), in NumPy.
Augment = Callable[[Any, Any, "np.random.Generator"], tuple[Any, Any]]
Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    epochs
        Maximum number of epochs.
    batch_size
        Number of sequences per step.
    learning_rate
        Peak learning rate of Adam.
    schedule
        ``cosine`` lowers the learning rate to 1 % of its peak over all epochs; ``constant`` keeps it.
    warmup_steps
        Number of steps over which the learning rate first rises to its peak; 0 for none.
    clipnorm
        Largest norm of the gradient of all weights together; 0 for no limit.
    weight_decay
        Decoupled weight decay, as in AdamW; 0 for none.
    patience
        Number of epochs without a better held-out score after which training stops; 0 for never.
    seed
        Seed of initial weights, dropout, split, order and augmentation.
    validation_fraction
        Share of the groups to hold out, at least one of them.
    steps_per_epoch
        Number of steps that count as an epoch; 0 for one pass over the data.
    checkpoint_steps
        Number of steps between checkpoints within an epoch; 0 to write them only at its end.
    distribute
        Share each batch among all accelerators, if there are several.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    epochs: Annotated[int, Range(1)] = 20
    batch_size: Annotated[int, Range(1)] = 32
    learning_rate: Annotated[float, POSITIVE] = 2e-3
    schedule: Schedule = "cosine"
    warmup_steps: Annotated[int, Range(0)] = 0
    clipnorm: Annotated[float, Range(0)] = 1.0
    weight_decay: Annotated[float, Range(0)] = 0.0
    patience: Annotated[int, Range(0)] = 5
    seed: Annotated[int, Range(0)] = 1
    validation_fraction: Annotated[float, SHARE] = 0.1
    steps_per_epoch: Annotated[int, Range(0)] = 0
    checkpoint_steps: Annotated[int, Range(0)] = 0
    distribute: bool = False

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return asdict(self)
