"""The result of a run or estimate as plain data: what goes into result.json."""

from __future__ import annotations

import json
import math
import platform
import tempfile
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cimest
from cimest.actions import PASSES
from cimest.activity import Activity, LayerActivity
from cimest.estimate import Estimate
from hwlib.provenance import Record

SUMMED = ("energy_j", "leakage_energy_j", "latency_s")


def breakdown(estimate: Estimate) -> dict[str, Any]:
    """Energy, leakage and time by pass and by component, area by component; each sums to the metrics' total."""
    leaked = estimate.leakage_energy()
    by_pass: dict[str, dict[str, Any]] = {name: dict.fromkeys(SUMMED, 0.0) for name in PASSES}
    by_component: dict[str, dict[str, Any]] = {
        name: {"boundary": boundary, **dict.fromkeys(SUMMED, 0.0), "area_mm2": estimate.area[name] * 1e6}
        for name, boundary in estimate.boundary.items()
    }
    for key, cells in zip(SUMMED, (estimate.energy, leaked, estimate.latency), strict=True):
        for (_, pass_, part), value in cells.items():
            by_pass[pass_][key] += value
            by_component[part][key] += value
    return {"pass": by_pass, "component": by_component}


def provenance(record: Record, activity: Activity, seed: int, defaults: list[str]) -> dict[str, Any]:
    """Version, seed, sources, origin of the activity, values nobody set, and the machine."""
    return {
        "version": cimest.__version__,
        "seed": seed,
        "sources": sorted(record.sources),
        "activity": activity.origin,
        "defaults": defaults,
        "machine": {"python": platform.python_version(), "numpy": np.__version__, "processor": platform.machine()},
    }


def plain(value: Any) -> Any:
    """The same data in types that JSON knows; what is not finite becomes text, since JSON has no word for it."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


CHECKPOINT = "checkpoint.npz"
"""What a training leaves in its folder; as `learning.checkpoint.FILE`, which an estimate does not load."""


def make_folder(out: Path) -> None:
    """Make a folder for results, and see that files can be written there before anything takes long.

    Raises
    ------
    ValueError
        If it cannot be made, or not be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as problem:
        raise ValueError(f"{out} cannot be a folder of results: {problem.strerror}") from None


def read_result(run: Path) -> dict[str, Any]:
    """The result of a run's folder, or of a file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If the file is no result.
    """
    file = run / "result.json" if run.is_dir() else run
    if not file.is_file():
        raise FileNotFoundError(f"{run} holds no result.json; `cimest run` or `cimest estimate --out` write one")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"{file} is no result of cimest ({problem})") from None
    if not isinstance(found, dict) or not {"experiment", "provenance", "metrics", "activity"} <= set(found):
        raise ValueError(f"{file} is no result of cimest: it lacks what every result.json says")
    return found


def trained_epochs(result: dict[str, Any]) -> int:
    """Epochs behind the training energy of a result: those that were run, or of an estimate those that are wanted."""
    wanted = result["experiment"]["training"]["epochs"] if result["metrics"]["training_energy_j"] else 0
    return len(result["history"]) or wanted  # a run that was stopped in its first epoch has taken no energy


def recorded(result: dict[str, Any]) -> Activity:
    """The activity that a result was priced with."""
    layers = {name: LayerActivity(**entry) for name, entry in result["activity"].items()}
    return Activity(result["provenance"]["activity"], layers)
