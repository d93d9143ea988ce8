"""Where the two halves meet: an experiment becomes an estimate, or a trained network with its price."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cimest.activity import Activity
from cimest.config import Experiment
from cimest.dataflow import Design, resolve, training_step
from cimest.estimate import Estimate, price
from cimest.mapping.floorplan import FloorPlan, place
from cimest.mapping.parts import inventory, technology
from cimest.network import NETWORKS, Network
from cimest.rules import RULES, Rule
from hwlib import provenance


@dataclass(frozen=True)
class Priced:
    """An estimate with what it rests on."""

    network: Network
    plan: FloorPlan
    activity: Activity
    estimate: Estimate
    record: provenance.Record


def build_network(experiment: Experiment) -> Network:
    """The experiment's network, shaped for its data set."""
    from cimest.datasets import DATASETS

    data = DATASETS.get(experiment.dataset.name)
    return NETWORKS.get(experiment.network.name)(data.shape, data.classes, **experiment.network.options)


def build_rule(experiment: Experiment) -> Rule:
    """The experiment's training rule."""
    return RULES.get(experiment.training.rule.name)(**experiment.training.rule.options)


def price_experiment(experiment: Experiment, activity: Activity | None = None) -> Priced:
    """Price an experiment.

    Parameters
    ----------
    experiment : Experiment
    activity : Activity, optional
        What the data made the hardware do; without it the experiment's recorded activity, or the default one.
    """
    chip, network, rule = experiment.chip, build_network(experiment), build_rule(experiment)
    schedule = resolve(experiment.dataflow)
    if activity is None:
        recorded = experiment.activity
        activity = Activity.load(Path(recorded), network) if recorded else Activity.default(network)
    with provenance.record() as record:
        tech = technology(chip)
        plan = place(network, chip)
        parts = inventory(network, chip, plan, tech, schedule.gradient_bits) | rule.parts(network, chip)
        design = Design(network, chip, plan, schedule, experiment.training.batch, parts)
        actions = training_step(design, rule, activity)
        names = tuple(layer.name for layer in network.matrices)
        estimate = price(actions, parts, tech, names, schedule.overlap)
    return Priced(network, plan, activity, estimate, record)
