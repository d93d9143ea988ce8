"""Trained weights: from the folder of a run, whose network can be tested with others in their place, or from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from cimest.config import Experiment, load
from cimest.config.loader import dump_yaml

Matrices = Mapping[str, np.ndarray]
"""Weights (fan-in, fan-out) by the name of their layer."""

Evaluate = Callable[[Matrices], tuple[float, float]]
"""Loss and accuracy of a network with these weights."""


@dataclass(frozen=True)
class Trained:
    """A network that a run has trained.

    Parameters
    ----------
    experiment : Experiment
        Of the run.
    matrices : mapping
        As the chip has learned them.
    arrays : mapping
        How many hold each of them.
    evaluate : callable
        Tests the network, through the chip's converters, with other weights in the same units.
    """

    experiment: Experiment
    matrices: Matrices
    arrays: Mapping[str, int]
    evaluate: Evaluate


def from_run(folder: Path) -> Trained:
    """The trained network of a run's folder.

    Raises
    ------
    FileNotFoundError
        If the folder holds no run, or no checkpoint.
    ValueError
        If the checkpoint is another experiment's.
    """
    from cimest.run import trained_in

    trainer = trained_in(folder)
    trainer.model.measure(False)
    tiles = {matrix.layer.name: matrix.tile for matrix in trainer.model.matrices}
    learned = {name: np.array(tile.weights) for name, tile in tiles.items()}

    def evaluate(weights: Matrices) -> tuple[float, float]:
        for name, tile in tiles.items():
            tile.hold(weights[name])
        return trainer.test(trainer.data.test_images, trainer.data.test_labels)

    arrays = {name: (len(tile.row_edges) - 1) * (len(tile.all_column_edges) - 1) for name, tile in tiles.items()}
    return Trained(trainer.experiment, learned, arrays, evaluate)


def with_programming(experiment: Experiment, overrides: Iterable[str]) -> Experiment:
    """A run's experiment with other values in its section `programming`; the rest has been trained and stays.

    Raises
    ------
    ValueError
        If another value is to be changed.
    ConfigError
        If a value is not allowed.
    """
    overrides = list(overrides)
    if other := [text for text in overrides if not text.strip().startswith("programming.")]:
        raise ValueError(f"--set {other[0]}: of a finished run only values of programming can be changed")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_text(dump_yaml(experiment))
        return load(path, overrides, fitting=False)


def from_file(path: Path) -> Matrices:
    """All matrices of an .npz, .safetensors or .onnx file, by their names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another kind, or holds no matrix.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    readers = {".npz": _npz, ".safetensors": _safetensors, ".onnx": _onnx}
    if path.suffix not in readers:
        raise ValueError(f"{path} is no file of weights; allowed: {', '.join(readers)}")
    arrays = readers[path.suffix](path)
    found = {name: array.reshape(len(array), -1) for name, array in arrays.items() if array.ndim >= 2 and array.any()}
    if not found:
        raise ValueError(f"{path} holds no matrix of weights")
    return found


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if np.issubdtype(file[name].dtype, np.floating)}


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load_file
    except ModuleNotFoundError:
        raise ValueError(f'{path}: it takes the package safetensors: pip install "cimest[models]"') from None

    return {name: array for name, array in load_file(path).items() if np.issubdtype(array.dtype, np.floating)}


def _onnx(path: Path) -> dict[str, np.ndarray]:
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError:
        raise ValueError(f'{path}: it takes the package onnx: pip install "cimest[models]"') from None
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in onnx.load(path).graph.initializer}
    return {name: array for name, array in arrays.items() if np.issubdtype(array.dtype, np.floating)}
