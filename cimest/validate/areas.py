"""Areas of the groups of parts that the reports print.

Array, converters and accumulation count parts: 1360 arrays, of which each has sixteen converters and shift-adders on
either side, and adder trees. The number of trees is not printed; one for each column of a PE (512), and of a
tile, explains both reports' areas to 2 %, so it is taken, although a PE converts only one column in eight at
once. Words are 15 bit behind an array and 17 behind a PE. Interconnect: a tree over four by four tiles, and one in
each tile over its PEs; the chip's bus has, for each layer, a wire
for each column and each converter's output of one tile, 6336 in all (neurosim_v2_1); the tile's bus is assumed to have
as many for each of its PEs. Weight-gradient unit: 7 x 8
arrays, which is the 900 positions and 128 x 8 bit-columns of layer 2 in whole arrays, and the adders that sum the
gradients of a batch.
"""

from __future__ import annotations

import numpy as np

from cimest.validate.report import Report, pe_columns, pe_tree, printed, running_sum_bits, tile_tree, work
from cimest.validate.row import AREA, UNEXPLAINED, Row, within
from hwlib.components.adc import FlashAdc
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.decoders import RowDecoder
from hwlib.components.drivers import SwitchMatrix
from hwlib.components.interconnect import HTree
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.weight_gradient import SramCimArray
from hwlib.technology import Technology

NOTES = {
    "array": "our reference row and column left out: it has none",
    "adc": "our encoder is built of two-input gates; the reference counts one gate of 32 inputs for each comparator, "
    "which cannot be built",
    "accumulation": "one adder tree for each column, as its area shows",
    "interconnect": UNEXPLAINED
    + "the reference gives neither the width of a tile's bus nor how repeaters become area; our wires at the width "
    "that its rule for the chip's bus gives. Its wires are also too conductive at small nodes",
    "weight_gradient": "mostly adders of running sums, whose width the energy of a gradient's accumulation confirms; "
    "that there is one for each weight of the eight arrays written at once is our reading of its rule for buffers",
}


def areas(report: Report) -> list[Row]:
    """A row for each group."""
    chip, tech = printed()["chip"], report.tech
    converters = 2 * report.converters * chip["arrays"]
    trees = sum(
        tiles["number"]
        * (tiles["pes"] * pe_columns() * pe_tree().area(tech) + tiles["columns"] * tile_tree(tiles["words"]).area(tech))
        for tiles in (chip["kernel_tiles"], chip["plain_tiles"])
    )
    ours = {
        "array": chip["arrays"] * report.array.area(tech),
        "adc": converters * report.adc.area(tech),
        "accumulation": converters * report.shift_add.area(tech) + trees,
        "interconnect": _interconnect(report),
        "weight_gradient": gradient_arrays() * _gradient_array(tech) + _running_sums(tech),
    }
    return [
        within(AREA, f"area, {report.name}", name, "mm²", 1e-6, ours[name], 1e-6 * report.area[name], NOTES[name])
        for name in ours
    ]


def _running_sums(tech: Technology) -> float:
    """Adders that sum a batch's gradients, one for each weight of the arrays that are written at once. [m²]"""
    chip = printed()["chip"]
    weights = chip["parallel_writes"] * chip["rows"] * chip["columns"]
    return float(weights * Adder(running_sum_bits()).area(tech))


def _interconnect(report: Report) -> float:
    """Trees of the chip and of the tiles. [m²]"""
    chip, tech = printed()["chip"], report.tech
    kinds = (chip["kernel_tiles"], chip["plain_tiles"])
    tiles = sum(kind["number"] for kind in kinds)
    per_column = 1 + 1 / chip["columns_per_adc"]
    total = 0.0
    for kind in kinds:
        wires = kind["pes"] * pe_columns() * per_column
        total += kind["number"] * HTree(kind["side"], kind["side"], report.pe_side, report.pe_side, wires).area(tech)
    tile_side = report.pe_side * np.sqrt(sum(kind["number"] * kind["pes"] for kind in kinds) / tiles)
    grid = np.ceil(np.sqrt(tiles))
    wires = per_column * sum(kind["layers"] * kind["columns"] for kind in kinds)
    return float(total + HTree(grid, grid, tile_side, tile_side, wires).area(tech))


def gradient_arrays() -> int:
    """Arrays of the weight-gradient unit: what the layer of the largest map fills, in whole arrays rounded down."""
    chip, largest = printed()["chip"], work()[1]
    bits = largest.layer.input[0] * chip["input_bits"]
    return (largest.vectors // chip["rows"]) * (bits // chip["columns"])


def _gradient_array(tech: Technology) -> float:
    """One array of the weight-gradient unit with its periphery. [m²]"""
    chip = printed()["chip"]
    bits, rows, columns = chip["gradient_adc_bits"], chip["rows"], chip["columns"]
    behind = [FlashAdc(bits), ShiftAdd(bits, chip["input_bits"]), Accumulator(chip["gradient_word_bits"])]
    around = [SramCimArray(rows, columns), SwitchMatrix(rows, tech.vdd), RowDecoder(rows)]
    each = sum(part.area(tech) for part in behind) * columns / chip["columns_per_adc"]
    return float(each + sum(part.area(tech) for part in around))
