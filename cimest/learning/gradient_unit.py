"""The weight-gradient unit of a tile: activations stored bit by bit, errors streamed over them, counts converted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cimest.kernels import backend
from cimest.kernels.digital import centre, column_sums
from cimest.learning import converter, periphery
from cimest.mapping.blocks import gradient_edges, stored_edges
from cimest.mapping.operands import Operand

if TYPE_CHECKING:
    from cimest.learning.tile import AnalogTile

VERB = "weight_gradient"


class GradientUnit:
    """The unit as one layer uses it.

    Parameters
    ----------
    tile : AnalogTile
        Of the layer; it keeps the converter's range and the counts.
    stacked : bool
        Whether an array of the unit may hold positions of more than one image.
    stored_once : bool
        Whether the unit stores the input map once, or its part for each kernel position.
    """

    def __init__(self, tile: AnalogTile, stacked: bool, stored_once: bool):
        self.tile, self.stacked, self.stored_once = tile, stacked, stored_once
        self.layer, self.unit, self.input_bits = tile.layer, tile.chip.weight_gradient, tile.chip.input_bits
        channels = self.layer.channels // self.layer.groups
        self.curves = periphery.unit_curves(self.unit, tile.address, self.input_bits, channels)

    def gradient(self, x: np.ndarray, errors: np.ndarray, scale: float) -> np.ndarray:
        """Products of one group, inputs taken from their mean if outputs are, times the value of an error of one.

        Parameters
        ----------
        x : array of uint8 or int8, shape (vectors, fan-in)
        errors : array of int8, shape (vectors, columns)
        scale : float

        Returns
        -------
        array of float32, shape (fan-in, columns)
        """
        if self.unit.unit == "digital" or self.unit.adc_kind == "ideal":
            return backend().exact_gradient(x, errors, scale, self.tile.centred)
        by_position, blocks = self._blocks(len(x))
        longest = max(int(np.diff(edges).max()) for edges in by_position)
        _, high = converter.codes(self.unit.adc_bits, signed=False)
        if longest <= high and self.curves is None and self.unit.adc_noise == 0:
            # every count has a code of its own: the unit is exact, and so is this product of whole numbers
            return backend().exact_gradient(x, errors, scale, self.tile.centred)
        product = self._converted(x, errors, by_position, blocks, longest)
        if not self.tile.centred:
            return product * np.float32(scale)
        gradient = np.empty_like(product)
        centre(product, column_sums(x) / len(x), column_sums(errors), scale, gradient)
        return gradient

    def _blocks(self, vectors: int) -> tuple[list[np.ndarray], int]:
        """Blocks of vectors for each kernel position, and their number.

        In maps of equal size the shift moves the blocks' borders, not their number: one division stands for all.
        """
        layer, rows = self.layer, self.unit.rows
        images = vectors // layer.positions
        if self.stored_once and layer.input[1:] != layer.output[1:]:
            places = layer.input[1] * layer.input[2]
            blocks = len(gradient_edges(images * places, rows, None if self.stacked else places)) - 1
            return stored_edges(layer, images, rows, self.stacked), blocks
        whole = gradient_edges(vectors, rows, None if self.stacked else layer.positions)
        return [whole] * layer.kernel_positions, len(whole) - 1

    def _converted(
        self, x: np.ndarray, errors: np.ndarray, by_position: list[np.ndarray], blocks: int, longest: int
    ) -> np.ndarray:
        """Products whose every count passes a converter."""
        unit, tile, inputs, streamed = self.unit, self.tile, self.input_bits, self.tile.operands["backward"]
        if tile.measuring:
            if unit.adc_range == "calibrated":
                middle, words = by_position[len(by_position) // 2], periphery.patterns(x, inputs)
                tile.converters[VERB] = converter.measured_counts(words, errors, middle, unit.adc_bits)
            else:
                codes = converter.codes(unit.adc_bits, signed=False)
                tile.converters[VERB] = periphery.full_range(unit.adc_range, longest, *codes)
        quantiser = tile.converters[VERB]
        bits = inputs, streamed.magnitude_bits
        product, clipped = periphery.gradient(x, errors, by_position, quantiser, self.curves, bits)
        tile.count(VERB, clipped, blocks * inputs * streamed.cycles * product.size)
        if unit.adc_noise:
            stored_power = Operand(inputs, "none").power
            spread = quantiser.step * unit.adc_noise * (blocks * stored_power * streamed.power) ** 0.5
            product = product + np.float32(spread) * tile.draw(product.shape)
        return product
