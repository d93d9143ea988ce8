"""Losses: their value, and the errors that training starts from."""

from __future__ import annotations

import numpy as np


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Softmax of outputs (vectors, classes)."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean loss, and errors: probability minus one at the label."""
    errors = probabilities(outputs)
    chosen = np.arange(len(labels)), labels
    loss = float(-np.log(np.maximum(errors[chosen], np.finfo(np.float32).tiny)).mean())
    errors[chosen] -= 1
    return loss, errors


def squared_error(outputs: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean over vectors of half the squared distance to one at the label, and errors."""
    errors = outputs - np.eye(outputs.shape[1], dtype=np.float32)[labels]
    return float(0.5 * np.square(errors).sum(axis=1).mean()), errors


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}

OUTPUT_RANGE = {"cross_entropy": 1.0, "squared_error": 0.25}
"""Root mean square that the network's outputs start with, to a power of two nearby, by loss.

Our choice; targets of one in ten classes have 0.3. A softmax that starts at 2 is so steep that steps which serve the
other layers make the last one swing. VGG-8 at an eighth of its width on +6/-6, error feedback at 0.03, 5 bits forward,
1 000 batches of 50, two seeds: loss 1.28 and a burst to 6; started at 1 it is 1.13 and 1.16, at 0.25 1.44 and 1.10."""


def centre(labels: np.ndarray, classes: int) -> np.ndarray | None:
    """Where the centres of the outputs of a softmax belong: the logarithm of each class's frequency.

    Outputs are centred digitally, so this is a constant of that offset. Each label counts once more than it is seen,
    so that a class without labels has a finite logarithm; it counts from that of equal frequencies, which needs none.
    """
    counts = np.bincount(labels.reshape(-1), minlength=classes) + 1.0
    if (counts == counts[0]).all():
        return None
    return np.log(counts * classes / counts.sum()).astype(np.float32)
