"""What a sweep leaves in its folder: sweep.json, points.csv, points.nc and points.parquet where they can be written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.compare import differences, shown_apart
from cimest.config.loader import resolved
from cimest.explore.training import write_whole
from cimest.result import make_folder, plain

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset

    from cimest.explore.study import Study
    from cimest.explore.sweep import Sweep


def prepare(sweep: Sweep, out: Path) -> None:
    """Make the folder of a sweep, unless it holds prices of another experiment.

    Axes, objectives, limits and trainings may have changed: the folder is there to be gone on with.

    Raises
    ------
    ValueError
        If it is such a folder, or cannot be written to.
    """
    make_folder(out)
    file = out / "sweep.json"
    if not file.is_file():
        return
    there = json.loads(file.read_text(encoding="utf-8"))["experiment"]
    here = plain(resolved(sweep.experiment(fitting=False)))
    for path, before, after in differences(there, here):
        if path.partition(".")[0] != "programming":  # no sweep programs
            old, new = ("not set" if text == "None" else text for text in shown_apart(path, before, after))
            raise ValueError(
                f"{out} holds a sweep of another experiment: {path} is {old} there and {new} here; "
                f"choose another folder, or remove {file}"
            )


def write(study: Study, out: Path) -> list[Path]:
    """Write everything but figures.

    Returns
    -------
    list of Path
        points.csv always, points.nc with h5netcdf, points.parquet with pyarrow, sweep.json last.
    """
    make_folder(out)
    frame = flat(study.dataset)
    written = [out / "points.csv"]
    _write_csv(frame, written[0])
    if _there("h5netcdf") and _there("h5py"):
        written.append(out / "points.nc")
        study.dataset.to_netcdf(written[-1], engine="h5netcdf")
    if _there("pyarrow"):
        written.append(out / "points.parquet")
        frame.to_parquet(written[-1], engine="pyarrow", index=False)
    written.append(out / "sweep.json")
    write_whole(written[-1], json.dumps(plain(study.summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return written


def gather(folders: Iterable[Path], out: Path) -> int:
    """Copy the records of trainings from several folders of a sweep into one; how many there are.

    Raises
    ------
    FileNotFoundError
        If a folder has none.
    """
    target = out / "trainings"
    make_folder(target)
    for folder in folders:
        records = sorted((folder / "trainings").glob("*.json"))
        if not records and not (folder / "sweep.json").is_file():  # a small shard may have nothing to train
            raise FileNotFoundError(f"{folder} holds no trainings; `cimest sweep --shard` writes them")
        for record in records:
            if not (target / record.name).exists():
                write_whole(target / record.name, record.read_text(encoding="utf-8"))
    return len(list(target.glob("*.json")))


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _write_csv(frame: DataFrame, path: Path) -> None:
    """With pyarrow where it is there, which is some ten times faster."""
    if _there("pyarrow"):
        import pyarrow
        import pyarrow.csv

        pyarrow.csv.write_csv(pyarrow.Table.from_pandas(frame, preserve_index=False), path)
    else:
        frame.to_csv(path, index=False)


def flat(dataset: Dataset) -> DataFrame:
    """A row for each point: the coordinates, then the metrics; energy and area by group a column for each group."""
    import pandas as pd

    dims = [name for name in dataset.dims if name != "group"]
    shape = tuple(dataset.sizes[name] for name in dims)
    columns: dict[str, Any] = {}
    for name, coordinate in dataset.coords.items():
        if name != "group":
            along = np.reshape(coordinate.to_numpy(), [-1 if dim in coordinate.dims else 1 for dim in dims])
            columns[str(name)] = np.broadcast_to(along, shape).reshape(-1)
    for name, variable in dataset.data_vars.items():
        if "group" in variable.dims:
            values = variable.to_numpy().reshape(-1, dataset.sizes["group"])
            columns |= {f"{name}:{group}": values[:, g] for g, group in enumerate(dataset["group"].to_numpy())}
        else:
            columns[str(name)] = variable.to_numpy().reshape(-1)
    return pd.DataFrame(columns)


def read(folder: Path) -> tuple[DataFrame, dict[str, Any]]:
    """Points and summary of a sweep's folder.

    Raises
    ------
    FileNotFoundError
        If it holds no sweep.
    """
    import pandas as pd

    for name in ("points.csv", "sweep.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; `cimest sweep SWEEP --out {folder}` writes one")
    summary = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    quick = folder / "points.parquet"  # the same rows, read some ten times faster
    frame = pd.read_parquet(quick) if quick.is_file() and _there("pyarrow") else pd.read_csv(folder / "points.csv")
    return frame, summary
