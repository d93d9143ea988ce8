"""What turns an experiment into its price: network, rule and chip, counted actions, energy, time and area."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cimest.actions import Action
from cimest.activity import Activity
from cimest.config import Experiment
from cimest.dataflow import Design, conflicts, resolve, training_step
from cimest.dataflow.accelerator import accelerator
from cimest.dataflow.inference import inference
from cimest.dataflow.neurosim import idle_tiles
from cimest.dataflow.transfer import row_reads
from cimest.dataflow.wear import with_wear
from cimest.datasets import choose
from cimest.estimate import Estimate, Pipeline, calibrated, energies, factors, metrics, operations, price
from cimest.mapping.floorplan import FloorPlan, place
from cimest.mapping.inference import inference_parts, plan_inference
from cimest.mapping.part import Part, technology
from cimest.mapping.parts import inventory
from cimest.network import Network, arguments, builder
from cimest.rules import RULES, Rule
from cimest.rules.in_array import in_array
from hwlib import provenance
from hwlib.component import Real
from hwlib.technology import Technology


@dataclass(frozen=True)
class Priced:
    """An estimate with what it rests on."""

    network: Network
    plan: FloorPlan
    tech: Technology
    parts: dict[str, Part]
    actions: list[Action]
    activity: Activity
    estimate: Estimate
    record: provenance.Record
    design: Design


def build_network(experiment: Experiment) -> Network:
    """The experiment's network, shaped for its data set."""
    data = choose(experiment.dataset.name, experiment.dataset.options)
    make = builder(experiment.network.name)
    return make(*arguments(make, data), **experiment.network.options)


def build_rule(experiment: Experiment) -> Rule:
    """The experiment's training rule."""
    return RULES.get(experiment.training.rule.name)(**experiment.training.rule.options)


def training_samples(experiment: Experiment) -> int:
    """Images of the whole training: those of an epoch's whole batches times the epochs."""
    data, batch = choose(experiment.dataset.name, experiment.dataset.options), experiment.training.batch
    images = (experiment.dataset.train or data.train) - (experiment.dataset.validation or 0)
    return images // batch * batch * experiment.training.epochs


def price_experiment(experiment: Experiment, activity: Activity | None = None) -> Priced:
    """Price an experiment.

    Parameters
    ----------
    experiment : Experiment
    activity : Activity, optional
        What the data made the hardware do; without it the experiment's recorded activity, or the default one.

    Raises
    ------
    ValueError
        If recorded activity does not fit the network, choices exclude one another, or a component refuses its
        parameters.
    """
    for path, message in conflicts(experiment):
        raise ValueError(f"{'.'.join(path)}: {message}")
    chip, network, rule = experiment.chip, build_network(experiment), build_rule(experiment)
    schedule, inferring = resolve(experiment.dataflow), experiment.training.kind == "none"
    if activity is None:
        recorded = experiment.activity
        activity = Activity.load(Path(recorded), network) if recorded else Activity.default(network)
    with provenance.record() as record:
        tech = technology(chip)
        plan = plan_inference(network, chip) if inferring else place(network, chip)
        batch, centred = experiment.training.batch, experiment.centred(network.chain)
        design = Design(network, chip, plan, schedule, batch, {}, experiment.training.learning_rate.start, centred)
        if inferring:
            parts = inference_parts(network, chip, plan, tech, schedule.gradient_bits)
            design = replace(design, parts=parts)
            actions = inference(design, activity)
        else:
            products = design.products_in_a_lane
            if chip.weight_gradient.unit == "in_array":
                rule = in_array(rule, chip.weight_gradient.train_length)
                design = replace(design, gathered=rule.gathered, reads_beside=rule.reads_beside)
            own = rule.parts(network, chip)
            parts = inventory(network, chip, plan, tech, schedule.gradient_bits, own, products, centred != "none")
            design = replace(design, parts=parts)
            actions = training_step(design, rule, activity)
            activity = with_wear(design, actions, activity)
        names = tuple(layer.name for layer in network.matrices)
        waiting = {placement.layer.name: design.waits(placement) for placement in plan.placements}
        pipeline = Pipeline(batch, waiting) if schedule.pipelined else None
        idle = idle_tiles(plan) if schedule.accounting == "neurosim" else None
        estimate = price(actions, parts, tech, names, schedule.overlap, pipeline, idle)
        estimate = calibrated(estimate, factors(chip.calibration), parts)
    return Priced(network, plan, tech, parts, actions, activity, estimate, record, design)


def batch_time(experiment: Experiment) -> float:
    """Time between two updates: the experiment's own, or what the chip takes by estimate; 0 if no cell drifts. [s]"""
    device, training = experiment.chip.device, experiment.training
    if device.drift is None and device.read_noise is None:
        return 0.0
    if training.batch_time is not None:
        return training.batch_time
    priced = price_experiment(experiment)
    figures = metrics(priced.estimate, priced.network, device, priced.activity, training.batch, training.batch)
    return float(figures["training_time_s"])


def price_readings(experiment: Experiment, readings: int) -> tuple[float, float]:
    """Energy, with leakage [J], and time [s] of reading all weights, row by row, so many times."""
    priced = price_experiment(experiment)
    design, names = priced.design, tuple(layer.name for layer in priced.network.matrices)
    actions = [
        action
        for placement in priced.plan.placements
        for action in row_reads(
            design, placement, readings * placement.layer.fan_in, active_rows=1.0 + design.reads_beside
        )
    ]
    found = price(actions, priced.parts, priced.tech, names, design.schedule.overlap)
    found = calibrated(found, factors(experiment.chip.calibration), priced.parts)
    return float(energies(found)["chip"]), float(found.time())


def digital_reference(experiment: Experiment, priced: Priced) -> dict[str, Any]:
    """What a digital training accelerator of the same node, bits and buffers takes; see `cimest.dataflow.accelerator`.

    Raises
    ------
    ValueError
        If it cannot compute the network.
    """
    parts, actions = accelerator(priced.design, build_rule(experiment), priced.activity)
    estimate = price(actions, parts, priced.tech, priced.estimate.layers, overlap=True)
    estimate = calibrated(estimate, factors(experiment.chip.calibration), parts)
    within, operated = energies(estimate), operations(priced.network)
    by_pass: dict[str, Real] = {}
    for (_, pass_, _), value in (*estimate.energy.items(), *estimate.leakage_energy().items()):
        by_pass[pass_] = by_pass.get(pass_, 0.0) + value
    return {
        "energy_per_sample_j": within["system"],
        "energy_per_sample_by_pass_j": by_pass,
        "latency_per_sample_s": estimate.time(),
        "area_mm2": sum(estimate.area.values()) * 1e6,
        "leakage_w": sum(estimate.leakage.values()),
        "throughput_tops": operated / estimate.time() / 1e12,
        "efficiency_tops_per_w": {name: operated / energy / 1e12 for name, energy in within.items()},
    }
