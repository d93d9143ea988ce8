"""Where the two halves meet: an experiment becomes an estimate, or a trained network with its price."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest import result as results
from cimest.actions import Action
from cimest.activity import Activity
from cimest.config import Experiment
from cimest.config.loader import defaults_taken, resolved
from cimest.config.schema import Chip
from cimest.dataflow import Design, Schedule, conflicts, resolve, training_step
from cimest.dataflow.accelerator import accelerator
from cimest.dataflow.inference import inference
from cimest.dataflow.neurosim import idle_tiles
from cimest.dataflow.transfer import row_reads
from cimest.dataflow.wear import with_wear
from cimest.datasets import choose
from cimest.estimate import (
    Estimate,
    Pipeline,
    calibrated,
    described,
    energies,
    factors,
    macro,
    metrics,
    operations,
    price,
    ranges,
)
from cimest.mapping.floorplan import FloorPlan, place
from cimest.mapping.inference import inference_parts, plan_inference
from cimest.mapping.part import Part, technology
from cimest.mapping.parts import inventory
from cimest.network import Network, arguments, builder
from cimest.rules import RULES, Rule, advice
from cimest.rules.in_array import in_array
from hwlib import provenance
from hwlib.component import Real
from hwlib.devices import Device
from hwlib.technology import Technology
from hwlib.units import pretty

if TYPE_CHECKING:  # the simulator brings numba, which an estimate does without
    from cimest.learning import Progress as Step
    from cimest.learning import Trainer

CLIPPING = 0.05
"""Share of a layer's clipped conversions above which a result warns (our choice)."""

REPEATED = 0.1
"""Reads that repeat a vector, over its first ones, above which a result warns (our choice)."""

SATURATION = 0.2
"""Share of a layer's cells at an end of their range above which a result warns (our choice)."""


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


def build_trainer(experiment: Experiment) -> Trainer:
    """The experiment's training at its start, with its data loaded.

    Raises
    ------
    ValueError
        If the experiment has a choice that can be priced but not trained.
    """
    from cimest.learning import Trainer

    if experiment.training.kind == "none":
        raise ValueError("training: none prices inference alone, by `cimest estimate`; there is nothing to run")
    choice = experiment.dataset
    data = choose(choice.name, choice.options).load(choice.path, choice.train, choice.test)
    data = data.held_out(choice.validation)
    schedule = resolve(experiment.dataflow)
    stored_once = schedule.operand_writes == "once"
    network, waited = build_network(experiment), batch_time(experiment)
    return Trainer(experiment, network, data, shares_arrays(network, schedule), stored_once, waited)


def shares_arrays(network: Network, schedule: Schedule) -> dict[str, bool]:
    """Whether images share arrays of the weight-gradient unit, for each layer with weights; see `Design.stacked`."""
    if schedule.loop_order == "split":
        first = schedule.image_layers or 0
        return {layer.name: bool(number >= first) for number, layer in enumerate(network.matrices)}
    return {layer.name: schedule.stacked for layer in network.matrices}


def use_threads(count: int) -> None:
    """Train with that many threads from now on; no result depends on it."""
    from cimest.kernels.threads import set_threads

    set_threads(count)


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
        batch = experiment.training.batch
        design = Design(network, chip, plan, schedule, batch, {}, experiment.training.learning_rate.start)
        if inferring:
            parts = inference_parts(network, chip, plan, tech, schedule.gradient_bits)
            design = replace(design, parts=parts)
            actions = inference(design, activity)
        else:
            products = design.products_in_a_lane
            parts = inventory(network, chip, plan, tech, schedule.gradient_bits, rule.parts(network, chip), products)
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


def price_readings(experiment: Experiment, readings: int) -> tuple[float, float]:
    """Energy [J] and time [s] of reading all weights, row by row, so many times."""
    priced = price_experiment(experiment)
    design, names = priced.design, tuple(layer.name for layer in priced.network.matrices)
    actions = [
        action
        for placement in priced.plan.placements
        for action in row_reads(design, placement, readings * placement.layer.fan_in)
    ]
    found = price(actions, priced.parts, priced.tech, names, design.schedule.overlap)
    found = calibrated(found, factors(experiment.chip.calibration), priced.parts)
    return float(sum(found.energy.values())), float(found.time())


def training_samples(experiment: Experiment) -> int:
    """Images of the whole training: those of an epoch's whole batches times the epochs."""
    data, batch = choose(experiment.dataset.name, experiment.dataset.options), experiment.training.batch
    images = (experiment.dataset.train or data.train) - (experiment.dataset.validation or 0)
    return images // batch * batch * experiment.training.epochs


def describe(experiment: Experiment, priced: Priced, samples: int) -> dict[str, Any]:
    """What a result says of the price; see `cimest.result`."""
    device, batch = experiment.chip.device, experiment.training.batch
    inferring = experiment.training.kind == "none"
    figures = metrics(priced.estimate, priced.network, device, priced.activity, batch, samples, inferring)
    choice = experiment.chip.calibration
    figures["range"] = ranges(priced.estimate, choice, priced.parts, priced.tech, figures["ops_per_sample"])
    absent = {}
    if inferring:
        figures["macro"] = macro(priced.estimate, priced.network, priced.actions)
        untrained = "nothing is trained (`training: none`)"
        absent = dict.fromkeys(("training_energy_j", "training_time_s", "lifetime_samples", "reference"), untrained)
        if figures["macro"]["conversions_per_sample"] is None:
            absent["conversions_per_sample"] = "the sums of digital arrays are numbers already"
    else:
        if figures["lifetime_samples"] is None:
            absent["lifetime_samples"] = f"the record of device {device.name} has no endurance"
        try:
            figures["reference"] = {"digital": digital_reference(experiment, priced)}
        except ValueError as error:
            absent["reference"] = str(error)
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
        )
        | {"calibration": described(choice)},
        "network": {
            "name": network.name,
            "weights": network.weights,
            "macs": network.macs,
            "attention_macs": sum(layer.macs for layer in network.attentions),
            "layers": layers,
        },
        "chip": {"arrays": priced.plan.arrays, "tiles": priced.plan.tiles, "utilisation": priced.plan.utilisation},
        "metrics": figures,
        "breakdown": results.breakdown(priced.estimate),
        "rule": rule_in_the_arrays(experiment, network),
        "activity": {name: asdict(layer) for name, layer in priced.activity.layers.items()},
        "warnings": warnings(experiment, priced),
        "absent": absent,
    }


