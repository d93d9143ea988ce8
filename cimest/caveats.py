"""What a reader should know before believing a result: what is left out, assumed, or close to a limit."""

from __future__ import annotations

from typing import Any

from cimest.config import Experiment
from cimest.config.chip import Chip
from cimest.estimate import macro
from cimest.network import Network
from cimest.pricing import Priced, build_rule, price_experiment, training_samples
from cimest.rules import advice
from cimest.rules.in_array import in_array
from hwlib.devices import Device
from hwlib.units import pretty

CLIPPING = 0.05
"""Share of a layer's clipped conversions above which a result warns (our choice)."""

REPEATED = 0.1
"""Reads that repeat a vector, over its first ones, above which a result warns (our choice)."""

SATURATION = 0.2
"""Share of a layer's cells at an end of their range above which a result warns (our choice)."""


def warnings(experiment: Experiment, priced: Priced) -> list[str]:
    """What a reader of the price should know before believing it."""
    found = sorted(priced.record.extrapolations) + unpriced(experiment.chip, experiment.training.kind)
    if experiment.training.kind == "none":
        found += too_fast(experiment, priced)
    else:
        found += unsimulated(experiment.chip.device)
    if (numbers := rule_in_the_arrays(experiment, priced.network)) is not None:
        rule = in_array(build_rule(experiment), experiment.chip.weight_gradient.train_length)
        found += advice.advice(rule, experiment.chip.device, numbers)
    if experiment.training.weight_noise or experiment.training.clip is not None:
        found.append("training.weight_noise and training.clip: generators of noise and reads of weights are not priced")
    if priced.activity.origin == "default":
        measured = "" if experiment.training.kind == "none" else "`cimest run` measures it, "
        found.append(f"activity is assumed, not measured: {measured}`--activity FILE` takes it from a run")
    elif priced.activity.recorded:
        found.append(f"activity was not measured on this design, but recorded: {priced.activity.origin}")
    if experiment.chip.attention.kind == "rewritable" and priced.network.attentions:
        found.append("training multiplies attention's operands exactly; the converters of rewritable arrays would not")
    if experiment.chip.duplication == "fill_tile":
        found.append("copies of a layer are trained as if identical; in hardware their write noise would differ")
    if priced.plan.utilisation < 0.5:
        used = f"{100 * float(priced.plan.utilisation):.0f} %"
        found.append(f"only {used} of the arrays hold weights: smaller tiles (chip.tile) would leak less")
    return found


def unsimulated(device: Device) -> list[str]:
    """What the record of a device says and training does not model."""
    if device.relaxation is None:
        return []
    return ["training leaves out the device's relaxation, which is that of cells written once; `cimest program` has it"]


def too_fast(experiment: Experiment, priced: Priced) -> list[str]:
    """Whether the circuits of a chip that only infers need longer than the cycle that it is said to have."""
    chip = experiment.chip
    if chip.inference.cycle is None:
        return []
    free = chip.model_copy(update={"inference": chip.inference.model_copy(update={"cycle": None})})
    alone = price_experiment(experiment.model_copy(update={"chip": free}), priced.activity)
    needed, given = (macro(one.estimate, one.network, one.actions)["time_per_vector_s"] for one in (alone, priced))
    if needed <= given:
        return []
    return [
        f"by the models the circuits need {pretty(float(needed), 's')} for a vector that chip.inference.cycle gives "
        f"{pretty(float(given), 's')}: such a chip works on the next vector meanwhile, or has faster circuits"
    ]


def unpriced(chip: Chip, kind: str = "on_chip") -> list[str]:
    """What the simulator has and the price has not; the sums of digital arrays need no converter."""
    if kind == "none":
        kinds = {"chip.adc": chip.adc.kind} if chip.array.cell != "digital_sram" else {}
    else:
        kinds = {
            "chip.adc": chip.adc.kind,
            "chip.backward_adc": chip.backward_adc.kind,
            "chip.weight_gradient.adc": chip.weight_gradient.adc_kind,
        }
    ideal = [name for name, kind in kinds.items() if kind == "ideal"]
    text = "converters are ideal: their energy, time and area are not in the figures"
    found = [f"{', '.join(ideal)}: {text}"] if ideal else []
    if chip.periphery.kind == "whole_vector":
        found.append("chip.periphery: amplifiers that hold a line at the level of its DAC are not in the figures")
    if chip.array.wire_resistance:
        found.append("chip.array.wire_resistance: what reads lose along the wires changes no energy or time here")
    return found


def rule_in_the_arrays(experiment: Experiment, network: Network) -> dict[str, dict[str, Any]] | None:
    """The numbers that a rule works with in each layer where it updates in the arrays; none elsewhere."""
    chip, training = experiment.chip, experiment.training
    if chip.weight_gradient.unit != "in_array" or training.kind == "none":
        return None
    rule = in_array(build_rule(experiment), chip.weight_gradient.train_length)
    samples = training_samples(experiment) // training.epochs
    return advice.effective(rule, network, chip.device, training.learning_rate.start, samples)


def learning_warnings(ledger: dict[str, dict[str, Any]], chip: Chip) -> list[str]:
    """What the training itself says about the chip's choices, layer by layer, and what to change.

    Parameters
    ----------
    ledger : dict
        As in result.json.
    chip : Chip
    """
    options = {
        "forward": ("chip.adc.bits", "chip.adc.range", chip.adc.range),
        "backward": ("chip.backward_adc.bits", "chip.backward_adc.range", chip.backward_adc.range),
        "weight_gradient": (
            "chip.weight_gradient.adc_bits", "chip.weight_gradient.adc_range", chip.weight_gradient.adc_range
        ),
    }  # fmt: skip
    found = []
    for layer, entry in ledger.items():
        for pass_, (bits, range_, policy) in options.items():
            clipped = entry["clipped"][pass_]
            if clipped > CLIPPING:
                remedy = f"raise {bits}" + (f" or {range_}" if policy != "calibrated" else "")
                if pass_ != "weight_gradient" and chip.periphery.output_range is not None:
                    remedy = "raise chip.periphery.output_range"
                found.append(f"{100 * clipped:.0f} % of the partial sums clip in {layer}, {pass_}: {remedy}")
        for pass_, reads in entry["reads"].items():
            if reads > 1 + REPEATED:
                found.append(
                    f"{layer}, {pass_}: each vector is read {reads:.2g} times, since sums end the converters' range, "
                    "and its reads and conversions cost as much more: raise chip.periphery.output_range, or cut "
                    "columns into shorter ones (chip.array.rows)"
                )
        if entry["worn_cells"] > 0:
            found.append(
                f"{100 * entry['worn_cells']:.2g} % of the cells of {layer} are worn out and no longer move: the "
                f"most pulsed one has had {entry['most_pulsed']} pulses (chip.device.endurance)"
            )
        if entry["saturated_cells"] > SATURATION:
            found.append(
                f"{100 * entry['saturated_cells']:.0f} % of the cells of {layer} are at an end of their range: lower "
                "training.learning_rate, or choose a device of more states"
            )
    return found
