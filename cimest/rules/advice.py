"""What a rule that updates in the arrays works with on a chip, layer by layer, and advice where that is too little."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.network import Network
from cimest.rules.fast_array import FastArray
from cimest.rules.in_array import share_of_a_vector
from cimest.rules.in_memory import InMemory
from hwlib.devices import Device
from hwlib.devices.stepwise import apply_law

MANY = 1000
"""States from which plain descent in the arrays does without a fast array (our choice; the family's own papers take
1 200 of them for the ideal of plain descent)."""

SYMMETRIC = 0.1
"""Most that pulses up and down may differ over their sum, half way to an end of the range, so that a device counts as
symmetric (our choice): pulses of both signs then do not pull a cell back, on which all rules but descent rely."""


def asymmetry(device: Device) -> float:
    """Difference of a pulse up and one down over their sum, half way to either end of the range; the larger one."""
    weights = np.array([-0.5, 0.5])
    up = apply_law(device.update, device.states, weights, np.ones(2)) - weights
    down = weights - apply_law(device.update, device.states, weights, -np.ones(2))
    return float(np.max(np.abs(up - down) / np.maximum(up + down, 1e-30)))


def effective(
    rule: InMemory, network: Network, device: Device, learning_rate: float, samples: int
) -> dict[str, dict[str, Any]]:
    """The numbers that a rule works with in each layer, at the start of a training.

    Parameters
    ----------
    rule : InMemory
    network : Network
    device : Device
    learning_rate : float
    samples : int
        Of an epoch.

    Returns
    -------
    dict
        Layer to `vectors_per_epoch`; `step`, the weight's change by a pulse in the middle of the range;
        `expected_pulses` of the largest product and `slots`, the longest train (not where gradients are digital). With
        fast arrays `transfer_rate`, pulses on the weights by a reading of one, `sweep_vectors` between two reads of a
        row and `reference_pulses` that find the balance points of all cells; with choppers `chopper_vectors` between
        two flips. With digital words their `word_step`, in pulses, and `threshold_share`: what the first epoch adds to
        a word, in pulses, if every reading is one, which is half the range, or every product the largest one.
    """
    return {
        layer.name: _values(
            rule,
            (layer.fan_in, layer.fan_out),
            device,
            learning_rate * share_of_a_vector(network, layer),
            samples * layer.positions,
        )
        for layer in network.matrices
    }


def _values(
    rule: InMemory, shape: tuple[int, int], device: Device, learning_rate: float, vectors: int
) -> dict[str, Any]:
    plan = rule.plan(shape, device)
    gain, rate = rule.gain(shape, device, learning_rate), rule.speed(learning_rate) * plan.rate
    found: dict[str, Any] = {"vectors_per_epoch": vectors, "step": 2 / device.states, "expected_pulses": gain}
    if not plan.batch:
        found["slots"] = plan.slots
    if isinstance(rule, FastArray):
        sweep = shape[0] * plan.every / plan.reads
        found |= {"transfer_rate": rate, "sweep_vectors": sweep}
        found["reference_pulses"] = (rule.levels - 1) * rule.reference_pulses_of_a_cell * shape[0] * shape[1]
        if rule.phase:
            found["chopper_vectors"] = sweep * rule.phase
    if rule.matrices:
        found["word_step"] = plan.pulses / 2 ** (plan.bits - 1)
        waiting = rule.phase if rule.tracked else 0.0
        if plan.batch:
            added, times = gain * plan.batch, vectors / plan.batch
        else:
            added, times = rate, max(vectors / sweep - waiting, 0.0)
        found["threshold_share"] = added * times if added >= found["word_step"] / 2 else 0.0
    return found


def advice(rule: InMemory, device: Device, found: dict[str, dict[str, Any]]) -> list[str]:
    """Warnings of a result; `found` are the numbers of `effective`."""
    slow = [name for name, values in found.items() if values.get("threshold_share", 1.0) < 1]
    told = []
    if slow:
        remedy = "training.learning_rate or training.rule.pace" + (", or reads" if rule.levels > 1 else "")
        told.append(
            f"{', '.join(slow)}: in the first epoch digital words reach a whole pulse only where readings stay above "
            f"half the range, or not at all: raise {remedy} (see rule.*.threshold_share in result.json)"
        )
    if rule.levels > 1 and device.states >= MANY and asymmetry(device) <= SYMMETRIC:
        told.append(
            f"device {device.name} has {device.states} states and is symmetric, so that its cells are pulled to no "
            "balance point: rule sgd fits it better"
        )
    if rule.levels > 1 and not rule.tracked:
        pulses = sum(values["reference_pulses"] for values in found.values())
        how = (
            f"take {pulses:.3g} pulses before training, which are not in the training energy"
            if pulses
            else "are taken as known (training.rule.reference: exact); what finding them takes is not priced"
        )
        told.append(f"the balance points of the fast arrays {how}")
    return told
