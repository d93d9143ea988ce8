"""Long short-term memory: one tile for all gates, read once a step, and a digital gate unit."""

from __future__ import annotations

import numpy as np

from cimest.learning.codes import Codes, Errors, Signal, aligned, quantise
from cimest.learning.layers import logistic
from cimest.learning.matrix import WeightedPart
from cimest.learning.tile import AnalogTile
from cimest.network import Lstm

FORGET = 1.0
"""Centre of the forget gates before the logistic function, so that cells remember at first (Jozefowicz et al.,
ICML 2015); it is part of the digital offset that centres the products."""


class LstmPart(WeightedPart):
    """An LSTM layer; see `WeightedPart`.

    The hidden state is between -1 and 1, and its codes have that as their full scale. Codes of the inputs enter the
    same reads, so they are taken in the same unit: a power of two between the two scales is part of the layer.

    Backward, the arrays are read from the other side step by step, the last step first. Each step's errors have
    their own power of two; for the weight gradient, which is a sum over the steps, they are shifted to the largest.
    """

    layer: Lstm

    def __init__(self, layer: Lstm, tile: AnalogTile, target: float, error_bits: int, passes: bool, input_bits: int):
        super().__init__(layer, tile, target, error_bits, passes)
        self.features, self.steps, _ = layer.input
        self.hidden = layer.hidden
        self.levels = 2 ** (input_bits - 1)
        self.centring.offset = np.repeat(np.array([0, FORGET, 0, 0], dtype=np.float32), self.hidden)

    def _codes(self, hidden: np.ndarray) -> np.ndarray:
        """Codes of the hidden state."""
        largest = self.levels - 1
        return np.clip(np.rint(hidden * np.float32(self.levels)), -largest, largest).astype(np.int8)

    def _measure(self, on: bool, step: int, first: int) -> None:
        """Let converters and shift adapt at one step of the sequence only, and at the first read of all."""
        self.tile.measuring = on and (step == self.steps // 2 or (self.fresh and step == first))

    def forward(self, *inputs: Signal, training: bool) -> Codes:
        """The hidden state of each step, as codes."""
        (signal,) = inputs
        assert isinstance(signal, Codes), "a model encodes what arrays read"
        codes, unit = signal
        if codes.dtype == np.uint8:  # one bit less, for the sign that the hidden state has
            codes, unit = (codes >> np.uint8(1)).view(np.int8), 2 * unit
        self.gain = 1 / self.levels / unit
        samples, centring, measuring = len(codes), self.centring, self.tile.measuring
        self.fresh = centring.batches == 0
        x = np.zeros((samples, self.steps, self.features + self.hidden), dtype=np.int8)
        x[:, :, : self.features] = codes[:, :, 0]
        y = np.empty((samples, self.steps, 4 * self.hidden), dtype=np.float32)
        states = np.empty((samples, self.steps, 1, self.hidden), dtype=np.int8)
        gates, cells = [], [np.zeros((samples, self.hidden), dtype=np.float32)]
        for step in range(self.steps):
            self._measure(measuring, step, first=0)
            y[:, step] = self.tile.forward(x[:, step]) * np.float32(1 / self.levels)
            if training and self.fresh and step == 0:
                centring.follow(y[:, step])
            z = y[:, step].copy()
            centring.apply(z, centring.mean, self.tile.measuring and training)
            gates.append(self._gates(z))
            i, f, g, o = gates[-1]
            cells.append(f * cells[-1] + i * g)
            states[:, step, 0] = self._codes(o * np.tanh(cells[-1]))
            if step + 1 < self.steps:
                x[:, step + 1, self.features :] = states[:, step, 0]
        self.tile.measuring = measuring
        if training:
            self.x, self.gates, self.cells = x.reshape(samples * self.steps, -1), gates, cells
            centring.follow(y.reshape(samples * self.steps, -1))
        return Codes(states, 1 / self.levels)

    def _gates(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Input gate, forget gate, candidate and output gate from centred products (samples, 4 · hidden)."""
        i, f, g, o = np.split(z, 4, axis=1)
        return logistic(i), logistic(f), np.tanh(g), logistic(o)

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Errors at the inputs of all steps, if they are needed."""
        samples, measuring, last = len(error), self.tile.measuring, self.steps - 1
        above = np.empty((samples, self.steps, 1, self.features), dtype=np.float32)
        of_hidden = np.zeros((samples, self.hidden), dtype=np.float32)
        of_cell = np.zeros_like(of_hidden)
        deltas: list[Errors] = []
        for step in range(last, -1, -1):
            i, f, g, o = self.gates[step]
            squashed = np.tanh(self.cells[step + 1])
            of_hidden = of_hidden + error[:, step, 0]
            of_cell = of_cell + of_hidden * o * (1 - squashed * squashed)
            of_gates = (
                of_cell * g * i * (1 - i),
                of_cell * self.cells[step] * f * (1 - f),
                of_cell * i * (1 - g * g),
                of_hidden * squashed * o * (1 - o),
            )
            of_cell = of_cell * f
            delta = quantise(np.concatenate(of_gates, axis=1), self.error_bits)
            deltas.insert(0, delta)
            self._measure(measuring, step, first=last)
            back = self.tile.backward(delta) * np.float32(self.centring.scale)
            above[:, step, 0], of_hidden = back[:, : self.features], back[:, self.features :]
        self.tile.measuring = measuring
        self.delta = in_order(aligned(deltas), samples)
        return (above * np.float32(self.gain),) if self.passes else ()


def in_order(delta: Errors, samples: int) -> Errors:
    """Errors of step after step, each of all samples, as those of sample after sample."""
    columns = delta.codes.shape[1]
    codes = delta.codes.reshape(-1, samples, columns).swapaxes(0, 1)
    return Errors(np.ascontiguousarray(codes).reshape(-1, columns), delta.scale)
