"""The functional simulator: analog tiles, layers, training, checkpoints."""

from cimest.learning.trainer import Epoch, Progress, Trainer

__all__ = ["Epoch", "Progress", "Trainer"]
