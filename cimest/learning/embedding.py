"""Learned vectors of tokens and of places, in digital tables."""

from __future__ import annotations

import numpy as np

from cimest.kernels.random import START, uniform
from cimest.kernels.types import Address
from cimest.learning.codes import Signal, values
from cimest.learning.layers import Part, State, descend
from cimest.network import Embedding, PlaceEmbedding

FIRST_RANGE = 0.5
"""First values are uniform within ± this share of full scale (our choice: beside smaller ones, the state of
a recurrent layer drowns them at first)."""


class Table(Part):
    """Vectors that are looked up; their values start within half of full scale, and stay within it.

    Parameters
    ----------
    rows, width : int
        Number and length of the vectors.
    seed, number : int
        Of the run, and of this table: a number that no tile and no other table has.
    """

    def __init__(self, rows: int, width: int, seed: int, number: int):
        start = 2 * uniform(Address(seed, 0, number), START, (rows, width)) - np.float32(1)
        self.vectors = start * np.float32(FIRST_RANGE)

    def state(self) -> State:
        """All that the next batch depends on."""
        return {"vectors": self.vectors}

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self.vectors = state["vectors"].copy()


class EmbeddingPart(Table):
    """The vector of each token; only vectors whose token is in the batch learn.

    Errors of a token are averaged over its places in the batch, since the most frequent ones, which say the least,
    would else decide the step of all (our choice).
    """

    def __init__(self, layer: Embedding, seed: int, number: int):
        super().__init__(layer.vocabulary, layer.width, seed, number)

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """Look up."""
        tokens = np.asarray(inputs[0])[:, :, :, 0]
        if training:
            self.tokens = tokens
        return self.vectors[tokens]

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Average the errors of each token; nothing is behind."""
        self.used, place, counts = np.unique(self.tokens, return_inverse=True, return_counts=True)
        total = np.zeros((len(self.used), self.vectors.shape[1]), dtype=np.float32)
        np.add.at(total, place.reshape(-1), error.reshape(-1, error.shape[-1]))
        self.gradient = total / counts[:, None].astype(np.float32)
        return ()

    def learn(self, rate: float) -> None:
        """One step of the vectors in use."""
        vectors = self.vectors[self.used]
        descend(vectors, self.gradient, rate)
        self.vectors[self.used] = np.clip(vectors, -1, 1)


class PlaceEmbeddingPart(Table):
    """The vector of each place of a sequence is added."""

    def __init__(self, layer: PlaceEmbedding, seed: int, number: int):
        width, places, _ = layer.input
        super().__init__(places, width, seed, number)

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """The sum."""
        return values(inputs[0]) + self.vectors[:, None]

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Sum the errors of each place, and pass them on."""
        self.gradient = error[:, :, 0].sum(axis=0, dtype=np.float64)
        return (error,)

    def learn(self, rate: float) -> None:
        """One step of all vectors."""
        descend(self.vectors, self.gradient, rate)
        np.clip(self.vectors, -1, 1, out=self.vectors)
