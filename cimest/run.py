"""Where the two halves meet: an experiment becomes an estimate, or a trained network with its price."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cimest import result as results
from cimest.activity import Activity
from cimest.config import Experiment
from cimest.config.loader import defaults_taken, resolved
from cimest.dataflow import Design, resolve, training_step
from cimest.datasets import DATASETS
from cimest.estimate import Estimate, metrics, price
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

    Raises
    ------
    ValueError
        If recorded activity does not fit the network, or a component refuses its parameters.
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


def training_samples(experiment: Experiment) -> int:
    """Images of the whole training: those of an epoch times the epochs."""
    data = DATASETS.get(experiment.dataset.name)
    return (experiment.dataset.train or data.train) * experiment.training.epochs


def describe(experiment: Experiment, priced: Priced, samples: int) -> dict[str, Any]:
    """What a result says of the price; see `cimest.result`."""
    device, batch = experiment.chip.device, experiment.training.batch
    figures = metrics(priced.estimate, priced.network, device, priced.activity, batch, samples)
    absent = {}
    if figures["lifetime_samples"] is None:
        absent["lifetime_samples"] = f"the record of device {device.name} has no endurance"
    layers = [
        {
            "name": placement.layer.name,
            "fan_in": placement.layer.fan_in,
            "fan_out": placement.layer.fan_out,
            "positions": placement.layer.positions,
            "weights": placement.layer.weights,
            "macs": placement.layer.macs,
            "arrays": placement.arrays * placement.copies,
            "tiles": placement.tiles,
            "copies": placement.copies,
        }
        for placement in priced.plan.placements
    ]
    network = priced.network
    return {
        "experiment": resolved(experiment),
        "provenance": results.provenance(
            priced.record, priced.activity, experiment.seed, sorted(defaults_taken(experiment))
        ),
        "network": {"name": network.name, "weights": network.weights, "macs": network.macs, "layers": layers},
        "chip": {"arrays": priced.plan.arrays, "tiles": priced.plan.tiles, "utilisation": priced.plan.utilisation},
        "metrics": figures,
        "breakdown": results.breakdown(priced.estimate),
        "activity": {name: asdict(layer) for name, layer in priced.activity.layers.items()},
        "warnings": warnings(experiment, priced),
        "absent": absent,
    }


def warnings(experiment: Experiment, priced: Priced) -> list[str]:
    """What a reader of the price should know before believing it."""
    found = sorted(priced.record.extrapolations)
    if priced.activity.origin == "default":
        found.append("activity is assumed, not measured: `cimest run` measures it, `--activity FILE` takes it from a run")
    if experiment.chip.duplication == "fill_tile":
        found.append("copies of a layer are trained as if identical; in hardware their write noise would differ")
    if priced.plan.utilisation < 0.5:
        used = f"{100 * float(priced.plan.utilisation):.0f} %"
        found.append(f"only {used} of the arrays hold weights: smaller tiles (chip.tile) would leak less")
    return found


def estimate(experiment: Experiment, out: Path | None = None) -> dict[str, Any]:
    """Price an experiment without training it.

    Parameters
    ----------
    experiment : Experiment
    out : Path, optional
        Folder for the result, its tables and its report; nothing is written without it.

    Returns
    -------
    dict
        As in result.json.
    """
    priced = price_experiment(experiment)
    result = describe(experiment, priced, training_samples(experiment))
    result |= {"accuracy": None, "history": []}
    result["absent"]["accuracy"] = "an estimate does not train; `cimest run` does"
    result = results.plain(result)
    if out is not None:
        from cimest.report import write

        write(result, priced.estimate.dataset(), out)
    return result
