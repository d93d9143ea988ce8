"""How a tile's arrays are read: what wires and noise leave of the weights, and the converters of either side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.kernels import backend
from cimest.kernels.digital import transposed
from cimest.kernels.types import Periphery
from cimest.learning import periphery, whole_vector, wires
from cimest.learning.codes import Errors
from cimest.mapping import operands
from cimest.mapping.operands import Operand

if TYPE_CHECKING:
    from cimest.learning.tile import AnalogTile


class Readout:
    """The arrays of one layer as they are read, from its inputs or from its outputs.

    Parameters
    ----------
    tile : AnalogTile
        Of the layer; it keeps the converters' ranges and the counts.

    Attributes
    ----------
    held : array of float32, shape (fan-in, fan-out), or None
        Weights that are read instead of the cells'.
    losses : array of float32, shape (fan-in, fan-out), or None
        See `wires.losses`; None until they are needed.
    noise : array, shape (fan-in, fan-out), or None
        Variance of the weights from read to read; None until it is needed.
    beside : float
        Of which so much is that of other arrays, whose currents join those of the weights.
    """

    def __init__(self, tile: AnalogTile):
        self.tile, self.chip, self.layer = tile, tile.chip, tile.layer
        self.held: np.ndarray | None = None
        self.losses: np.ndarray | None = None
        self.noise: np.ndarray | None = None
        self.beside = 0.0
        self.segment = wires.segment_resistance(self.chip)
        self.adcs = {"forward": self.chip.adc, "backward": self.chip.backward_adc}
        self.curves = {
            "forward": self._curves("forward", 0, tile.row_edges, tile.all_column_edges),
            "backward": self._curves("backward", 1, tile.column_edges, tile.row_edges),
        }

    def _curves(self, verb: str, draw: int, edges: np.ndarray, lines: np.ndarray) -> periphery.Transfer | None:
        """Errors of the converters of one side, one row for each block of inputs; all groups' one under the other."""
        adc = self.adcs[verb]
        blocks = (len(edges) - 1) * (self.layer.groups if draw else 1)
        converters = periphery.positions(lines, adc.columns_per_adc)
        return periphery.transfer(adc.offset, adc.inl, self.tile.address, draw, blocks, converters)

    def changed(self) -> None:
        """Forget what is known of the cells as they were."""
        self.noise = None
        if self.chip.array.wire_solution == "exact":
            self.losses = None

    @property
    def _weights(self) -> np.ndarray:
        """What arrays are read with, as it reaches the converters."""
        weights = self.tile.weights if self.held is None else self.held
        return weights * self._lost() if self.segment else weights

    def _lost(self) -> np.ndarray:
        """See `wires.losses`; a correction is fitted anew when converters are calibrated."""
        exact = self.chip.array.wire_solution == "exact"
        if self.losses is None or (self.tile.measuring and not exact):
            cells = [each.conductance() for each in self.tile.cells]
            self.losses = wires.losses(cells, self.segment, exact, self.tile.row_edges, self.tile.all_column_edges)
        return self.losses

    def variance(self) -> np.ndarray | None:
        """Variance of the weights from read to read: of both cells of a pair, each of which makes half of it."""
        if self.chip.device.read_noise is None or self.held is not None:
            return None
        if self.noise is None:
            each: list[Any] = [cells.read_variance() for cells in self.tile.cells]
            self.noise = np.sum(each, axis=0) / len(each) ** 2 + self.beside
        return self.noise * np.square(self._lost()) if self.segment else self.noise

    def forward(self, x: np.ndarray) -> np.ndarray:
        """See `AnalogTile.forward`."""
        operand, edges = operands.inputs(self.chip, signed=x.dtype == np.int8), self.tile.row_edges
        self.tile.operands["forward"] = operand
        parts, curves, weights, variance = self.tile.groups(), self.curves["forward"], self._weights, self.variance()
        self._find_range("forward", x[:, parts[0][0]], weights[:, parts[0][1]], edges)
        read = []
        for lines, columns in parts:
            own = curves and periphery.Transfer(*(np.ascontiguousarray(entry[:, columns]) for entry in curves))
            noise = None if variance is None else variance[:, columns]
            given = np.ascontiguousarray(x[:, lines])
            read.append(self._read("forward", given, weights[:, columns], noise, edges, own))
        return read[0] if len(read) == 1 else np.concatenate(read, axis=1)

    def backward_by(self, vectors: int, delta: Errors) -> Iterator[np.ndarray]:
        """See `AnalogTile.backward_by`."""
        codes, edges = delta.codes, self.tile.column_edges
        parts, curves, variance = self.tile.groups(), self.curves["backward"], self.variance()
        blocks, weights = len(edges) - 1, self._weights.T
        if self.adcs["backward"].kind != "ideal":
            weights = transposed(weights.T)
        first = parts[0][1]
        self._find_range("backward", codes[:, first], weights[first], edges)
        for start in range(0, len(codes), vectors):
            given, read = codes[start : start + vectors], []
            for group, (_, lines) in enumerate(parts):
                rows = slice(group * blocks, (group + 1) * blocks)
                own = curves and periphery.Transfer(*(entry[rows] for entry in curves))
                noise = None if variance is None else variance.T[lines]
                errors = np.ascontiguousarray(given[:, lines])
                read.append(self._read("backward", errors, weights[lines], noise, edges, own))
            yield read[0] if len(read) == 1 else self._together(read)

    def _together(self, read: list[np.ndarray]) -> np.ndarray:
        """What the groups' inputs get, in the order of all inputs."""
        y = np.empty((len(read[0]), self.layer.fan_in * len(read)), dtype=np.float32)
        for (inputs, _), part in zip(self.tile.groups(), read, strict=True):
            y[:, inputs] = part
        return y

    def _find_range(self, verb: str, x: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> None:
        """Set the converter's range, if it is time to and lines are driven; groups have the same."""
        adc, found = self.adcs[verb], self.tile.converters
        if not self.tile.measuring or adc.kind == "ideal" or (verb in found and not x.any()):
            return
        operand, choice = self.tile.operands[verb], self.chip.periphery
        if choice.kind == "whole_vector":
            found[verb] = whole_vector.range_of(x, weights, edges, adc, operand, choice)
        else:
            found[verb] = periphery.range_of(x, weights, edges, adc, operand)

    def _read(
        self,
        verb: str,
        x: np.ndarray,
        weights: np.ndarray,
        variance: np.ndarray | None,
        edges: np.ndarray,
        curves: periphery.Transfer | None,
    ) -> np.ndarray:
        """Products of one group."""
        adc, operand, blocks = self.adcs[verb], self.tile.operands[verb], len(edges) - 1
        if self.chip.periphery.kind == "whole_vector":
            return self._read_whole(verb, x, weights, variance, edges)
        if adc.kind == "ideal":
            y, clipped = backend().matmul(x, weights), 0
        else:
            y, clipped = periphery.product(x, weights, edges, self.tile.converters[verb], curves, operand)
        self.tile.count(verb, clipped, len(x) * operand.cycles * weights.shape[1] * blocks)
        noise = 0.0 if adc.kind == "ideal" else self._thermal(verb, adc.noise, operand, blocks)
        if variance is None and noise == 0:
            return y
        spread: Any = noise
        if variance is not None:
            read_noise = self.chip.device.read_noise
            assert read_noise is not None, "see variance"
            white = read_noise.spectrum == "white"
            spread = np.sqrt(noise**2 + periphery.read_variance(x, variance, operand, white))
        y += (spread * self.tile.draw(y.shape)).astype(np.float32)
        return y

    def whole_periphery(self, verb: str) -> Periphery:
        """Converters of one side as they are, where whole vectors are read."""
        return whole_vector.converters(self.chip, self.adcs[verb], self.tile.converters.get(verb))

    def _read_whole(
        self, verb: str, x: np.ndarray, weights: np.ndarray, variance: np.ndarray | None, edges: np.ndarray
    ) -> np.ndarray:
        """Products of one group, every line at the level of its word."""
        tile, around = self.tile, self.whole_periphery(verb)
        found = whole_vector.product(
            x, weights, variance, edges, tile.operands[verb], self.chip.periphery, around, tile.fresh_address
        )
        tile.count_reads(verb, len(x), found.reads)
        tile.count(verb, found.clipped, found.reads * weights.shape[1] * (len(edges) - 1))
        return found.y

    def _thermal(self, verb: str, noise: float, operand: Operand, blocks: int) -> float:
        """Standard deviation of an output whose every conversion has a thermal noise of so many steps.

        Conversions are independent and enter with the weight of their bit, so their variances add; drawing them
        once at the output is exact where noise passes the rounding unchanged (our choice: as if it came after).
        """
        return self.tile.converters[verb].step * noise * (blocks * operand.power) ** 0.5 if noise else 0.0
