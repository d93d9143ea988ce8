"""The chip's inventory: which components it has, how many of each, and within which boundary they count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cimest.config.schema import Adc, Chip
from cimest.mapping.floorplan import FloorPlan, gradient_blocks
from cimest.network import MaxPool, Network
from hwlib.component import Component, Real
from hwlib.components import COMPONENTS
from hwlib.components.activation import Relu
from hwlib.components.adc import FlashAdc, SarAdc
from hwlib.components.adder_tree import Accumulator, AdderTree
from hwlib.components.buffers import SramBuffer
from hwlib.components.cells import ResistiveArray
from hwlib.components.decoders import RowDecoder
from hwlib.components.dram import Dram
from hwlib.components.drivers import SwitchMatrix, WriteDriver
from hwlib.components.interconnect import HTree
from hwlib.components.multiplier import Multiplier, MultiplyAccumulate
from hwlib.components.mux import ColumnMux
from hwlib.components.outer_product import OuterProductUnit
from hwlib.components.pooling import MaxPool as MaxPoolUnit
from hwlib.components.pulse_generator import PulseGenerator
from hwlib.components.registers import Register
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.update_control import UpdateControl
from hwlib.components.weight_gradient import CLAMP as SENSE_VOLTAGE
from hwlib.components.weight_gradient import SramCimArray
from hwlib.registry import UnknownName
from hwlib.technology import Technology, load_technology

Boundary = Literal["macro", "chip", "system"]

BOUNDARIES: tuple[Boundary, ...] = ("macro", "chip", "system")
"""From the arrays outwards; each includes those before it."""


@dataclass(frozen=True)
class Part:
    """Instances of one component that play one role.

    Parameters
    ----------
    component : Component
    count : float or array
        Instances on the chip.
    boundary : {"macro", "chip", "system"}
        The smallest boundary that includes it: arrays, converters and accumulators; the whole chip; its DRAM too.
    """

    component: Component
    count: Real
    boundary: Boundary


SPARE_BITS = 4
"""By which accumulators are wider than what they sum: room for sixteen tiles, blocks or products (our choice)."""


def technology(chip: Chip) -> Technology:
    """The chip's technology at its temperature, supply and clock."""
    return load_technology(chip.technology, chip.roadmap, chip.temperature, chip.supply, chip.clock, chip.corner)


COMMON_ADCS: dict[str, type] = {"flash": FlashAdc, "sar": SarAdc}
"""Found without importing all components."""


def adc_kinds() -> list[str]:
    """Kinds of converters that an experiment can name: the registered components whose names end in `_adc`."""
    return [name.removesuffix("_adc") for name in COMPONENTS.names() if name.endswith("_adc")]


def adc(kind: str, bits: Real, noise: Real = 0.0) -> Component:
    """A converter of a kind; its noise [steps] is priced where the component's model knows what it saves.

    Raises
    ------
    UnknownName
        If there is no such kind; the message names the closest one.
    """
    if kind in COMMON_ADCS:
        return COMMON_ADCS[kind](bits=bits)
    if kind not in adc_kinds():
        raise UnknownName("kind of ADC", kind, adc_kinds())
    found: Any = COMPONENTS.get(f"{kind}_adc")
    usual = found(bits=bits)
    return replace(usual, behaviour=replace(usual.behaviour, noise=noise)) if hasattr(usual, "behaviour") else usual


def gradient_arrays(network: Network, chip: Chip) -> Real:
    """Arrays of the weight-gradient unit; see `WeightGradient.arrays` for what `auto` means."""
    if chip.weight_gradient.arrays != "auto":
        return chip.weight_gradient.arrays
    layers = [layer for layer in network.matrices if layer.positions > 1] or network.matrices
    largest: Real = 1
    for layer in layers:
        rows, columns = gradient_blocks(layer.positions, layer.input[0], chip)
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
    shift_add = ShiftAdd(adc_bits=choice.bits, input_bits=word)
    return {
        f"{prefix}mux": Part(mux, arrays, "macro"),
        f"{prefix}adc": Part(adc(choice.kind, choice.bits, choice.noise), converters, "macro"),
        f"{prefix}shift_add": Part(shift_add, converters, "macro"),
    }


