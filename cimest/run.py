"""Where the two halves meet: an experiment becomes an estimate, or a trained network with its price."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest import result as results
from cimest.caveats import learning_warnings, rule_in_the_arrays, warnings
from cimest.config import Experiment
from cimest.config.loader import defaults_taken, resolved
from cimest.dataflow import Schedule, resolve
from cimest.datasets import choose
from cimest.estimate import described, macro, metrics, ranges
from cimest.network import Network
from cimest.pricing import Priced, batch_time, build_network, digital_reference, price_experiment, training_samples
from cimest.progress import Progress

if TYPE_CHECKING:  # the simulator brings numba, which an estimate does without
    from cimest.learning import Trainer


def estimate(experiment: Experiment, out: str | Path | None = None) -> dict[str, Any]:
    """Price an experiment without training it.

    Parameters
    ----------
    experiment : Experiment
    out : str or Path, optional
        Folder for the result, its tables and its report; nothing is written without it.

    Returns
    -------
    dict
        As in result.json.
    """
    if out is not None:
        out = Path(out)
        results.make_folder(out)
        if (out / results.CHECKPOINT).exists():
            raise ValueError(f"{out} holds a run, which an estimate would mix with: choose another folder")
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


def run(experiment: Experiment, out: str | Path, quiet: bool = False) -> dict[str, Any]:
    """Train an experiment and price it with the activity that was measured.

    Every epoch leaves a checkpoint in `out`; the same call takes it up and ends as if it had never stopped.

    Parameters
    ----------
    experiment : Experiment
    out : str or Path
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
    out = Path(out)
    results.make_folder(out)
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
    trainer = Trainer(experiment, network, data, shares_arrays(network, schedule), stored_once, waited)
    if experiment.training.start_from:
        trainer.prepare = partial(_start, trainer, Path(experiment.training.start_from))
    return trainer


def _start(trainer: Trainer, start: Path) -> None:
    """Begin with the weights of a run's folder, or of a file."""
    if start.is_dir():
        trainer.continue_from(trained_in(start))
    else:
        from cimest.programming.trained import from_file

        trainer.start_from(from_file(start))


def trained_in(folder: Path) -> Trainer:
    """The training of a run's folder, as far as it went.

    Raises
    ------
    FileNotFoundError
        If the folder holds no run, or no checkpoint.
    ValueError
        If the checkpoint is another experiment's.
    """
    trainer = build_trainer(Experiment.model_validate(results.read_result(folder)["experiment"]))
    trainer.resume(folder)
    if not trainer.history:
        raise FileNotFoundError(f"{folder} holds no checkpoint of a trained network, which `cimest run` leaves there")
    return trainer


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
