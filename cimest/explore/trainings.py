"""All trainings of a sweep: one for each distinct functional configuration and seed, those that are there reused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cimest.activity import Activity
from cimest.config import Experiment
from cimest.config.loader import resolved
from cimest.explore.functional import key
from cimest.explore.sweep import Accuracy
from cimest.explore.training import Record, is_done, mean_activity, read_record
from cimest.explore.workers import Job, Workers


@dataclass
class Trainings:
    """The trainings of a sweep and their records.

    Parameters
    ----------
    choice : Accuracy
    folder : Path
        Where records lie; several sweeps may share it.
    workers : Workers
    shard : tuple of int
        Which part of all trainings, counted from 0, and of how many; the others are left to other machines.
    progress : callable
        Called with the number of trainings done and of all.
    """

    choice: Accuracy
    folder: Path
    workers: Workers
    shard: tuple[int, int] = (0, 1)
    progress: Callable[[int, int], None] = lambda done, total: None
    started: float = field(default_factory=time.monotonic)
    wanted: dict[str, Experiment] = field(default_factory=dict)
    known: dict[str, Record] = field(default_factory=dict)
    named: dict[str, list[tuple[str, Experiment]]] = field(default_factory=dict)
    run_now: int = 0

    def repeats(self, experiment: Experiment) -> list[tuple[str, Experiment]]:
        """Keys and experiments of all repeats: seeds that follow one another."""
        text = json.dumps(resolved(experiment), sort_keys=True)
        if text not in self.named:  # a key may need an estimate
            every = (experiment.model_copy(update={"seed": experiment.seed + i}) for i in range(self.choice.repeats))
            self.named[text] = [(key(one), one) for one in every]
        return self.named[text]

    def run(self, experiments: Iterable[Experiment]) -> None:
        """Train what is not there yet.

        The order is that of the content hashes, so that a budget falls on the whole space alike.
        """
        for experiment in experiments:
            for name, one in self.repeats(experiment):
                self.wanted.setdefault(name, one)
        missing = []
        for place, name in enumerate(sorted(self.wanted)):
            record = self.known.get(name) or read_record(self.folder, name)
            if record is not None and self._done(name, record):
                self.known[name] = record
            elif place % self.shard[1] == self.shard[0]:
                missing.append(name)
        if self.choice.budget.trainings is not None:
            missing = missing[: max(0, self.choice.budget.trainings - len(self.known))]
        total = len(self.known) + len(missing)
        self.progress(len(self.known), total)
        if missing:
            for record in self.workers.run(self._jobs(missing)):
                self.known[record["key"]] = record
                self.run_now += 1
                self.progress(len(self.known), total)

    def _jobs(self, names: list[str]) -> Iterator[Job]:
        self.folder.mkdir(parents=True, exist_ok=True)
        stop = self.choice.stop.model_dump() if self.choice.stop else None
        limit = self.choice.budget.time
        for name in names:
            if limit is not None and time.monotonic() - self.started > limit:
                return
            yield resolved(self.wanted[name]), name, str(self.folder.absolute()), stop

    def _done(self, name: str, record: Record) -> bool:
        return is_done(record, self.wanted[name].training.epochs, self.choice.stop)

    def records(self, experiment: Experiment) -> list[Record]:
        """Records of all repeats that succeeded; none as long as one is missing."""
        found = [self.known.get(name) for name, _ in self.repeats(experiment)]
        return [record for record in found if record] if all(record and record["history"] for record in found) else []

    def error(self, experiment: Experiment) -> str | None:
        """Why training refuses a configuration."""
        found = (self.known.get(name) for name, _ in self.repeats(experiment))
        return next((record["error"] for record in found if record and "error" in record), None)

    def activity(self, experiment: Experiment) -> Activity | None:
        """What the data made the hardware do, mean of the repeats; none without a training."""
        records = self.records(experiment)
        return mean_activity(records) if records else None

    def accuracy(self, experiment: Experiment) -> tuple[float, float, float]:
        """Test accuracy after the last epoch, its standard deviation over the repeats, epochs; NaN without them."""
        histories = [record["history"] for record in self.records(experiment)]
        if not histories:
            return np.nan, np.nan, np.nan
        last = [history[-1]["test_accuracy"] for history in histories]
        std = float(np.std(last, ddof=1)) if len(last) > 1 else np.nan
        return float(np.mean(last)), std, float(np.mean([len(history) for history in histories]))

    def summary(self) -> dict[str, object]:
        """Counts, and the epochs that were computed beside those that were needed: equal if nothing ran twice."""
        records = [record for record in self.known.values() if "error" not in record]
        return {
            "distinct": len(self.wanted),
            "done": len(self.known),
            "run_now": self.run_now,
            "left_out": len(self.wanted) - len(self.known),
            "failed": len(self.known) - len(records),
            "given_up": sum(record["stopped"] for record in records),
            "starts": sum(len(record["attempts"]) for record in records),
            "epochs": sum(len(record["history"]) for record in records),
            "seconds": sum(epoch["seconds"] for record in records for epoch in record["history"]),
        }
