"""Training: epochs over shuffled batches, tests, history, and a state that a checkpoint can hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cimest.activity import Activity
from cimest.config import Experiment
from cimest.datasets import Data
from cimest.kernels.memory import keep_freed
from cimest.learning import checkpoint
from cimest.learning.census import Census
from cimest.learning.in_array import Arrays, variance_beside
from cimest.learning.in_memory import in_array
from cimest.learning.ledger import ENTRIES, VERBS, Ledger, taken
from cimest.learning.model import Model
from cimest.learning.sample_chain import SampleChain, covers
from cimest.network import Network
from cimest.rules import RULES
from cimest.rules.in_memory import InMemory

CALIBRATE_EVERY = 40
"""Training steps between two calibrations of converter ranges and output shifts (our choice: often enough to follow
weights as they grow, and a few per cent of the time)."""

CALIBRATE_SAMPLES = 1000
"""Samples between them, at least (our choice: small steps change little)."""

CALIBRATE_TOGETHER = 32
"""Samples that a calibration looks at, at least (our choice): one alone may have small or large sums by luck."""

TEST_BATCH = 250
"""Images that are tested together; without noise of the converters the accuracy does not depend on it."""


@dataclass(frozen=True)
class Epoch:
    """One line of the history.

    Parameters
    ----------
    epoch : int
        From 1.
    learning_rate : float
        Of the last update.
    loss, train_accuracy : float
        Means over the training batches, with the weights as they were at each. The loss of a softmax is in nats: over
        ln 2 it is the bits per character of a model of characters.
    test_loss, test_accuracy : float
        After the epoch.
    pulses : float
        Mean number of pulses of a cell in an update.
    clipped_forward, clipped_backward, clipped_weight_gradient : float
        Share of conversions beyond the converter's range; of whole vectors, those that end at it.
    seconds : float
        Time the epoch took. [s]
    """

    epoch: int
    learning_rate: float
    loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    pulses: float
    clipped_forward: float
    clipped_backward: float
    clipped_weight_gradient: float
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where training stands after a batch, for a progress bar."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float


class Trainer:
    """An experiment in training.

    Parameters
    ----------
    experiment : Experiment
    network : Network
    data : Data
    stacked_gradient : bool, or mapping of each layer's name to one
        Whether arrays of the weight-gradient unit hold positions of more than one image, as a dataflow does that
        takes all images for one slice of a layer.
    batch_time : float
        Between two updates, in which conductances drift. [s]

    Attributes
    ----------
    prepare : callable, or None
        Called before the first epoch, unless a checkpoint is taken up.

    Raises
    ------
    ValueError
        If there are fewer training images than a batch holds, or the network cannot be put on arrays.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Network,
        data: Data,
        stacked_gradient: bool | Mapping[str, bool],
        stored_once: bool = True,
        batch_time: float = 0.0,
    ):
        keep_freed()
        self.experiment, self.network, self.data = experiment, network, data
        if not isinstance(stacked_gradient, Mapping):
            stacked_gradient = dict.fromkeys((layer.name for layer in network.matrices), stacked_gradient)
        self.schedule = {"stacked_gradient": stacked_gradient, "stored_once": stored_once, "batch_time": batch_time}
        self.batch_time = batch_time
        choice = experiment.training
        self.batches = len(data.train_labels) // choice.batch
        if self.batches == 0:
            raise ValueError(
                f"training.batch is {choice.batch}, but there are {len(data.train_labels)} training images"
            )
        self.rule = RULES.get(choice.rule.name)(**choice.rule.options)
        if experiment.chip.weight_gradient.unit == "in_array":
            self.rule = in_array(self.rule, experiment.chip.weight_gradient.train_length)
        self.model = Model(experiment, network, stacked_gradient, stored_once, data.train_labels)
        for matrix in self.model.matrices:
            if isinstance(self.rule, InMemory):
                matrix.tile.readout.beside = variance_beside(self.rule, experiment.chip.device)
        self.states = [self.rule.init(matrix.tile.shape) for matrix in self.model.matrices]
        self.census, self.ledger = Census(self.model.matrices), Ledger(self.model.matrices)
        self.history: list[Epoch] = []
        self.chain = SampleChain(self) if covers(self) else None
        self.prepare: Callable[[], None] | None = None

    def start_from(self, weights: Mapping[str, np.ndarray]) -> None:
        """Begin with these weights (fan-in, fan-out) within ±1, by name of the layer, written into the devices.

        Raises
        ------
        ValueError
            If they are not those of the network's layers, or beyond ±1.
        """
        shapes = {matrix.layer.name: matrix.tile.shape for matrix in self.model.matrices}
        given = {name: values.shape for name, values in weights.items()}
        if given != shapes:
            raise ValueError(
                f"training.start_from: weights are {_listed(given)}; {self.network.name} takes {_listed(shapes)}"
            )
        for matrix in self.model.matrices:
            values = np.asarray(weights[matrix.layer.name], dtype=np.float32)
            largest = float(np.abs(values).max(initial=0))
            if not largest <= 1:
                raise ValueError(
                    f"training.start_from: the largest weight of {matrix.layer.name} is {largest:g}, beyond the 1 of a "
                    "device at its end: scale each layer's weights, since its shift finds the size of its outputs"
                )
            matrix.tile.begin(values)

    def continue_from(self, other: Trainer) -> None:
        """Begin with what another training of the same network has learned, in devices and in digital circuits.

        Raises
        ------
        ValueError
            If its network or its loss is another.
        """
        mine, its = self.experiment.training.loss, other.experiment.training.loss
        if mine != its:
            raise ValueError(f"training.start_from: that run's last layer is scaled for {its}, not {mine}")
        # A cell of a chip with spread may reach beyond the range of the typical one, where the others have no state
        found = {part.layer.name: np.clip(part.tile.weights, -1, 1) for part in other.model.matrices}
        self.start_from(found)
        self.model.continue_from(other.model)

    def run(
        self,
        callback: Callable[[Progress], None] | None = None,
        checkpoints: Path | None = None,
        stops: Collection[int] = (),
    ) -> list[Epoch]:
        """Train all epochs that are left and return the history.

        Parameters
        ----------
        callback : callable, optional
            Called after every batch, or after some of them where samples are taken one by one in a chain; what it
            raises stops the run.
        checkpoints : Path, optional
            Folder for a checkpoint after each epoch. One that lies there already is taken up first, and the
            run goes on bit by bit as if it had never been stopped.
        stops : collection of int
            Batches, counted over all epochs from 1, after which the callback is called in any case.

        Raises
        ------
        ValueError
            If the checkpoint belongs to another experiment.
        """
        if checkpoints is not None:
            self.resume(checkpoints)
        if self.prepare is not None and not self.history:
            self.prepare()
        while len(self.history) < self.experiment.training.epochs:
            self.history.append(self._epoch(callback, stops))
            if checkpoints is not None:
                checkpoint.save(checkpoints, self.identity, self.state())
        return self.history

    @property
    def identity(self) -> str:
        """Of all that the run depends on."""
        return checkpoint.identity(self.experiment, self.schedule)

    @property
    def samples_per_epoch(self) -> int:
        """Images of an epoch; a last batch that would not be full is left out."""
        return self.batches * self.experiment.training.batch

    def resume(self, checkpoints: Path) -> None:
        """Take up the folder's checkpoint, if there is one.

        Raises
        ------
        ValueError
            If it belongs to another experiment.
        """
        if (saved := checkpoint.load(checkpoints, self.identity)) is not None:
            self.restore(saved)

    def learning_rate(self, step: Any) -> Any:
        """Learning rate at a step, or at each of several, counted over all epochs."""
        rate = self.experiment.training.learning_rate
        if rate.schedule == "constant":
            return rate.start + 0.0 * step
        share = 0.5 * (1 + np.cos(np.pi * step / (self.batches * self.experiment.training.epochs)))
        return rate.start * (rate.end + (1 - rate.end) * share)

    def _ends(self, number: int, stops: Collection[int]) -> list[int]:
        """Batches of an epoch, counted from 1, at which a piece of it ends that is trained in one go."""
        if self.chain is None:
            return list(range(1, self.batches + 1))
        first, every = number * self.batches, self.calibrate_every
        ends = {stop - first for stop in stops} | {self.batches}
        for calibrated in range(-first % every, self.batches, every):
            ends |= {calibrated, calibrated + 1}
        return sorted(end for end in ends if 0 < end <= self.batches)

    @property
    def calibrate_every(self) -> int:
        """Steps between two calibrations."""
        return max(CALIBRATE_EVERY, CALIBRATE_SAMPLES // self.experiment.training.batch)

    def _step(self, number: int, batch: int, order: np.ndarray) -> tuple[float, float]:
        """One training step, layer by layer; its mean loss and accuracy."""
        step, size = number * self.batches + batch, self.experiment.training.batch
        chosen = np.sort(order[batch * size : (batch + 1) * size])
        calibrating, alone = step % self.calibrate_every == 0, size >= CALIBRATE_TOGETHER
        if calibrating and not alone:
            first = max(0, min(batch * size, len(order) - CALIBRATE_TOGETHER))
            self._calibrate(np.sort(order[first : first + CALIBRATE_TOGETHER]))
        self.model.measure(calibrating and alone)
        samples, labels = self.data.train_images[chosen], self.data.train_labels[chosen]
        done = self.model.train(samples, labels, self.rule, self.states, float(self.learning_rate(step)))
        if calibrating and alone:
            self.census.add_operands(done.errors, self.arrays())
        return done.loss, done.accuracy

    def _calibrate(self, chosen: np.ndarray) -> None:
        """Set ranges and shifts, and count operands, with samples that pass forward and backward and teach nothing."""
        self.ledger.add_conversions()
        errors = self.model.calibrate(self.data.train_images[chosen], self.data.train_labels[chosen])
        self.census.add_operands(errors, self.arrays())
        for matrix in self.model.matrices:
            taken(matrix)

    def _epoch(self, callback: Callable[[Progress], None] | None, stops: Collection[int] = ()) -> Epoch:
        started, number = time.perf_counter(), len(self.history)
        order = np.random.default_rng((self.experiment.seed, number)).permutation(len(self.data.train_labels))
        self.states = [self.rule.start_epoch(state) for state in self.states]
        loss, accuracy, before = 0.0, 0.0, self.census.pulses()
        for matrix in self.model.matrices:
            taken(matrix)  # what the tests between epochs converted does not count
        converted = self.ledger.sums.copy()
        start, first = 0, number * self.batches
        for end in self._ends(number, stops):
            if self.chain is None or (first + start) % self.calibrate_every == 0:
                done = self._step(number, start, order)
            else:
                done = self.chain.train(order[start:end], self.learning_rate(np.arange(first + start, first + end)))
            self.ledger.add_update(self.census.add_update(end - start))
            for matrix in self.model.matrices:
                matrix.tile.wait(self.batch_time)
            loss, accuracy = loss + done[0], accuracy + done[1]
            if callback is not None:
                latest = done[0] / (end - start)
                callback(Progress(number + 1, self.experiment.training.epochs, end, self.batches, latest))
            start = end
        self.model.measure(False)
        self.ledger.add_conversions()
        test_loss, test_accuracy = self.test(self.data.test_images, self.data.test_labels)
        return Epoch(
            epoch=number + 1,
            learning_rate=float(self.learning_rate((number + 1) * self.batches - 1)),
            loss=loss / self.batches,
            train_accuracy=accuracy / self.batches,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            pulses=(self.census.pulses() - before) / (self.batches * self.network.weights),
            **clipping(self.ledger.sums - converted),
            seconds=time.perf_counter() - started,
        )

    def test(self, samples: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Mean loss, and share of labels at the largest output, through the same converters as in training."""
        self.model.measure(False)  # a test sets no range
        loss = correct = 0.0
        for start in range(0, len(labels), TEST_BATCH):
            wanted = labels[start : start + TEST_BATCH].reshape(-1)
            outputs = self.model.outputs(samples[start : start + TEST_BATCH])
            loss += self.model.loss(outputs, wanted)[0] * len(wanted)
            correct += int((outputs.argmax(axis=1) == wanted).sum())
        return loss / max(labels.size, 1), correct / max(labels.size, 1)

    def activity(self) -> Activity:
        """What the training made the hardware do, averaged over all of it."""
        choice, count = self.experiment, len(self.history)
        epochs = "1 epoch" if count == 1 else f"{count} epochs"
        origin = f"measured over {epochs} of {choice.network.name} on {choice.dataset.name}"
        return self.census.activity(origin, self.arrays(), self.ledger.reads())

    def entries(self) -> dict[str, dict[str, Any]]:
        """The ledger as a result holds it."""
        return self.ledger.entries(self.arrays())

    def arrays(self) -> list[Arrays]:
        """What the arrays have done under a rule that updates in them; empty under others, and before any update."""
        if not isinstance(self.rule, InMemory) or not all(len(state["counts"]) for state in self.states):
            return []
        device, signed = self.experiment.chip.device, self.network.takes_signed
        return [
            Arrays(self.rule, device, state, signed(matrix.layer), matrix.tile.row_edges)
            for matrix, state in zip(self.model.matrices, self.states, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "history": [asdict(epoch) for epoch in self.history],
            "census": {
                "sums": self.census.sums,
                "operand_batches": self.census.operand_batches,
                "update_batches": self.census.update_batches,
            },
            "ledger": self.ledger.sums,
            "model": self.model.state(),
            "tiles": [
                {"tile": matrix.tile.state(), "rule": state}
                for matrix, state in zip(self.model.matrices, self.states, strict=True)
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        census = state["census"]
        self.census.sums = census["sums"].copy()
        self.census.operand_batches, self.census.update_batches = census["operand_batches"], census["update_batches"]
        self.ledger.sums = state["ledger"].copy()
        self.model.restore(state["model"])
        for number, (matrix, saved) in enumerate(zip(self.model.matrices, state["tiles"], strict=True)):
            matrix.tile.restore(saved["tile"])
            self.states[number] = {name: np.array(value) for name, value in saved["rule"].items()}


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Names with shapes, in words."""
    return ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items()) or "none"


def clipping(sums: np.ndarray) -> dict[str, float]:
    """Share of clipped conversions of all layers by pass, as an epoch has them."""
    totals = dict(zip(ENTRIES, sums.sum(axis=0), strict=True))
    return {f"clipped_{verb}": float(totals[f"clipped_{verb}"] / max(totals[f"converted_{verb}"], 1)) for verb in VERBS}