def array_parts(chip: Chip, plan: FloorPlan, tech: Technology) -> dict[str, Part]:
    """Arrays and what belongs to each of them."""
    rows, columns, device, arrays = chip.array.rows, chip.array.columns, chip.device, plan.arrays
    array = ResistiveArray.from_device(device, rows, columns)
    word_line, column_line = array.word_line_capacitance(tech), array.column_line_capacitance(tech)
    wordlines = SwitchMatrix(rows, device.read_voltage, device.access_voltage, load=word_line)
    bitlines = SwitchMatrix(columns, device.read_voltage, load=column_line)
    pulse_bits = np.ceil(np.log2(device.states))
    pulses = PulseGenerator(lines=columns, pulse_width=device.pulse_width, count_bits=pulse_bits)
    return {
        "array": Part(array, arrays, "macro"),
        "wordline_driver": Part(wordlines, arrays, "macro"),
        "bitline_driver": Part(bitlines, arrays, "macro"),
        "input_register": Part(Register(bits=chip.input_bits), arrays * rows, "macro"),
        "error_register": Part(Register(bits=chip.error_bits), arrays * columns, "macro"),
        **_side(chip, arrays, "", chip.adc, chip.input_bits, columns, rows),
        **_side(chip, arrays, "backward_", chip.backward_adc, chip.error_bits, rows, columns),
        "row_decoder": Part(RowDecoder(rows=rows, load=word_line), arrays, "chip"),
        "write_driver": Part(WriteDriver(columns, device.write_voltage, load=column_line), arrays, "chip"),
        "pulse_generator": Part(pulses, arrays, "chip"),
    }


