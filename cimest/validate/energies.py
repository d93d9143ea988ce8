"""Energies of single actions, from the totals that the reports print.

Each reference is a printed total over the number of actions that the reference itself counts: vectors without
padding, every used column for each input bit, forward and backward alike (`Work`).

* *conversion*: all layers' converter energy over all conversions. It contains the cells' current, which the reference's
  fit of a converter includes; ours has the converter and the heat of the cells at the same activity.
* *shift-add*: layer 1's accumulation energy over its conversions. Its matrix fits into one array, so that no
  adder tree works.
* *adder tree of a PE*: layers 5 and 6 differ only in the words that each of the nine PEs adds, two and four. The
  difference of their accumulation energies per vector, less the shift-adds', is that of the trees, one for each of 512
  columns, used or not.
* *adder tree of a tile*: the same of layer 3, whose PEs have one word each to give. The reference adds eight of nine
  words, since it halves their number without remainder, and charges 9/4 trees for each column: with these two, its
  own adders of a PE predict the printed sums of both reports to 0.1 %.
* *array read*: energy of arrays without converters over reads (one input bit of a vector in one array, all columns in
  eight groups), layers 2 to 6, forward and backward alike. Cell current is left out of ours, its word lines are
  charged to the supply and the drivers set once for all groups, as in the reference.
* *bit to a PE*: what an update adds to the writes themselves is the way of its steps over the tile's tree, one bit for
  each weight, taken from the phase totals (the components' print multiplies it by the batch). Layer 6 for tiles of nine
  PEs, layer 7 for tiles of four: neither has copies, which the printed writes of other layers leave out.
* *buffer bit*, *DRAM bit*: layer 7's weight-gradient pass has, besides its arrays, only the way of each image's
  gradient to DRAM and back through the buffer. The DRAM's part is known by its price per bit.
* *gradient conversion*: layer 2's weight-gradient energy over conversions: an activation's eight bits times an error's
  eight, for each weight and position, 128 positions to a conversion.
* *gradient accumulation*: layers 2 to 6 spend an energy per conversion that is linear in their activity. Layer 7,
  which has one position, lies above that line by what adding a gradient to its running sum takes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cimest.validate.report import Report, Work, pe_columns, pe_tree, printed, running_sum_bits, tile_tree, work
from cimest.validate.row import ENERGY, Row, within
from hwlib.component import Real
from hwlib.components.adc import FlashAdc
from hwlib.components.adder_tree import Adder
from hwlib.components.buffers import RegisterFile
from hwlib.components.dram import Dram
from hwlib.components.drivers import SwitchMatrix
from hwlib.components.interconnect import HTree
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.weight_gradient import SramCimArray
from hwlib.technology.transistors import LINEAR_REGION

DRAM_BIT = 3.9e-12
"""The reference's price of a bit to or from DRAM (neurosim_v2_1). [J]"""

ERROR_ONES = 0.5
"""Share of bits of a backward vector that are one, in the reference (neurosim_v2_1)."""

READ_TIME = 1e-9
"""Time of one conversion of the reference's flash converters (neurosim_v2_1). [s]"""

TILE_TREES = 9 / 4
"""Trees that the reference charges for each column of a tile; found from its own adders, see above."""

CONV3, CONV5, CONV6, FC1 = 2, 4, 5, 6
"""Places of the layers that single out an action."""


def energies(report: Report) -> list[Row]:
    """A row for each action."""
    return [*_arrays(report), *_sums(report), *_ways(report), _gradient(report), _accumulation(report)]


def _row(report: Report, name: str, ours: Real, reference: Real, note: str) -> Row:
    return within(ENERGY, f"energy, {report.name}", name, "fJ", 1e-15, ours, reference, note)


def _conductance(report: Report) -> Real:
    """Mean of the cells: weights are spread evenly around zero, the middle of the range. [S]"""
    return report.array.reference_conductance


