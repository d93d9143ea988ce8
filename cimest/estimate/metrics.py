"""The figures of merit of a training chip, at three boundaries, from an estimate."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.estimate.estimate import Estimate
from cimest.mapping.part import BOUNDARIES
from cimest.network import Network
from hwlib.component import Real
from hwlib.devices import Device

MAC_PASSES = ("forward", "backward", "weight_gradient")


def operations(network: Network) -> int:
    """Operations of one training sample: two for each multiply-accumulate of forward, backward and weight gradient.

    Padded positions count, since they are executed; layers before which nothing learns have no backward pass,
    unless they are recurrent. The products of attention have two backward: one for each operand.
    """
    backward = [layer.macs for layer in network.matrices if network.runs_backward(layer)]
    attention = sum(layer.macs for layer in network.attentions)
    return 2 * (2 * (network.macs - attention) + sum(backward) + 3 * attention)


def inferred_operations(network: Network) -> int:
    """Operations of one sample that is inferred: two for each multiply-accumulate."""
    return 2 * network.macs


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
    chip = estimate.leaked() + sum(
        value for (_, _, part), value in estimate.energy.items() if estimate.boundary[part] != "system"
    )
    system = chip + sum(value for (_, _, part), value in estimate.energy.items() if estimate.boundary[part] == "system")
    return dict(zip(BOUNDARIES, (macro, chip, system), strict=True))


def executed(estimate: Estimate, network: Network, activity: Activity) -> Real:
    """Operations of one training sample that are carried out: a digital weight-gradient unit skips products with zeros.

    Analog arrays work whether an operand is zero or not.
    """
    skipped = 0.0
    if "outer_product" in estimate.boundary:
        for layer in network.matrices:
            of = activity.layers[layer.name]
            skipped += 2 * layer.macs * (1 - (1 - of.input_zeros) * (1 - of.error_zeros))
    return operations(network) - skipped


def sample_time(estimate: Estimate) -> Real:
    """From the start of a sample's forward pass to the end of its weight gradient, nothing else on the chip. [s]"""
    return sum(time for (_, pass_, _), time in estimate.alone.items() if pass_ in MAC_PASSES)


def bottleneck(estimate: Estimate) -> dict[str, Any]:
    """What sets the time of a sample: the slowest stage of a pipeline, or else the pass and component that take most.

    Returns
    -------
    dict
        `resource`, its time per sample `time_s`, and `share` of the time per sample.
    """
    times: dict[str, Real] = dict(estimate.stages)
    if not times:
        for (_, pass_, part), time in estimate.latency.items():
            times[f"{pass_}: {part}"] = times.get(f"{pass_}: {part}", 0.0) + time
    stacked = np.stack(np.broadcast_arrays(*times.values()))
    longest = stacked.max(axis=0)
    names = np.array(list(times))[stacked.argmax(axis=0)]
    return {"resource": names, "time_s": longest[()], "share": longest / estimate.time()}


def bursts(estimate: Estimate) -> dict[str, tuple[Real, Real]]:
    """Dynamic energy [J] and time [s] of each pass of each layer by itself, and of the interval of a pipeline."""
    spent: dict[tuple[str, str], Real] = {}
    times: dict[tuple[str, str], Real] = {}
    for cell, value in estimate.energy.items():
        spent[cell[:2]] = spent.get(cell[:2], 0.0) + value
    for cell, value in estimate.alone.items():
        times[cell[:2]] = times.get(cell[:2], 0.0) + value
    found: dict[str, tuple[Real, Real]] = {}
    together: Real = 0.0
    for key in sorted(spent.keys() & times.keys()):  # a pass that takes no time has no power
        flowing = estimate.pipeline.flowing(*key) if estimate.pipeline else 0.0
        found[f"{key[1]} of {key[0]}"] = (1 - flowing) * spent[key], times[key]
        together = together + flowing * spent[key]
    if estimate.stages:
        found["pipeline"] = together, np.max(np.stack(np.broadcast_arrays(*estimate.stages.values())), axis=0)
    return found


def peak_power(estimate: Estimate) -> dict[str, Any]:
    """Largest power averaged over a layer's pass, or over the interval of a pipeline, with leakage.

    Returns
    -------
    dict
        `peak` [W] and `peak_at`, when that is.
    """
    powers = {
        name: np.where(time > 0, energy / np.maximum(time, 1e-30), 0.0)
        for name, (energy, time) in bursts(estimate).items()
    }
    stacked = np.stack(np.broadcast_arrays(*powers.values()))
    names = np.array(list(powers))[stacked.argmax(axis=0)]
    return {"peak": (stacked.max(axis=0) + sum(estimate.leakage.values()))[()], "peak_at": names}


def lifetime(device: Device, activity: Activity, batch: int) -> Real | None:
    """Training samples until the most pulsed cell has used its endurance; None if the device has no figure for that."""
    if device.endurance is None:
        return None
    every = [layer.most_written for layer in activity.layers.values()]
    worst = np.max(np.stack(np.broadcast_arrays(*every)), axis=0)
    return np.where(worst > 0, device.endurance / np.maximum(worst, 1e-300) * batch, np.inf)[()]


def metrics(
    estimate: Estimate,
    network: Network,
    device: Device,
    activity: Activity,
    batch: int,
    samples: int,
    inference: bool = False,
) -> dict[str, Any]:
    """All figures of merit; keys end in their units.

    Parameters
    ----------
    samples : int
        Training samples of the whole run: images times epochs.
    inference : bool
        Whether nothing is trained: a sample is then one that is inferred, and what is of training is None.
    """
    operated = inferred_operations(network) if inference else operations(network)
    within = energies(estimate)
    time = estimate.time()
    area = sum(estimate.area.values()) * 1e6
    throughput = operated / time / 1e12
    return {
        "ops_per_sample": operated,
        "executed_ops_per_sample": operated if inference else executed(estimate, network, activity),
        "energy_per_sample_j": within["system"],
        "energy_per_sample_by_boundary_j": within,
        "latency_per_sample_s": time,
        "training_energy_j": None if inference else within["system"] * samples,
        "training_time_s": None if inference else time * samples,
        "area_mm2": area,
        "leakage_w": sum(estimate.leakage.values()),
        "throughput_tops": throughput,
        "density_tops_per_mm2": throughput / area,
        "efficiency_tops_per_w": {name: operated / energy / 1e12 for name, energy in within.items()},
        "power_w": {"average": within["system"] / time, **peak_power(estimate)},
        "bottleneck": bottleneck(estimate),
        "latency_of_one_sample_s": sample_time(estimate),
        "lifetime_samples": None if inference else lifetime(device, activity, batch),
    }