def tile_parts(chip: Chip, plan: FloorPlan, tech: Technology, array_area: Real) -> dict[str, Part]:
    """What a tile has beside its arrays, and what joins the tiles.

    A tile has one adder tree for each group of columns that its arrays convert at once. The H-trees
    reach over PEs and tiles that are as large as what is in them. Trees and accumulators serve forward and
    backward sums, and are as wide as the wider of them.
    """
    size, tiles = plan.arrays_per_tile, plan.tiles
    word = np.maximum(chip.adc.bits + chip.input_bits, chip.backward_adc.bits + chip.error_bits)
    trees = tiles * np.ceil(chip.array.columns / chip.adc.columns_per_adc)
    tree = AdderTree(inputs=np.maximum(size, 2), bits=word)
    buffer = SramBuffer(size=chip.tile.buffer, word=chip.tile.bus_bits)
    pe_side = np.sqrt(array_area * chip.tile.arrays_per_pe)
    inside = _h_tree(size / chip.tile.arrays_per_pe, pe_side, chip.tile.bus_bits)
    tile_area = size * array_area + buffer.area(tech) + inside.area(tech) + trees / tiles * tree.area(tech)
    outside = _h_tree(tiles, np.sqrt(tile_area), chip.bus_bits)
    adder = Accumulator(bits=word + np.ceil(np.log2(size)) + SPARE_BITS)
    return {
        "adder_tree": Part(tree, trees, "macro"),
        "tile_buffer": Part(buffer, tiles, "chip"),
        "tile_interconnect": Part(inside, tiles, "chip"),
        "chip_interconnect": Part(outside, 1, "chip"),
        "tile_accumulator": Part(adder, tiles * np.maximum(1, chip.tile.bus_bits // adder.bits), "macro"),
        "chip_accumulator": Part(adder, np.maximum(1, chip.bus_bits // adder.bits), "macro"),
    }


def _h_tree(leaves: Real, side: Real, bits: Real) -> Component:
    """H-tree over a grid of square leaves, as square as their number allows."""
    rows = np.ceil(np.sqrt(leaves))
    return HTree(rows=rows, columns=np.ceil(leaves / rows), unit_width=side, unit_height=side, bus_bits=bits)


def gradient_parts(network: Network, chip: Chip, tech: Technology) -> dict[str, Part]:
    """The weight-gradient unit."""
    unit = chip.weight_gradient
    buffer = {"gradient_buffer": Part(SramBuffer(size=unit.buffer, word=chip.bus_bits), 1, "chip")}
    if unit.unit == "digital":
        places = max(layer.positions for layer in network.matrices)
        sum_bits = chip.input_bits + chip.error_bits - 1 + np.ceil(np.log2(places))
        multipliers = OuterProductUnit(chip.input_bits, chip.error_bits, sum_bits, unit.lanes)
        return {"outer_product": Part(multipliers, 1, "macro")} | buffer
    arrays = gradient_arrays(network, chip)
    array = SramCimArray(rows=unit.rows, columns=unit.columns)
    converters = arrays * np.ceil(unit.columns / unit.columns_per_adc)
    shift_add = ShiftAdd(adc_bits=unit.adc_bits, input_bits=chip.error_bits - 1)
    sum_bits = shift_add.output_bits + chip.input_bits + SPARE_BITS
    mux = ColumnMux(unit.columns, unit.columns_per_adc, array.read_resistance(tech) / unit.rows, SENSE_VOLTAGE)
    return buffer | {
        "gradient_array": Part(array, arrays, "macro"),
        "gradient_driver": Part(SwitchMatrix(lines=unit.rows, voltage=tech.vdd), arrays, "macro"),
        "gradient_decoder": Part(RowDecoder(rows=unit.rows), arrays, "macro"),
        "gradient_mux": Part(mux, arrays, "macro"),
        "gradient_adc": Part(adc(unit.adc_kind, unit.adc_bits), converters, "macro"),
        "gradient_shift_add": Part(shift_add, converters, "macro"),
        "gradient_accumulator": Part(Accumulator(bits=sum_bits), converters, "macro"),
    }


def digital_parts(network: Network, chip: Chip, gradient_bits: int) -> dict[str, Part]:
    """Units that work on words as the chip's bus delivers them, the global buffer, and the DRAM."""
    lanes = np.maximum(1, chip.bus_bits // chip.input_bits)
    pulse_bits = np.ceil(np.log2(chip.device.states))
    control = UpdateControl(value_bits=gradient_bits, pulse_bits=pulse_bits)
    multiplier = MultiplyAccumulate(gradient_bits, gradient_bits, gradient_bits)
    parts = {
        "relu": Part(Relu(bits=chip.input_bits), lanes, "chip"),
        "centring": Part(Accumulator(bits=gradient_bits), lanes, "chip"),
        "centring_multiplier": Part(multiplier, np.maximum(1, chip.bus_bits // gradient_bits), "chip"),
        "rate_multiplier": Part(
            Multiplier(gradient_bits, gradient_bits), np.maximum(1, chip.bus_bits // gradient_bits), "chip"
        ),
        "update_control": Part(control, np.maximum(1, chip.bus_bits // gradient_bits), "chip"),
        "global_buffer": Part(SramBuffer(size=chip.global_buffer.size, word=chip.global_buffer.word_bits), 1, "chip"),
        "dram": Part(Dram(kind=chip.dram.kind), 1, "system"),
    }
    windows = [layer.window for layer in network.layers if isinstance(layer, MaxPool)]
    if windows:
        parts["max_pool"] = Part(MaxPoolUnit(window=max(windows) ** 2, bits=chip.input_bits), lanes, "chip")
    return parts


def inventory(network: Network, chip: Chip, plan: FloorPlan, tech: Technology, gradient_bits: int) -> dict[str, Part]:
    """All parts of a chip that carries this network, but for those of the training rule, by name."""
    arrays = array_parts(chip, plan, tech)
    array_area = sum(part.count * part.component.area(tech) for part in arrays.values()) / plan.arrays
    return {
        **arrays,
        **tile_parts(chip, plan, tech, array_area),
        **gradient_parts(network, chip, tech),
        **digital_parts(network, chip, gradient_bits),
    }
