"""How to train a network, and what a caller may put into the loop; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from genolstm.errors import SettingError

if TYPE_CHECKING:
    import numpy as np

SCHEDULES = ("cosine", "constant")

# (y, prediction) -> loss of shape (n,), (n, steps) or scalar, in TensorFlow.
Loss = Callable[[Any, Any], Any]
# (y, prediction) of the whole held-out set -> number, in NumPy.
Metric = Callable[[Any, Any], float]
# (x, y, random) of a batch -> (x, y), in NumPy.
Augment = Callable[[Any, Any, "np.random.Generator"], tuple[Any, Any]]


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    epochs
        Passes over the data at most.
    batch_size
        Sequences a step.
    learning_rate
        Of Adam, at its height.
    schedule
        ``cosine`` falls to 1 % of it over all epochs; ``constant`` does not.
    warmup_steps
        Steps over which it first rises.
    clipnorm
        Largest norm of the gradient of all weights together; 0: no limit.
    weight_decay
        Decoupled, as in AdamW.
    patience
        Epochs without a better held-out score after which to stop; 0: never.
    seed
        Of initial weights, dropout, split, order and augmentation.
    validation_fraction
        Share of the groups held out.
    steps_per_epoch
        Steps that count as an epoch; 0: one pass over the data.
    checkpoint_steps
        Also write a checkpoint after this many steps; 0: after each epoch only.
    distribute
        Share each batch among all accelerators, where there are several.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    warmup_steps: int = 0
    clipnorm: float = 1.0
    weight_decay: float = 0.0
    patience: int = 5
    seed: int = 1
    validation_fraction: float = 0.1
    steps_per_epoch: int = 0
    checkpoint_steps: int = 0
    distribute: bool = False

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("warmup_steps", 0),
            ("patience", 0),
            ("seed", 0),
            ("steps_per_epoch", 0),
            ("checkpoint_steps", 0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SettingError(f"{name} is {value!r}, a whole number from {least} is needed")
        for name in ("learning_rate", "clipnorm", "weight_decay", "validation_fraction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise SettingError(f"{name} is {value!r}, a number from 0 is needed")
            object.__setattr__(self, name, float(value))
        if not 0 < self.learning_rate < float("inf"):
            raise SettingError(f"learning_rate is {self.learning_rate}, it must be above 0")
        if self.validation_fraction >= 1:
            raise SettingError("validation_fraction must be below 1")
        if self.schedule not in SCHEDULES:
            raise SettingError(f"schedule is {self.schedule!r}, it must be one of {', '.join(SCHEDULES)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return asdict(self)
