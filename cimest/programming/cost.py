"""What programming costs: writes and verifying reads, by the components that do them, and the price of significance.

Writing with verification is a redraw: a device is written until its error is within a window, every write being
independent of those before (our choice: nobody has published pulses per target). Without a window the published
error is taken as that of one write, though a loop of unknown length may stand behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.config import Experiment
from cimest.config.programming import Programming
from cimest.mapping.part import adc, technology
from cimest.programming.error import Strategy
from cimest.programming.population import Population
from hwlib.component import Real
from hwlib.components.cells import ResistiveArray
from hwlib.devices import Device
from hwlib.devices.device import MissingDatum
from hwlib.devices.retention import normal_probability

LONGEST = 4096
"""Writes of one device beyond which none are counted (our choice)."""

RAISED = 1e-3
"""Share of the range from which on a target counts as raised (our choice: far below the error of any write)."""


def tries(window: float | None) -> float:
    """Mean number of writes of a device until its error is within `window` standard deviations of one write."""
    return 1.0 if window is None else 1 / float(2 * normal_probability(window) - 1)


def slowest(window: float | None, devices: Real) -> Real:
    """Mean number of writes of the slowest of so many devices: geometric numbers, the largest of them."""
    if window is None:
        return np.minimum(1.0, devices)
    miss = 1 - 1 / tries(window)
    done = 1 - miss ** np.arange(LONGEST)
    return np.sum(1 - done ** np.asarray(devices)[..., None], axis=-1)


def price(
    strategy: Strategy, population: Population, device: Device, experiment: Experiment, window: float | None
) -> dict[str, Any]:
    """Counts of programming a matrix, and energy and time of one array.

    Returns
    -------
    dict
        `devices_per_weight`; `raised_per_weight`, those that are not left at the smallest conductance;
        `writes_per_device`; `verifying_reads_per_device`; `read_outs`, see the function; `read_conductance_s`, mean of
        the summed conductance that a weight's read charges, each pair as long as it is significant; `read_time_ratio`,
        of the longest read over that of one pair; `array`, energies and times of writing and verifying one full array
        and of the read-out of a drift compensation, or `absent` with the reason. [J], [s]
    """
    factors = np.array(strategy.encoding.significance)
    targets = strategy.targets(population.weights)
    up = targets > device.conductance_min + RAISED * strategy.span
    raised = float(population.density @ up.sum(axis=(1, 2)))
    mean_raised = float(population.density @ np.where(up, targets, 0).sum(axis=(1, 2))) / max(raised, RAISED)
    devices = 2 * len(factors)
    found: dict[str, Any] = {
        "devices_per_weight": devices,
        "raised_per_weight": raised,
        "writes_per_device": tries(window),
        "verifying_reads_per_device": 0.0 if window is None else tries(window),
        "read_outs": read_outs(experiment.programming),
        "read_conductance_s": float(population.density @ (targets.sum(axis=2) @ factors)),
        "read_time_ratio": float(factors[0]),
        "absent": {},
    }
    try:
        found["array"] = _array(device, experiment, window, devices, raised, mean_raised, float(factors[0]))
    except MissingDatum as reason:
        found["absent"]["array"] = str(reason)
    return found


def read_outs(choice: Programming) -> int:
    """Read-outs that the compensation of drift takes: one at each time, and of what was written unless it is known."""
    return 0 if choice.compensation == "none" else len(choice.times) + (choice.compensation != "least_squares")


def of_matrix(array: dict[str, float], weights: int, arrays: int, experiment: Experiment) -> dict[str, float]:
    """Energies and times of a matrix and all its read-outs, from those of one full array; see `price`.

    Energies go with the weights that there are; arrays are written side by side as far as the chip can
    (`chip.update_arrays`), and read out all at once.

    Parameters
    ----------
    array : dict
        Of one array.
    weights, arrays : int
        Of the matrix.
    experiment : Experiment

    Returns
    -------
    dict
        `arrays`, and the keys of `array`. [J], [s]
    """
    chip, reads = experiment.chip, read_outs(experiment.programming)
    full, turns = weights / (chip.array.rows * chip.array.columns), -(-arrays // chip.update_arrays)
    found: dict[str, float] = {"arrays": arrays}
    for name, value in array.items():
        compensating = name.startswith("compensation")
        share = full if name.endswith("_energy_j") else 1 if compensating else turns
        found[name] = share * value * (reads if compensating else 1)
    return found


def _array(
    device: Device,
    experiment: Experiment,
    window: float | None,
    devices: int,
    raised: float,
    conductance: float,
    factor: float,
) -> dict[str, float]:
    """Energies and times of one array of the chip, row after row."""
    chip = experiment.chip
    tech = technology(chip)
    rows, columns = chip.array.rows, chip.array.columns
    array = ResistiveArray.from_device(
        device, rows, columns, cells_per_weight=devices, significance=factor, reference_columns=0, reference_rows=0
    )
    converter: Any = adc(chip.adc.kind, chip.adc.bits, chip.adc.noise)
    up, cells = raised * columns, devices * columns
    down = cells - up
    # those that stay at the smallest conductance are reset once; the others are raised until they fit
    write = array.write_row(
        tech,
        cells_up=up,
        cells_down=down,
        pulses_up=tries(window),
        pulses_down=1.0,
        longest_up=slowest(window, up),
        longest_down=1.0,
        mean_conductance=conductance,
    )
    one = converter.convert(tech)
    found = {"write_energy_j": float(rows * write.energy), "write_time_s": float(rows * write.latency)}
    turns = min(chip.adc.columns_per_adc, columns) * devices
    if window is not None:
        # every write is followed by a read of its row alone, of the devices that have just been written
        read = array.read(
            tech,
            active_rows=1,
            mean_conductance=conductance,
            columns=columns,
            sense_time=converter.sense_time,
            groups=turns,
        )
        rounds, reads = float(slowest(window, up)), tries(window) * up
        found["verify_energy_j"] = float(rows * (rounds * read.energy * reads / (rounds * up) + reads * one.energy))
        found["verify_time_s"] = float(rows * rounds * (read.latency + turns * one.latency))
    read_out = array.read(
        tech,
        active_rows=rows,
        mean_conductance=conductance * raised / devices,
        columns=columns,
        sense_time=converter.sense_time,
        groups=turns,
    )
    found["compensation_energy_j"] = float(read_out.energy + cells * one.energy)
    found["compensation_time_s"] = float(read_out.latency + turns * one.latency)
    return found
