"""The naive training step under the accounting of the two printed reports: efficiency, and each phase without DRAM.

The chip is ours, as near to the reports' as an experiment can say: arrays, converters, batch, word of gradients,
activity of the traces; its tiles are all alike, of four PEs of sixteen arrays. A phase's printed energy is taken less
the DRAM's, which is known by its bits: the map of one channel twice, and in the weight gradient each weight's word
twice.
"""

from __future__ import annotations

import numpy as np

from cimest.actions import PASSES
from cimest.activity import Activity, LayerActivity
from cimest.config import Experiment
from cimest.estimate import energies, operations
from cimest.pricing import Priced, price_experiment
from cimest.validate.energies import gradient_conversions, supplied
from cimest.validate.report import Report, printed, work
from cimest.validate.row import AREA, ENERGY, UNEXPLAINED, Row, within
from cimest.validate.writes import per_layer


def phases(report: Report) -> list[Row]:
    """Efficiency at the system boundary, and a row for each pass."""
    priced = price_experiment(*_experiment(report))
    group = f"neurosim phases, {report.name}"
    ours = operations(priced.network) / energies(priced.estimate)["system"]
    printed_total = sum(report.phases.values()) / printed()["images"]
    reference = operations(priced.network) / printed_total
    rows = [within(AREA, group, "efficiency, naive, system", "TOPS/W", 1e12, ours, reference, "operations as credited")]
    for name in (pass_ for pass_ in PASSES if pass_ in report.phases):  # it trains by no rule that transfers
        energy, dram = _energy(priced, name)
        if name == "weight_gradient":
            energy += sum(
                supplied(report, ones) * count
                for ones, count in zip(printed()["activity"]["ones"], gradient_conversions(), strict=True)
            )
        wanted = report.phases[name] / printed()["images"] - dram
        note = _note(report, name)
        rows.append(within(ENERGY, group, f"{name} without DRAM", "µJ", 1e-6, energy, wanted, note))
    return rows


def _note(report: Report, pass_: str) -> str:
    """Where a pass's difference comes from."""
    if pass_ == "weight_update" and report.device.kind == "ferroelectric":
        return UNEXPLAINED + "see the energy of a written row"
    return "with the reference's circuit, see gradient conversion" if pass_ == "weight_gradient" else ""


def _experiment(report: Report) -> tuple[Experiment, Activity]:
    """The reports' chip as an experiment, and the activity of their traces.

    Pulse slots of a row follow from the printed time of writes (see `writes`); for the first and the last layer, which
    fill an array only partly, the mean of the others is taken.
    """
    chip = printed()["chip"]
    experiment = Experiment.model_validate(
        {
            "network": {"name": printed()["range"]["network"]},
            "dataset": {"name": "cifar10"},
            "chip": {
                "technology": report.tech.name,
                "device": report.device,
                "array": {"rows": chip["rows"], "columns": chip["columns"]},
                "adc": {"kind": "flash", "bits": chip["adc_bits"], "columns_per_adc": chip["columns_per_adc"]},
                "input_bits": chip["input_bits"],
                "error_bits": chip["input_bits"],
                "mapping": "kernel_position",
                "duplication": "fill_tile",
                "tile": {"arrays_per_pe": chip["arrays_per_pe"], "pes": chip["plain_tiles"]["pes"]},
                "weight_gradient": {"adc_bits": chip["gradient_adc_bits"]},
                "update_arrays": chip["parallel_writes"],
            },
            "training": {"batch": printed()["images"] // printed()["updates"], "rule": {"name": "sgd"}},
            "dataflow": {
                "base": "naive",
                "accounting": "neurosim",
                "gradient": {"bits": chip["gradient_word_bits"]},
            },
        }
    )
    measured, slots = printed()["activity"], per_layer(report)[0]
    longest = [float(np.mean(slots)), *map(float, slots), float(np.mean(slots))]
    layers = {}
    for i, one in enumerate(work()):
        layers[one.layer.name] = LayerActivity(
            input_ones=one.ones,
            updated_up=measured["updated"][i] / 2,
            updated_down=measured["updated"][i] / 2,
            pulses_up=measured["pulses"][i],
            pulses_down=measured["pulses"][i],
            longest_up=longest[i] / 2,
            longest_down=longest[i] / 2,
        )
    return experiment, Activity("traces of the reports", layers)


def _energy(priced: Priced, pass_: str) -> tuple[float, float]:
    """Of a pass without DRAM and leakage, and of its DRAM. [J]"""
    cells = {cell: value for cell, value in priced.estimate.energy.items() if cell[1] == pass_}
    dram = sum(value for cell, value in cells.items() if cell[2] == "dram")
    return float(sum(cells.values()) - dram), float(dram)
