"""A compute-in-memory unit of SRAM arrays that multiplies stored words by streamed ones: weight gradient, attention."""

from __future__ import annotations

import numpy as np

from cimest.config.chip import Chip
from cimest.mapping.part import SPARE_BITS, Part, adc
from hwlib.component import Real
from hwlib.components.adder_tree import Accumulator
from hwlib.components.decoders import RowDecoder
from hwlib.components.drivers import SwitchMatrix
from hwlib.components.mux import ColumnMux
from hwlib.components.operand_register import OperandRegister
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.weight_gradient import CLAMP, SramCimArray
from hwlib.technology import Technology


def sram_unit(prefix: str, chip: Chip, tech: Technology, arrays: Real, streamed_bits: Real) -> dict[str, Part]:
    """The parts of a unit with so many arrays, whose size and converters are those of `chip.weight_gradient`.

    Parameters
    ----------
    prefix : str
        Of the parts' names.
    chip : Chip
    tech : Technology
    arrays : float or array
    streamed_bits : int or array
        Magnitude bits of a streamed word, which has a sign too, applied one after the other.
    """
    unit = chip.weight_gradient
    array = SramCimArray(rows=unit.rows, columns=unit.columns)
    converters = arrays * np.ceil(unit.columns / unit.columns_per_adc)
    shift_add = ShiftAdd(adc_bits=unit.adc_bits, input_bits=streamed_bits)
    sum_bits = shift_add.output_bits + chip.input_bits + SPARE_BITS
    mux = ColumnMux(unit.columns, unit.columns_per_adc, array.read_resistance(tech) / unit.rows, CLAMP)
    return {
        f"{prefix}_array": Part(array, arrays, "macro"),
        f"{prefix}_driver": Part(SwitchMatrix(lines=unit.rows, voltage=tech.vdd), arrays, "macro"),
        f"{prefix}_register": Part(OperandRegister(bits=streamed_bits + 1), arrays * unit.rows, "macro"),
        f"{prefix}_decoder": Part(RowDecoder(rows=unit.rows), arrays, "macro"),
        f"{prefix}_mux": Part(mux, arrays, "macro"),
        f"{prefix}_adc": Part(adc(unit.adc_kind, unit.adc_bits, unit.adc_noise, unit.adc_inl), converters, "macro"),
        f"{prefix}_shift_add": Part(shift_add, converters, "macro"),
        f"{prefix}_accumulator": Part(Accumulator(bits=sum_bits), converters, "macro"),
    }