def _arrays(report: Report) -> list[Row]:
    """Conversion and array read."""
    tech, layers = report.tech, work()
    counts = np.array([layer.passes * layer.conversions for layer in layers])
    heat = sum(layer.passes * layer.conversions * _heat(report, layer) for layer in layers) / counts.sum()
    conversion = report.adc.convert(tech).energy + heat
    full = layers[1 : CONV6 + 1]
    bits = printed()["chip"]["input_bits"]
    reads = np.array([2 * layer.vectors * bits * layer.blocks for layer in full])
    ours = sum(count / 2 * _read(report, layer) for count, layer in zip(reads, full, strict=True)) / reads.sum()
    return [
        _row(
            report,
            "conversion",
            conversion,
            report.per_image("adc").sum() / counts.sum(),
            "cell current is part of the reference's converter, and its encoder has gates of 32 inputs; layer 7, below "
            "the price of its comparators, shows that it charges none where no row is on",
        ),
        _row(
            report,
            "array read",
            ours,
            report.per_image("array")[1 : CONV6 + 1].sum() / reads.sum(),
            "word lines at the supply as in the reference; our arrays have them at the 1.1 V that open a cell. Our "
            "column lines carry drains of transistors 2 F wide, the reference's of 0.3 F; our backward reads drive the "
            "columns anew for each of eight groups",
        ),
    ]


def _heat(report: Report, layer: Work) -> float:
    """Of the cells of one column in one conversion, in a forward read. [J]"""
    given = {"active_rows": layer.ones * layer.rows_per_array, "mean_conductance": _conductance(report), "columns": 1}
    long, none = (
        report.array.read(report.tech, **given, sense_time=time).energy for time in (report.adc.sense_time, 0.0)
    )
    return float(long - none)


def _read(report: Report, layer: Work) -> float:
    """One forward and one backward read of an array without conversion and heat: all lines, in eight groups. [J]"""
    chip, tech = printed()["chip"], report.tech
    array = replace(report.array, access_voltage=tech.vdd)
    groups, lines = chip["columns_per_adc"], report.converters
    rows, columns = layer.ones * layer.rows_per_array, ERROR_ONES * chip["columns"]
    shared = {"mean_conductance": _conductance(report), "sense_time": 0.0}
    forward = array.read(tech, active_rows=rows, columns=lines, **shared).energy
    backward = array.read_transposed(tech, active_columns=columns, rows=lines, **shared).energy
    drives = report.word_lines.drive(tech, active_lines=rows) + report.bit_lines.drive(tech, active_lines=columns)
    selects = 2 * report.mux.select(tech).energy / chip["input_bits"]
    return float(groups * (forward + backward + selects) + drives.energy)


def _sums(report: Report) -> list[Row]:
    """Shift-add and adder trees."""
    tech, layers, printed_sum = report.tech, work(), report.per_image("accumulation")
    shift = printed_sum[0] / layers[0].conversions

    def trees(index: int) -> float:
        """Trees of all columns for one vector, over the columns. [J]"""
        layer = layers[index]
        both = printed_sum[index] / layer.passes - layer.conversions * shift
        return both / layer.vectors / pe_columns()

    pes = printed()["chip"]["kernel_tiles"]["pes"]
    in_pe = pe_tree(4).add(tech).energy - pe_tree(2).add(tech).energy
    return [
        _row(report, "shift-add", report.shift_add.shift_add(tech).energy, shift, "half of our flip-flops change"),
        _row(report, "adder tree of a PE, four words less two", in_pe, (trees(CONV6) - trees(CONV5)) / pes, ""),
        _row(
            report,
            "adder tree of a tile, eight words",
            tile_tree(pes - 1).add(tech).energy,
            trees(CONV3) / TILE_TREES,
            "the reference drops the ninth word and charges 9/4 trees for each column: with these its own adders of a "
            "PE predict its sum to 0.1 %; taken out",
        ),
    ]


