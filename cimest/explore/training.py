"""One training of a sweep: content-addressed, taken up after a stop, its record written whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cimest.activity import Activity, LayerActivity
from cimest.config import Experiment
from cimest.explore.sweep import Stop

Record = dict[str, Any]
"""`key`, `history` (epochs), `activity`, `attempts` (each start: from which epoch, where), `stopped`, or `error`."""


class _Hopeless(Exception):
    """Leaves a training after an epoch."""


def hopeless(history: list[Record], stop: Stop | None) -> bool:
    """Whether a training is to be given up."""
    return stop is not None and len(history) >= stop.after and history[stop.after - 1]["test_accuracy"] < stop.below


def read_record(folder: Path, key: str) -> Record | None:
    """The record of a training; None if there is none yet."""
    path = folder / f"{key}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def is_done(record: Record | None, epochs: int, stop: Stop | None) -> bool:
    """Whether a record holds all that is wanted: all epochs, or as many as it takes to be hopeless, or an error."""
    if record is None:
        return False
    return "error" in record or len(record["history"]) == epochs or hopeless(record["history"], stop)


def train(data: Record, key: str, folder: str, stop: Record | None) -> Record:
    """Train one configuration, or take its training up, or return what is there already.

    Runs in any process. All of it lies in `folder`: the record `KEY.json`, and until the record holds every epoch a
    folder `KEY` with the checkpoint and a line for each start.

    Parameters
    ----------
    data : dict
        The resolved experiment.
    key : str
        Its content hash.
    folder : str
        Of the sweep's trainings.
    stop : dict or None
        A resolved `Stop`.
    """
    home, rule = Path(folder), Stop(**stop) if stop else None
    experiment = Experiment.model_validate(data)
    epochs = experiment.training.epochs
    found = read_record(home, key)
    if found is not None and is_done(found, epochs, rule):
        return found
    work = home / key
    work.mkdir(parents=True, exist_ok=True)
    record: Record = {"key": key}
    try:
        record |= _trained(experiment, work, rule)
    except ValueError as error:  # the chip or the rule refuses this point; another start would not change that
        record |= {"error": str(error), "history": [], "activity": {}, "attempts": []}
    write_whole(home / f"{key}.json", json.dumps(record, indent=1))
    if "error" in record or len(record["history"]) == epochs:
        shutil.rmtree(work, ignore_errors=True)  # another process may have been faster
    return record


def _trained(experiment: Experiment, work: Path, stop: Stop | None) -> Record:
    """Train in a folder until the last epoch, or until there is no hope."""
    from cimest.run import build_trainer

    trainer = build_trainer(experiment)
    trainer.resume(work)
    attempt = {"from_epoch": len(trainer.history), "process": os.getpid(), "machine": platform.node()}
    with (work / "attempts.jsonl").open("a") as file:
        file.write(json.dumps(attempt) + "\n")

    def look(step: Any) -> None:
        if step.batch == 1 and hopeless([asdict(epoch) for epoch in trainer.history], stop):
            raise _Hopeless

    try:
        trainer.run(look, checkpoints=work)
    except _Hopeless:
        trainer.resume(work)  # without the batch that was begun
    history = [asdict(epoch) for epoch in trainer.history]
    return {
        "history": history,
        "stopped": len(history) < experiment.training.epochs,
        "activity": asdict(trainer.activity()),
        "attempts": [json.loads(line) for line in (work / "attempts.jsonl").read_text().splitlines()],
    }


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all, however many processes write it."""
    unfinished = path.with_name(f"{path.name}.{platform.node()}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def mean_activity(records: list[Record]) -> Activity:
    """Activity averaged over repeats."""
    every = [record["activity"]["layers"] for record in records]
    layers = {
        layer: LayerActivity(**{name: sum(one[layer][name] for one in every) / len(every) for name in entries})
        for layer, entries in every[0].items()
    }
    origin = records[0]["activity"]["origin"]
    return Activity(origin if len(records) == 1 else f"{origin}, mean of {len(records)} runs", layers)
