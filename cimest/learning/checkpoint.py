"""Checkpoints: the state of a training run in one file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import cimest
from cimest.config import Experiment

FILE = "checkpoint.npz"
TREE = "tree"
"""Entry of the file that holds, as JSON, all but the arrays; an array's place is a mapping {"array": its entry}."""


def identity(experiment: Experiment, schedule: dict[str, Any]) -> str:
    """A hash of all that a run depends on: the resolved experiment, how the step is scheduled, the version.

    What is programmed once the network has been trained is no part of it.
    """
    parts = [
        experiment.model_dump_json(exclude={"programming"}),
        json.dumps(schedule, sort_keys=True),
        cimest.__version__,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def save(folder: Path, identity: str, state: dict[str, Any]) -> Path:
    """Write the state in place of the folder's last checkpoint.

    The new file gets its name when it is complete, so that a stop at any moment leaves a good one.
    """
    arrays: dict[str, np.ndarray] = {}

    def detach(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays[f"array{len(arrays)}"] = value
            return {"array": f"array{len(arrays) - 1}"}
        if isinstance(value, dict):
            return {key: detach(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [detach(entry) for entry in value]
        return value

    tree = json.dumps({"identity": identity, "state": detach(state)})
    arrays[TREE] = np.frombuffer(tree.encode(), dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    path, unfinished = folder / FILE, folder / f"{FILE}.{os.getpid()}"
    try:
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The state in the folder's checkpoint, None if there is none.

    Raises
    ------
    ValueError
        If it belongs to another experiment or version, or is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            entries = {name: file[name] for name in file.files}
        tree = json.loads(entries.pop(TREE).tobytes())
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise ValueError(f"{path} is no checkpoint ({problem}); remove it to start anew") from None
    if tree["identity"] != identity:
        raise ValueError(
            f"{path} belongs to another experiment or version of cimest; choose another folder or remove it"
        )

    def attach(value: Any) -> Any:
        if isinstance(value, dict):
            return (
                entries[value["array"]]
                if set(value) == {"array"}
                else {key: attach(entry) for key, entry in value.items()}
            )
        if isinstance(value, list):
            return [attach(entry) for entry in value]
        return value

    return attach(tree["state"])