def _ways(report: Report) -> list[Row]:
    """A bit over the tree of a tile, in the buffer, to DRAM."""
    chip, tech, layers = printed()["chip"], report.tech, work()
    extra = report.per_update("update") - report.per_update("write")
    rows = []
    for index, kind in ((CONV6, chip["kernel_tiles"]), (FC1, chip["plain_tiles"])):
        tree = HTree(kind["side"], kind["side"], report.pe_side, report.pe_side, 1)
        name = f"bit to one of {kind['pes']} PEs"
        note = "tile as large as our parts make it; the reference's includes the tile's input buffer"
        rows.append(_row(report, name, tree.transfer(tech).energy, extra[index] / layers[index].layer.weights, note))
    bits = 2 * layers[FC1].layer.weights * chip["gradient_word_bits"]
    around = report.per_image("gradient")[FC1] - report.per_image("gradient_unit")[FC1]
    buffer = RegisterFile(size=chip["rows"] * chip["columns"], word=chip["columns"])
    mean = (buffer.read(tech).energy + buffer.write(tech).energy) / 2 / buffer.word
    dram = Dram("hbm2")
    return [
        *rows,
        _row(
            report,
            "buffer bit",
            mean,
            around / bits - DRAM_BIT,
            "mean of read and write; the reference clocks a flip-flop for each bit that it reads or writes, and has "
            "no lines that the bits leave by; ours has, and clocks only for writes",
        ),
        _row(report, "DRAM bit", dram.read(tech).energy, around / bits, "the same source; with the buffer's bit"),
    ]


def gradient_conversions() -> np.ndarray:
    """Of each layer's weight-gradient pass for one image, as the reference counts them."""
    chip = printed()["chip"]
    return np.array([one.vectors * one.layer.weights for one in work()]) * chip["input_bits"] ** 2 / chip["rows"]


def _accumulation(report: Report) -> Row:
    """One gradient of one image joins its running sum."""
    each = report.per_image("gradient_unit") / gradient_conversions()
    ones = np.array(printed()["activity"]["ones"])
    full = slice(1, CONV6 + 1)
    line = np.polynomial.Polynomial.fit(ones[full], each[full], 1)
    surplus = (each[FC1] - line(ones[FC1])) * gradient_conversions()[FC1] / work()[FC1].layer.weights
    ours = Adder(running_sum_bits()).add(report.tech).energy
    note = f"an adder of {running_sum_bits()} bit: a gradient's word and the bits that a batch of 200 adds"
    return _row(report, "gradient accumulation", ours, surplus, note)


def supplied(report: Report, ones: float) -> float:
    """What a conversion of the reference's weight-gradient unit draws from the supply, and ours not. [J]

    The reference precharges every bit line to the supply for each group of columns, and what grows with its activity
    is, at both nodes, what its cells draw from the supply in a nanosecond. Ours holds the lines at 0.1 V.
    """
    chip, tech = printed()["chip"], report.tech
    array = SramCimArray(chip["rows"], chip["columns"])
    precharge = chip["columns_per_adc"] * 2 * array.bit_line_capacitance(tech) * tech.vdd**2
    drawn = ones * chip["rows"] * tech.vdd**2 * READ_TIME * LINEAR_REGION / array.read_resistance(tech)
    return float(precharge + drawn)


def _gradient(report: Report) -> Row:
    """One conversion of the weight-gradient unit with all that it takes."""
    chip, tech = printed()["chip"], report.tech
    bits, rows, columns = chip["gradient_adc_bits"], chip["rows"], chip["columns"]
    groups, lines = chip["columns_per_adc"], columns // chip["columns_per_adc"]
    adc, shift = FlashAdc(bits), ShiftAdd(bits, chip["input_bits"])
    ones = printed()["activity"]["ones"][1]  # the reference's, over the padded places too
    array = SramCimArray(rows, columns)
    read = array.read(tech, active_rows=ones * rows, stored_ones=ones, columns=lines, sense_time=adc.sense_time)
    drive = SwitchMatrix(rows, tech.vdd).drive(tech, active_lines=ones * rows)
    each = adc.convert(tech).energy + groups * shift.shift_add(tech).energy
    own, extra = float(each + groups * (read.energy + drive.energy) / columns), supplied(report, ones)
    note = (
        f"with the reference's circuit: bit lines precharged {groups} times per input bit, cells that draw from the "
        f"supply for a nanosecond, as its growth with activity shows, and the shift-adders of all {groups} groups of "
        "columns charged with each: that fits what is left without activity at both nodes to 4 %"
    )
    return _row(
        report,
        "gradient conversion",
        own + extra,
        report.per_image("gradient_unit")[1] / gradient_conversions()[1],
        note,
    )
