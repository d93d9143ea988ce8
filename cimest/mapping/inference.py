"""The inventory of a chip that only infers: arrays, what drives and converts, no circuit that learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cimest.config.chip import Chip
from cimest.config.inference import STATIC
from cimest.mapping.arrays import lines_of, weight_array
from cimest.mapping.digital import layer_parts
from cimest.mapping.floorplan import FloorPlan, place
from cimest.mapping.operands import block_bits
from cimest.mapping.part import Part, adc
from cimest.mapping.parts import chip_tree, operand_parts, scaling_parts, tile_parts
from cimest.network import Network
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer
from hwlib.components.charge_arrays import C2cSramArray, CapacitorSramArray
from hwlib.components.charge_decrement_adc import ChargeDecrementAdc
from hwlib.components.dac import R2rDac
from hwlib.components.decoders import RowDecoder
from hwlib.components.digital_array import DigitalSramArray
from hwlib.components.dram import Dram
from hwlib.components.drivers import SwitchMatrix, WordLineDriver, WriteDriver
from hwlib.components.mux import SHARE, ColumnMux
from hwlib.components.near_memory import NearMemoryDatapath
from hwlib.components.operand_register import OperandRegister
from hwlib.components.pulse_width import PulseWidthDriver
from hwlib.components.pulsed_array import PulsedSramArray
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.voltage_array import VoltageSensedArray
from hwlib.technology import Technology
from hwlib.technology.gates import transmission_gate


def weight_slices(chip: Chip) -> Real:
    """Columns that hold one weight, a bit each; 1 where a cell, or a word of cells, holds it whole."""
    return chip.inference.weight_bits if chip.array.cell == "capacitor_sram" else 1


def plan_inference(network: Network, chip: Chip) -> FloorPlan:
    """Give each layer its arrays and tiles; see `place`.

    Raises
    ------
    ValueError
        If a weight is wider than an array.
    """
    weights = chip.array.columns // weight_slices(chip)
    if np.any(np.asarray(weights) < 1):
        raise ValueError(
            f"chip.array.columns: {np.min(chip.array.columns)} columns do not hold a weight of "
            f"{np.max(weight_slices(chip))} columns"
        )
    array = chip.array.model_copy(update={"columns": weights})
    return place(network, chip.model_copy(update={"array": array}))


def inference_array(chip: Chip) -> Any:
    """The array component of a chip that only infers."""
    choice, array = chip.inference, chip.array
    size = array.rows, array.columns
    if array.cell == "capacitor_sram":
        return CapacitorSramArray(*size, operation=choice.operation)
    if array.cell == "c2c_sram":
        return C2cSramArray(*size, choice.weight_bits, choice.stored_words)
    if array.cell == "digital_sram":
        return DigitalSramArray(*size, choice.weight_bits, choice.stored_words)
    if array.cell == "pulsed_sram":
        return PulsedSramArray(*size, choice.weight_bits)
    if choice.sensing == "voltage":
        return VoltageSensedArray.from_device(chip.device, *size)
    return weight_array(chip)


def _static_drivers(chip: Chip, array: Any, tech: Technology) -> dict[str, Part]:
    """What drives the inputs and writes the words of static cells, of one array."""
    rows, columns, choice = chip.array.rows, chip.array.columns, chip.inference
    load = array.input_line_capacitance(tech)
    width = 1 if chip.array.cell == "capacitor_sram" else choice.weight_bits
    stored = choice.stored_words if chip.array.cell in ("c2c_sram", "digital_sram") else 1
    writing = {
        "row_decoder": Part(RowDecoder(rows=rows * stored), 1, "macro"),
        "write_driver": Part(WriteDriver(columns * width, tech.vdd), 1, "macro"),
    }
    if choice.inputs == "dac":
        dac = R2rDac(chip.input_bits, tech.vdd, choice.dac_resistance, load=load)
        return {"input_dac": Part(dac, rows, "macro"), **writing}
    if choice.inputs == "pulse_count":
        trains = PulseWidthDriver(rows, chip.input_bits, tech.vdd)
        return {"wordline_driver": Part(trains, 1, "macro"), **writing}
    lines = 2 * rows if chip.array.cell == "capacitor_sram" else rows
    return {
        "wordline_driver": Part(SwitchMatrix(lines, tech.vdd, load=load), 1, "macro"),
        "input_register": Part(OperandRegister(bits=chip.input_bits), rows, "macro"),
        **writing,
    }


def _device_drivers(chip: Chip, array: Any, tech: Technology) -> dict[str, Part]:
    """What drives the inputs and writes the cells of devices, of one array."""
    rows, device, choice = chip.array.rows, chip.device, chip.inference
    register = Part(OperandRegister(bits=chip.input_bits), rows, "macro")
    if choice.sensing == "voltage":
        lines, word_line = array.all_rows, array.word_line_capacitance(tech)
        inputs = SwitchMatrix(lines, device.read_voltage, load=array.input_line_capacitance(tech))
        writing = WriteDriver(array.columns, device.write_voltage, load=array.column_line_capacitance(tech))
        return {
            "input_driver": Part(inputs, 1, "macro"),
            "wordline_driver": Part(WordLineDriver(lines, device.access_voltage, load=word_line), 1, "macro"),
            "input_register": register,
            "row_decoder": Part(RowDecoder(rows=lines, load=word_line), 1, "macro"),
            "write_driver": Part(writing, 1, "macro"),
        }
    lines = lines_of(chip, tech)
    if choice.inputs == "pulse_width":
        widths = PulseWidthDriver(rows, chip.input_bits, device.read_voltage)
        driving = {"wordline_driver": Part(widths, 1, "macro")}
    else:
        matrix = SwitchMatrix(rows, device.read_voltage, lines.select_voltage, load=lines.row_load)
        operands = {name: part for name, part in operand_parts(chip, 1).items() if name in ("input_register", "dac")}
        driving = {"wordline_driver": Part(matrix, 1, "macro"), **operands}
    return {
        **driving,
        "row_decoder": Part(RowDecoder(rows=rows, load=lines.row_load), 1, "macro"),
        "write_driver": Part(WriteDriver(lines.columns, lines.write_voltage, load=lines.write_load), 1, "macro"),
    }


def shares_converters(chip: Chip) -> Real:
    """1 where several columns share a converter, and so need a multiplexer, else 0."""
    return np.where(np.asarray(chip.adc.columns_per_adc) > 1, 1.0, 0.0)[()]


def code_bits(chip: Chip, array: Any) -> Real:
    """Bits of a column's result: of the converter, or of a digital array's sum."""
    return array.sum_bits if chip.array.cell == "digital_sram" else chip.adc.bits


def result_bits(chip: Chip, array: Any) -> Real:
    """Bits of what one array contributes to a result: its codes, joined over what takes a code of its own.

    That is each bit of an input, or each phase of weighted pulses, and each column of a weight.
    """
    if chip.periphery.kind != "bit_serial":
        return block_bits(chip, chip.adc, chip.input_bits)
    choice, slices = chip.inference, weight_slices(chip)
    joined: Real = 0
    if choice.inputs == "bit_serial":
        joined = chip.input_bits
    elif choice.inputs == "weighted_pulses":  # the upper phase, which has the fewest bits, is shifted by all others
        magnitude = np.maximum(1, chip.input_bits - 1)
        joined = np.where(np.asarray(choice.phases) > 1, magnitude - magnitude // choice.phases + 1, 0)[()]
    return code_bits(chip, array) + joined + np.where(np.asarray(slices) > 1, slices, 0)[()]


def _readout(chip: Chip, array: Any, tech: Technology) -> dict[str, Part]:
    """Multiplexer, converters and what joins their codes, of one array."""
    choice, columns = chip.inference, chip.array.columns
    converters = np.ceil(columns / chip.adc.columns_per_adc)
    found: dict[str, Part] = {}
    shared = shares_converters(chip)
    if np.any(shared > 0):
        static = chip.array.cell in STATIC
        line = transmission_gate(tech).resistance / SHARE if static else chip.device.on_resistance / chip.array.rows
        voltage = tech.vdd if static else chip.device.read_voltage
        found["mux"] = Part(ColumnMux(columns, chip.adc.columns_per_adc, line, voltage), shared, "macro")
    if chip.array.cell != "digital_sram":
        converter = adc(chip.adc.kind, chip.adc.bits, chip.adc.noise, chip.adc.inl)
        if isinstance(converter, ChargeDecrementAdc):
            converter = replace(converter, built_bits=choice.built_bits)
        found["adc"] = Part(converter, converters, "macro")
    bits = code_bits(chip, array)
    if choice.datapath == "near_memory":
        datapath = NearMemoryDatapath(bits, chip.input_bits, weight_slices(chip))
        found["near_memory_datapath"] = Part(datapath, converters, "macro")
    elif choice.inputs == "bit_serial" and chip.periphery.kind == "bit_serial":
        found["shift_add"] = Part(ShiftAdd(adc_bits=bits, input_bits=chip.input_bits), converters, "macro")
    return found


def inference_parts(network: Network, chip: Chip, plan: FloorPlan, tech: Technology, word: int) -> dict[str, Part]:
    """All parts of a chip that only infers, by name.

    Weights are written once, so that decoders and write drivers are there, within the boundary of the macro, and
    never act. Adders and accumulators are there where sums of arrays or of tiles join.

    Parameters
    ----------
    word : int
        Bits of learned values that are not on arrays.
    """
    array = inference_array(chip)
    drivers = _static_drivers if chip.array.cell in STATIC else _device_drivers
    one = {"array": Part(array, 1, "macro"), **drivers(chip, array, tech), **_readout(chip, array, tech)}
    area = sum(part.count * part.component.area(tech) for part in one.values())
    arrays = {name: Part(part.component, part.count * plan.arrays, part.boundary) for name, part in one.items()}
    result = result_bits(chip, array)
    forward = chip.model_copy(update={"error_bits": chip.input_bits})  # no error makes digital units wider
    tiled = {**arrays, **_joined(tile_parts(chip, plan, tech, area, result), plan)}
    parts = {
        **tiled,
        **scaling_parts(chip, chip.input_bits, result),
        "global_buffer": Part(SramBuffer(size=chip.global_buffer.size, word=chip.global_buffer.word_bits), 1, "chip"),
        "dram": Part(Dram(chip.dram.kind, chip.dram.devices), 1, "system"),
        **layer_parts(network, forward, tech, word),
    }
    return parts | {"chip_interconnect": Part(chip_tree(tiled, plan.tiles, chip.bus_bits, tech), 1, "chip")}


def _joined(parts: Mapping[str, Part], plan: FloorPlan) -> dict[str, Part]:
    """Of a tile's parts those that inference needs: no tile accumulator, and adders where there is something to add.

    Where no tiles' sums join, there are 0 chip accumulators.
    """
    within: Real = 0.0  # 1 where a layer's sums of several arrays of a tile join, and those of several tiles
    beyond: Real = 0.0
    for placement in plan.placements:
        within = np.maximum(within, np.asarray(placement.row_blocks) > placement.tile_rows)
        beyond = np.maximum(beyond, np.asarray(placement.tile_rows) > 1)
    needed = {"tile_accumulator": 0.0, "adder_tree": within, "chip_accumulator": beyond}
    return {
        name: replace(part, count=part.count * needed.get(name, 1.0))
        for name, part in parts.items()
        if name == "chip_accumulator" or np.any(np.asarray(needed.get(name, 1.0)) > 0)
    }
