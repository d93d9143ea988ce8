"""Prices 100 000 arrays with their periphery in one call, and a sample of them one by one."""

import time

import numpy as np

from hwlib.component import Component, Real
from hwlib.components.adc import SarAdc
from hwlib.components.cells import ResistiveArray
from hwlib.components.decoders import RowDecoder
from hwlib.components.drivers import SwitchMatrix
from hwlib.components.mux import ColumnMux
from hwlib.components.shift_add import ShiftAdd
from hwlib.devices import load_device
from hwlib.technology import Technology, load_technology

DESIGNS = 100_000
SAMPLE = 300
"""Designs that are priced one by one; the time of all is taken in proportion."""


def price(tech: Technology, rows: Real, columns: Real, bits: Real, share: Real) -> tuple[Real, Real, Real, Real]:
    """Area, leakage, energy and latency of one read of an array with everything on its forward side.

    Parameters
    ----------
    tech : Technology
    rows, columns : int or array
    bits : int or array
        Of the converters.
    share : int or array
        Columns of each converter.
    """
    device = load_device("rram")
    array = ResistiveArray.from_device(device, rows, columns)
    word_line, converters = array.word_line_capacitance(tech), np.ceil(columns / share)
    drivers = SwitchMatrix(rows, device.read_voltage, device.access_voltage, load=word_line)
    mux = ColumnMux(columns, share, device.on_resistance / rows, device.read_voltage)
    adc, shift_add = SarAdc(bits), ShiftAdd(bits, 8)
    parts: list[tuple[Real, Component]] = [
        (1, array),
        (1, drivers),
        (1, mux),
        (1, RowDecoder(rows, word_line)),
        (converters, adc),
        (converters, shift_add),
    ]
    read = array.read(
        tech,
        active_rows=rows / 2,
        mean_conductance=array.reference_conductance,
        columns=columns,
        sense_time=adc.sense_time,
        groups=share,
    )
    convert = adc.convert(tech) + shift_add.shift_add(tech)
    cost = (
        read
        + drivers.drive(tech, active_lines=rows / 2)
        + mux.select(tech).times(share)
        + convert.alongside(converters).times(share)
    )
    area = sum(count * part.area(tech) for count, part in parts)
    leakage = sum(count * part.leakage(tech) for count, part in parts)
    return area, leakage, cost.energy, cost.latency


def designs(count: int) -> tuple[np.ndarray, ...]:
    """Rows, columns, converter bits and columns per converter, drawn at random."""
    draw = np.random.default_rng(0)
    sides = [draw.choice([32, 64, 128, 256, 512], count) for _ in range(2)]
    return *sides, draw.integers(4, 9, count), draw.choice([1, 2, 4, 8, 16], count)


def main() -> None:
    """Prints the CPU seconds of both ways and their ratio, after a check that both give the same."""
    tech = load_technology("22nm")
    given = designs(DESIGNS)
    price(tech, *(values[:2] for values in given))  # reads the data files

    start = time.process_time()
    together = price(tech, *given)
    one_call = time.process_time() - start

    start = time.process_time()
    alone = [price(tech, *(int(values[i]) for values in given)) for i in range(SAMPLE)]
    loop = (time.process_time() - start) / SAMPLE * DESIGNS

    for many, single in zip(together, zip(*alone, strict=True), strict=True):
        np.testing.assert_allclose(many[:SAMPLE], single, rtol=1e-12)
    print(f"one call, {DESIGNS} designs: {one_call:.3f} s of CPU time")
    print(f"loop, from {SAMPLE} designs: {loop:.1f} s of CPU time")
    print(f"ratio: {loop / one_call:.0f}")


if __name__ == "__main__":
    main()
