"""The figures of merit of a training chip, at three boundaries, from an estimate."""

from __future__ import annotations

from typing import Any

from cimest.activity import Activity
from cimest.estimate.estimate import Estimate
from cimest.mapping.parts import BOUNDARIES
from cimest.network import Network
from hwlib.component import Real
from hwlib.devices import Device

MAC_PASSES = ("forward", "backward", "weight_gradient")


def operations(network: Network) -> int:
    """Operations of one training sample: two for each multiply-accumulate of forward, backward and weight gradient.

    Padded positions count, since they are executed; the first layer has no backward pass.
    """
    return 2 * (3 * network.macs - network.matrices[0].macs)


def energies(estimate: Estimate) -> dict[str, Real]:
    """Energy per training sample within each boundary. [J]

    `macro`: what multiplies and accumulates, while it does; `chip`: everything on the chip, with the
    leakage of all of it all the time; `system`: with the DRAM.
    """
    macro = sum(
        value
        for (_, pass_, part), value in estimate.energy.items()
        if estimate.boundary[part] == "macro" and pass_ in MAC_PASSES
    )
    leaked = sum(estimate.leakage.values()) * estimate.time()
    chip = leaked + sum(value for (_, _, part), value in estimate.energy.items() if estimate.boundary[part] != "system")
    system = chip + sum(value for (_, _, part), value in estimate.energy.items() if estimate.boundary[part] == "system")
    return dict(zip(BOUNDARIES, (macro, chip, system), strict=True))


def peak_power(estimate: Estimate) -> Real:
    """Largest power of a layer's pass, averaged over that pass, with leakage. [W]"""
    spent: dict[tuple[str, str], Real] = {}
    times: dict[tuple[str, str], Real] = {}
    for cell, value in estimate.energy.items():
        spent[cell[:2]] = spent.get(cell[:2], 0.0) + value
    for cell, value in estimate.latency.items():
        times[cell[:2]] = times.get(cell[:2], 0.0) + value
    return max(spent[key] / times[key] for key in spent if times.get(key, 0.0) > 0) + sum(estimate.leakage.values())


def lifetime(device: Device, activity: Activity, batch: int) -> Real | None:
    """Training samples until the most pulsed cell has used its endurance; None if the device has no figure for that."""
    if device.endurance is None:
        return None
    worst = max(layer.most_written for layer in activity.layers.values())
    return device.endurance / worst * batch if worst > 0 else float("inf")


def metrics(
    estimate: Estimate, network: Network, device: Device, activity: Activity, batch: int, samples: int
) -> dict[str, Any]:
    """All figures of merit; keys end in their units.

    Parameters
    ----------
    samples : int
        Training samples of the whole run: images times epochs.
    """
    operated = operations(network)
    within = energies(estimate)
    time = estimate.time()
    area = sum(estimate.area.values()) * 1e6
    throughput = operated / time / 1e12
    return {
        "ops_per_sample": operated,
        "energy_per_sample_j": within["system"],
        "energy_per_sample_by_boundary_j": within,
        "latency_per_sample_s": time,
        "training_energy_j": within["system"] * samples,
        "training_time_s": time * samples,
        "area_mm2": area,
        "leakage_w": sum(estimate.leakage.values()),
        "throughput_tops": throughput,
        "density_tops_per_mm2": throughput / area,
        "efficiency_tops_per_w": {name: operated / energy / 1e12 for name, energy in within.items()},
        "power_w": {"average": within["system"] / time, "peak": peak_power(estimate)},
        "lifetime_samples": lifetime(device, activity, batch),
    }
