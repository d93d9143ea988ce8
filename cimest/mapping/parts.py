"""The chip's inventory: which components it has, how many of each, and within which boundary they count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cimest.config.chip import Adc, Chip
from cimest.mapping.arrays import lines_of, weight_array
from cimest.mapping.digital import layer_parts
from cimest.mapping.floorplan import FloorPlan, gradient_blocks
from cimest.mapping.operands import block_bits
from cimest.mapping.part import SPARE_BITS, Part, across, adc
from cimest.mapping.sram_unit import sram_unit
from cimest.network import Network
from hwlib.component import Real
from hwlib.components.adder_tree import Accumulator, AdderTree
from hwlib.components.buffers import SramBuffer
from hwlib.components.comparator import DigitalComparator
from hwlib.components.dac import CapacitiveDac
from hwlib.components.decoders import RowDecoder
from hwlib.components.dram import Dram
from hwlib.components.drivers import SwitchMatrix, WriteDriver
from hwlib.components.interconnect import HTree
from hwlib.components.lookup_table import LookupTable
from hwlib.components.multiplier import Multiplier, MultiplyAccumulate
from hwlib.components.mux import ColumnMux
from hwlib.components.operand_register import OperandRegister
from hwlib.components.outer_product import OuterProductUnit
from hwlib.components.pulse_generator import PulseGenerator
from hwlib.components.random_numbers import StochasticPulseGenerator
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.update_control import UpdateControl
from hwlib.technology import Technology


def gradient_arrays(network: Network, chip: Chip) -> Real:
    """Arrays of the weight-gradient unit; see `WeightGradient.arrays` for what `auto` means."""
    if chip.weight_gradient.arrays != "auto":
        return chip.weight_gradient.arrays
    layers = [layer for layer in network.matrices if layer.positions > 1] or network.matrices
    largest: Real = 1
    for layer in layers:
        rows, columns = gradient_blocks(layer.positions, layer.channels, chip)
        largest = np.maximum(largest, rows * columns)
    return largest


def _side(chip: Chip, arrays: Real, prefix: str, choice: Adc, word: int, lines: Real, other: Real) -> dict[str, Part]:
    """Converters on one side of the arrays, with mux and shift-adders."""
    converters = arrays * np.ceil(lines / choice.columns_per_adc)
    device = chip.device
    mux = ColumnMux(
        columns=lines,
        ratio=choice.columns_per_adc,
        line_resistance=device.on_resistance / other,
        voltage=device.read_voltage,
    )
    parts = {
        f"{prefix}mux": Part(mux, arrays, "macro"),
        f"{prefix}adc": Part(adc(choice.kind, choice.bits, choice.noise, choice.inl), converters, "macro"),
    }
    if chip.periphery.kind == "bit_serial":
        parts[f"{prefix}shift_add"] = Part(ShiftAdd(adc_bits=choice.bits, input_bits=word), converters, "macro")
    return parts


def operand_parts(chip: Chip, arrays: Real) -> dict[str, Part]:
    """What holds the words of an array's lines: registers that give a bit at a time, or DACs with registers."""
    rows, columns, choice = chip.array.rows, chip.array.columns, chip.periphery
    if choice.kind == "bit_serial":
        return {
            "input_register": Part(OperandRegister(bits=chip.input_bits), arrays * rows, "macro"),
            "error_register": Part(OperandRegister(bits=chip.error_bits), arrays * columns, "macro"),
        }
    dac = CapacitiveDac(choice.dac_bits, 2 * chip.device.read_voltage)  # of either sign
    return {"dac": Part(dac, arrays * rows, "macro"), "backward_dac": Part(dac, arrays * columns, "macro")}