def rule_in_the_arrays(experiment: Experiment, network: Network) -> dict[str, dict[str, Any]] | None:
    """The numbers that a rule works with in each layer where it updates in the arrays; none elsewhere."""
    chip, training = experiment.chip, experiment.training
    if chip.weight_gradient.unit != "in_array" or training.kind == "none":
        return None
    rule = in_array(build_rule(experiment), chip.weight_gradient.train_length)
    samples = training_samples(experiment) // training.epochs
    return advice.effective(rule, network, chip.device, training.learning_rate.start, samples)


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
        found.append(
            "activity is assumed, not measured: `cimest run` measures it, `--activity FILE` takes it from a run"
        )
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
    trains = experiment.training.kind != "none"
    result["absent"]["accuracy"] = "an estimate does not train" + ("; `cimest run` does" if trains else "")
    result = results.plain(result)
    if out is not None:
        from cimest.report import write

        write(result, priced.estimate.dataset(), out)
    return result


def run(experiment: Experiment, out: Path, quiet: bool = False) -> dict[str, Any]:
    """Train an experiment and price it with the activity that was measured.

    Every epoch leaves a checkpoint in `out`; the same call takes it up and ends as if it had never stopped.

    Parameters
    ----------
    experiment : Experiment
    out : Path
        Folder for checkpoint, result, tables, figures and report.
    quiet : bool
        Show no progress.

    Returns
    -------
    dict
        As in result.json.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, once the result of the epochs so far is written.
    """
    trainer = build_trainer(experiment)
    trainer.resume(out)
    interrupted = False
    with Progress(experiment, trainer, shown=not quiet) as progress:
        try:
            trainer.run(progress.update, checkpoints=out)
        except KeyboardInterrupt:
            interrupted = True
            trainer.resume(out)  # what the broken epoch has changed is not part of the result
    result = finish(experiment, trainer, out, interrupted)
    if interrupted:
        raise KeyboardInterrupt(f"stopped after {len(trainer.history)} epochs; {out} holds their result")
    return result


def finish(experiment: Experiment, trainer: Trainer, out: Path, interrupted: bool) -> dict[str, Any]:
    """Price what was trained and write everything."""
    from cimest.report import write

    epochs = len(trainer.history)
    priced = price_experiment(experiment, trainer.activity() if epochs else None)
    samples = trainer.samples_per_epoch * epochs
    result = describe(experiment, priced, samples)
    energy = result["metrics"]["energy_per_sample_j"] * trainer.samples_per_epoch
    result["history"] = [asdict(epoch) | {"energy_j": energy} for epoch in trainer.history]
    if epochs:
        tested = [epoch.test_accuracy for epoch in trainer.history]
        result["accuracy"] = {"test": tested[-1], "best": max(tested), "train": trainer.history[-1].train_accuracy}
    else:
        result["accuracy"] = None
        result["absent"]["accuracy"] = "stopped before the first epoch was complete"
    if interrupted:
        result["warnings"].insert(0, f"interrupted after {epochs} of {experiment.training.epochs} epochs")
    if epochs:
        result["ledger"] = trainer.entries()
        result["warnings"] += learning_warnings(result["ledger"], experiment.chip)
    result = results.plain(result)
    write(result, priced.estimate.dataset(), out)
    priced.activity.save(out / "activity.json")
    return result


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


class Progress:
    """A progress bar on standard error with loss, accuracy, energy so far and time left."""

    def __init__(self, experiment: Experiment, trainer: Trainer, shown: bool):
        from rich import progress
        from rich.console import Console

        self.experiment, self.trainer = experiment, trainer
        self.epoch, self.energy_per_sample = 0, 0.0
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(),
            progress.TextColumn("loss {task.fields[loss]}  test {task.fields[accuracy]}  {task.fields[energy]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not shown,
        )
        epochs = experiment.training.epochs
        fields: dict[str, Any] = {
            "epoch": min(len(trainer.history) + 1, epochs),
            "epochs": epochs,
            "loss": "–",
            "accuracy": "–",
            "energy": "",
        }
        done = len(trainer.history) * trainer.batches
        self.task = self.bar.add_task("", total=epochs * trainer.batches, completed=done, **fields)

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.bar.stop()

    def update(self, step: Step) -> None:
        """After a batch; at the start of an epoch the energy is priced anew with what has been measured."""
        if step.epoch != self.epoch:
            self.epoch = step.epoch
            activity = self.trainer.activity() if self.trainer.history else None
            within = energies(price_experiment(self.experiment, activity).estimate)
            self.energy_per_sample = float(within["system"])
        samples = ((step.epoch - 1) * step.batches + step.batch) * self.experiment.training.batch
        history = self.trainer.history
        self.bar.update(
            self.task,
            completed=(step.epoch - 1) * step.batches + step.batch,
            epoch=step.epoch,
            loss=f"{step.loss:.3f}",
            accuracy=f"{100 * history[-1].test_accuracy:.1f} %" if history else "–",
            energy=pretty(samples * self.energy_per_sample, "J"),
        )
