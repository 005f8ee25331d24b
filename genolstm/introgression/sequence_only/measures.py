"""How well sentences are told apart, with intervals over groups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genolstm.introgression.resampling import FEW_LOCI, Draws

#: Draws of groups for the intervals.
_DRAWS = 200


@dataclass(frozen=True)
class Measures:
    """Measures of probabilities against labels; an interval is of 95 %, over groups drawn with replacement.

    Attributes
    ----------
    sentences, archaic, groups
        Number of sentences, of archaic ones among them, and of groups.
    threshold
        Probability from which on a sentence is called archaic.
    auc
        Probability that an archaic sentence has a higher one than a modern one; 0.5 is chance.
    f1, accuracy
        At the threshold.
    guess_f1, guess_accuracy
        What is reached without reading: F1 of calling everything archaic, accuracy of calling all what most are.
    auc_interval, f1_interval, accuracy_interval
        Empty if there is one group only.
    """

    sentences: int
    archaic: int
    groups: int
    threshold: float
    auc: float
    auc_interval: list[float]
    f1: float
    f1_interval: list[float]
    accuracy: float
    accuracy_interval: list[float]
    guess_f1: float
    guess_accuracy: float

    def doubt(self) -> str:
        """Return why the intervals cannot be trusted; nothing if they can."""
        if self.groups >= FEW_LOCI:
            return ""
        few = f"only {self.groups} group{'s were' if self.groups > 1 else ' was'} set aside"
        return f"{few}: " + ("the intervals cannot be trusted" if self.groups > 1 else "there is no interval")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)


def area(archaic: np.ndarray, probability: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the area under the ROC curve (AUC), 0.5 if all that weighs is of one label.

    It also chooses the epoch: an overconfident network may still rank well.
    """
    from sklearn.metrics import roc_auc_score

    archaic = np.asarray(archaic) > 0
    counted = archaic if weight is None else archaic[weight > 0]
    if counted.all() or not counted.any():
        return 0.5
    return float(roc_auc_score(archaic, np.asarray(probability).ravel(), sample_weight=weight))


def best_threshold(archaic: np.ndarray, probability: np.ndarray) -> float:
    """Return the threshold with the largest difference of the shares called of archaic and of modern sentences.

    Unlike the one of the best F1, it does not fall to 0, where everything is called, if nothing was learned.
    """
    from sklearn.metrics import roc_curve

    wrong, right, thresholds = roc_curve(archaic, probability)
    # The first one calls nothing, and is infinite.
    return float(thresholds[1:][int(np.argmax((right - wrong)[1:]))])


def measure(
    archaic: np.ndarray, probability: np.ndarray, groups: np.ndarray, threshold: float, *, seed: int = 1
) -> Measures:
    """Measure probabilities of sentences.

    Parameters
    ----------
    archaic, probability, groups
        Label (both occur), probability and group of each sentence, shape (n,).
    seed
        Seed of the draws of groups.
    """
    archaic = np.asarray(archaic, dtype=bool)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    draws = Draws(len(names), replicates=_DRAWS, seed=seed)
    called = probability >= threshold

    def of_groups(which: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.bincount(member[which], minlength=len(names)).astype(np.float64)
        return found

    hit, wrong, missed = (of_groups(one) for one in (called & archaic, called & ~archaic, ~called & archaic))
    whole, right = of_groups(np.ones(len(archaic), dtype=bool)), of_groups(called == archaic)
    share = float(archaic.mean())
    areas = [area(archaic, probability, weight[member]) for weight in draws.weights]
    return Measures(
        len(archaic),
        int(archaic.sum()),
        len(names),
        threshold,
        area(archaic, probability),
        [float(one) for one in np.percentile(areas, [2.5, 97.5])] if areas else [],
        float(2 * hit.sum() / (2 * hit.sum() + wrong.sum() + missed.sum())),
        draws.ratio(2 * hit, 2 * hit + wrong + missed),
        float(right.sum() / whole.sum()),
        draws.ratio(right, whole),
        2 * share / (1 + share),
        max(share, 1 - share),
    )


def seen_share(training: np.ndarray, tokens: np.ndarray) -> float:
    """Return the share of sentences that are, token for token, among those of the training."""
    known = {row.tobytes() for row in np.ascontiguousarray(training)}
    return sum(row.tobytes() in known for row in np.ascontiguousarray(tokens)) / max(len(tokens), 1)
