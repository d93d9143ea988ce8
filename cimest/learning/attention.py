"""Attention: activations times activations, digital and exact."""

from __future__ import annotations

import numpy as np

from cimest.learning.codes import Signal, values
from cimest.learning.layers import Part
from cimest.network import Attention


class AttentionPart(Part):
    """softmax(Q K^T / sqrt(d / heads)) V of each head, and both operands' errors of each product."""

    def __init__(self, layer: Attention):
        self.width, self.steps, _ = layer.output
        self.heads, self.causal = layer.heads, layer.causal
        self.factor = np.float32((self.width // self.heads) ** -0.5)

    def _split(self, maps: np.ndarray) -> np.ndarray:
        """Query, key and value (3, samples, heads, steps, size of a head), in double precision.

        Its products are then the same, once rounded to single precision, in whatever order they are summed.
        """
        parts = maps.reshape(-1, self.steps, 3, self.heads, self.width // self.heads)
        return parts.transpose(2, 0, 3, 1, 4).astype(np.float64)

    def _joined(self, heads: np.ndarray) -> np.ndarray:
        """One vector for each step from (samples, heads, steps, size of a head)."""
        return heads.transpose(0, 2, 1, 3).reshape(-1, self.steps, 1, self.width).astype(np.float32)

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """Weighted means of the values."""
        query, key, value = self._split(values(inputs[0]))
        scores = query @ key.swapaxes(-1, -2) * self.factor
        if self.causal:
            scores[..., ~np.tri(self.steps, dtype=bool)] = -np.inf
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = powers / powers.sum(axis=-1, keepdims=True)
        if training:
            self.operands = query, key, value, weights
        return self._joined(weights @ value)

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Errors of query, key and value."""
        query, key, value, weights = self.operands
        heads = error.reshape(-1, self.steps, self.heads, self.width // self.heads)
        above = heads.transpose(0, 2, 1, 3).astype(np.float64)
        of_weights = above @ value.swapaxes(-1, -2)
        of_scores = weights * (of_weights - (of_weights * weights).sum(axis=-1, keepdims=True)) * self.factor
        parts = of_scores @ key, of_scores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ above
        return (np.concatenate([self._joined(part) for part in parts], axis=3),)