def scaling_parts(chip: Chip, operand: Real, result: Real) -> dict[str, Part]:
    """Digital units of noise management: the largest word of a vector, its reciprocal, and products with both.

    As many as the chip's bus feeds (our choice); a reciprocal comes from a table.

    Parameters
    ----------
    operand, result : float or array
        Bits of the widest words of the vectors, and of what a block of lines contributes to a result.
    """
    if chip.periphery.noise_management == "none":
        return {}
    lanes = np.maximum(1, chip.bus_bits // operand)
    return {
        "scale_comparator": Part(DigitalComparator(operand), lanes, "chip"),
        "scale_table": Part(LookupTable(operand, operand), 1, "chip"),
        "scale_multiplier": Part(Multiplier(result + SPARE_BITS, operand), lanes, "chip"),
    }


def array_parts(chip: Chip, plan: FloorPlan, tech: Technology) -> dict[str, Part]:
    """Arrays and what belongs to each of them."""
    rows, columns, device, arrays = chip.array.rows, chip.array.columns, chip.device, plan.arrays
    array, lines = weight_array(chip), lines_of(chip, tech)
    wordlines = SwitchMatrix(rows, device.read_voltage, lines.select_voltage, load=lines.row_load)
    bitlines = SwitchMatrix(lines.columns, device.read_voltage, load=lines.column_load)
    pulse_bits = np.ceil(np.log2(device.states))
    pulses = PulseGenerator(lines=lines.columns, pulse_width=device.pulse_width, count_bits=pulse_bits)
    return {
        "array": Part(array, arrays, "macro"),
        "wordline_driver": Part(wordlines, arrays, "macro"),
        "bitline_driver": Part(bitlines, arrays, "macro"),
        **operand_parts(chip, arrays),
        **_side(chip, arrays, "", chip.adc, chip.input_bits, columns, rows),
        **_side(chip, arrays, "backward_", chip.backward_adc, chip.error_bits, rows, columns),
        "row_decoder": Part(RowDecoder(rows=rows, load=lines.row_load), arrays, "chip"),
        "write_driver": Part(WriteDriver(lines.columns, lines.write_voltage, load=lines.write_load), arrays, "chip"),
        "pulse_generator": Part(pulses, arrays, "chip"),
    }


def tile_parts(chip: Chip, plan: FloorPlan, tech: Technology, array_area: Real, word: Real) -> dict[str, Part]:
    """What a tile has beside its arrays, and the accumulators that join the sums of tiles.

    A tile has one adder tree for each group of columns that its arrays convert at once. Its H-tree reaches over PEs
    that are as large as what is in them. Trees and accumulators serve the sums of all passes.

    Parameters
    ----------
    array_area : float or array
        Of an array with what belongs to it. [m²]
    word : float or array
        Bits of what a block of lines contributes to a result, in the pass where it is widest.
    """
    size, tiles = plan.arrays_per_tile, plan.tiles
    trees = tiles * np.ceil(chip.array.columns / chip.adc.columns_per_adc)
    tree = AdderTree(inputs=np.maximum(size, 2), bits=word)
    buffer = SramBuffer(size=chip.tile.buffer, word=chip.tile.bus_bits)
    pe_side = np.sqrt(array_area * chip.tile.arrays_per_pe)
    inside = _h_tree(size / chip.tile.arrays_per_pe, pe_side, chip.tile.bus_bits)
    adder = Accumulator(bits=word + np.ceil(np.log2(size)) + SPARE_BITS)
    return {
        "adder_tree": Part(tree, trees, "macro"),
        "tile_buffer": Part(buffer, tiles, "chip"),
        "tile_interconnect": Part(inside, tiles, "chip"),
        "tile_accumulator": Part(adder, tiles * np.maximum(1, chip.tile.bus_bits // adder.bits), "macro"),
        "chip_accumulator": Part(adder, np.maximum(1, chip.bus_bits // adder.bits), "macro"),
    }


def _h_tree(leaves: Real, side: Real, bits: Real) -> HTree:
    """H-tree over a grid of square leaves, as square as their number allows."""
    rows = np.ceil(np.sqrt(leaves))
    return HTree(rows=rows, columns=np.ceil(leaves / rows), unit_width=side, unit_height=side, bus_bits=bits)


def chip_tree(tiled: Mapping[str, Part], tiles: Real, bits: Real, tech: Technology) -> HTree:
    """H-tree from the global buffer to the tiles, over a plan in which all that is in tiles has room.

    The digital block, the global buffer foremost, lies beside the tiles where the tree starts, in the middle of a side
    of their plan (our choice). The tree itself lies between the tiles; its area grows with the side s of the plan's
    units: s² units = area of the tiles + s area of a tree over units of 1 m.
    """
    inside = sum(part.count * part.component.area(tech) for part in tiled.values())
    tree = _h_tree(tiles, 1.0, bits)
    units, half = tree.rows * tree.columns, tree.area(tech) / 2
    side = (half + np.sqrt(half**2 + units * inside)) / units
    return _h_tree(tiles, side, bits)


def lane_edge(chip: Chip) -> Real:
    """Rows, and columns, of the square block of gradients that a digital weight-gradient unit's lanes form at once."""
    return np.floor(np.sqrt(chip.weight_gradient.lanes))


def operand_word(chip: Chip) -> Real:
    """Bits that the operand buffer of a digital weight-gradient unit delivers at once: both operands of all lanes."""
    return lane_edge(chip) * (chip.input_bits + chip.error_bits)


AT_ARRAYS = ("fast_array", "reference_array", "row_trains", "column_trains", "row_write_driver")
"""Parts of rules that lie at each array."""


def in_array_parts(chip: Chip, plan: FloorPlan, tech: Technology) -> dict[str, Part]:
    """What outer products pulsed in the arrays need on both sides of each (gokmen2016rpu)."""
    device, arrays, rows, columns = chip.device, plan.arrays, chip.array.rows, chip.array.columns
    load = weight_array(chip).row_line_capacitance(tech)
    return {
        "row_trains": Part(StochasticPulseGenerator(rows, chip.input_bits), arrays, "chip"),
        "column_trains": Part(StochasticPulseGenerator(columns, chip.error_bits - 1), arrays, "chip"),
        "row_write_driver": Part(WriteDriver(rows, device.write_voltage / 2, load=load), arrays, "chip"),
    }


def multiplier_parts(chip: Chip, tech: Technology, products: Real) -> dict[str, Part]:
    """Multipliers whose lanes sum so many products, the buffer that their operands stream from, and the way there."""
    unit = chip.weight_gradient
    sum_bits = chip.input_bits + chip.error_bits - 1 + np.ceil(np.log2(products))
    lanes = {
        "outer_product": Part(OuterProductUnit(chip.input_bits, chip.error_bits, sum_bits, unit.lanes), 1, "macro")
    }
    operands = SramBuffer(size=unit.operand_buffer, word=operand_word(chip))
    return {
        "operand_interconnect": across(lanes, chip, tech),
        **lanes,
        "operand_buffer": Part(operands, 1, "chip"),
    }


def gradient_parts(
    network: Network, chip: Chip, plan: FloorPlan, tech: Technology, products: Real | None
) -> dict[str, Part]:
    """The weight-gradient unit, if there is one; see `inventory`."""
    unit = chip.weight_gradient
    if unit.unit == "in_array":
        return {}
    if unit.unit == "digital":
        products = max(layer.positions for layer in network.matrices) if products is None else products
        multiplying = multiplier_parts(chip, tech, products)
        across_it = multiplying["operand_interconnect"]
    else:
        arrays = sram_unit("gradient", chip, tech, gradient_arrays(network, chip), chip.error_bits - 1)
        across_it = across(arrays, chip, tech)
        multiplying = {"operand_interconnect": across_it, **arrays}
    return {
        "gradient_buffer": Part(SramBuffer(size=unit.buffer, word=chip.bus_bits), 1, "chip"),
        "gradient_interconnect": across_it,  # sums, as operands, reach all places of the unit
        **multiplying,
    }


def digital_parts(network: Network, chip: Chip, tech: Technology, gradient_bits: int, centred: bool) -> dict[str, Part]:
    """Units that work on words as the chip's bus delivers them, the global buffer, and the DRAM; see `inventory`."""
    lanes = np.maximum(1, chip.bus_bits // chip.input_bits)
    pulse_bits = np.ceil(np.log2(chip.device.states))
    control = UpdateControl(value_bits=gradient_bits, pulse_bits=pulse_bits)
    multiplier = MultiplyAccumulate(gradient_bits, gradient_bits, gradient_bits)
    centring = {
        "centring": Part(Accumulator(bits=gradient_bits), lanes, "chip"),
        "centring_multiplier": Part(multiplier, np.maximum(1, chip.bus_bits // gradient_bits), "chip"),
    }
    parts = {
        **(centring if centred else {}),
        "rate_multiplier": Part(
            Multiplier(gradient_bits, gradient_bits), np.maximum(1, chip.bus_bits // gradient_bits), "chip"
        ),
        "update_control": Part(control, np.maximum(1, chip.bus_bits // gradient_bits), "chip"),
        "global_buffer": Part(SramBuffer(size=chip.global_buffer.size, word=chip.global_buffer.word_bits), 1, "chip"),
        "dram": Part(Dram(chip.dram.kind, chip.dram.devices), 1, "system"),
    }
    return parts | layer_parts(network, chip, tech, gradient_bits)


def inventory(
    network: Network,
    chip: Chip,
    plan: FloorPlan,
    tech: Technology,
    gradient_bits: int,
    rule_parts: Mapping[str, Part],
    products: Real | None = None,
    centred: bool = True,
) -> dict[str, Part]:
    """All parts of a chip that carries this network, by name.

    `rule_parts` are those of the training rule, some of which lie at each array; `products` is how many
    a lane of a digital weight-gradient unit sums, by default those of all positions of an image; `centred` says whether
    means are taken off outputs.
    """
    arrays = array_parts(chip, plan, tech)
    arrays |= {name: part for name, part in rule_parts.items() if name in AT_ARRAYS}
    if "row_trains" in arrays:
        arrays.pop("pulse_generator")  # that counts a row's pulses; here trains do
    array_area = sum(part.count * part.component.area(tech) for part in arrays.values()) / plan.arrays
    gradient = gradient_parts(network, chip, plan, tech, products)
    inputs = block_bits(chip, chip.adc, chip.input_bits)
    errors = block_bits(chip, chip.backward_adc, chip.error_bits)
    result = np.maximum(inputs, errors)
    tiled = {**arrays, **tile_parts(chip, plan, tech, array_area, result)}
    parts = {
        **tiled,
        **gradient,
        **digital_parts(network, chip, tech, gradient_bits, centred),
        **scaling_parts(chip, np.maximum(chip.input_bits, chip.error_bits), result),
        **rule_parts,
    }
    return parts | {"chip_interconnect": Part(chip_tree(tiled, plan.tiles, chip.bus_bits, tech), 1, "chip")}
