"""The progress bar of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cimest.config import Experiment
from cimest.estimate import energies
from cimest.pricing import price_experiment
from hwlib.units import pretty

if TYPE_CHECKING:
    from cimest.learning import Progress as Step
    from cimest.learning import Trainer


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
