"""A trained network in its devices: programmed some times, read at some times, tested each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cimest.programming.error import Strategy
from cimest.programming.sampling import Order, Programmed, addressed, program
from cimest.programming.trained import Evaluate, Matrices
from hwlib.devices import Device

SMALLEST = 1e-12
"""Floor of a magnitude that is divided by (our choice)."""


@dataclass(frozen=True)
class Aged:
    """A network over time.

    Parameters
    ----------
    loss, accuracy : arrays of shape (repeats, times)
    """

    loss: np.ndarray
    accuracy: np.ndarray


def compensated(kind: str, wanted: np.ndarray, written: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Weights of a read times the factor that compensates drift; see `config.programming.Programming.compensation`."""
    if kind == "none":
        return now
    if kind == "least_squares":
        return now * float((wanted * now).sum() / max((now**2).sum(), SMALLEST))
    axis = 0 if kind == "column" else None
    size = np.abs(written).mean(axis=axis) / np.maximum(np.abs(now).mean(axis=axis), SMALLEST)
    return now * size


def programmed_matrices(
    matrices: Matrices,
    strategies: Mapping[str, Strategy],
    device: Device,
    seed: int,
    repeat: int = 0,
    window: float | None = None,
    order: Order = "physical",
) -> dict[str, Programmed]:
    """All matrices written once, each in units of its largest magnitude.

    Parameters
    ----------
    matrices : mapping
    strategies : mapping
        Of each matrix.
    device : Device
    seed, repeat : int
        Which writing it is.
    window, order
        See `sampling.program`.
    """
    return {
        name: program(
            matrix / np.abs(matrix).max(), strategies[name], device, addressed(seed, repeat, number), window, order
        )
        for number, (name, matrix) in enumerate(matrices.items())
    }


def read_matrices(
    matrices: Matrices, written: Mapping[str, Programmed], time: float, number: int, compensation: str
) -> dict[str, np.ndarray]:
    """Weights that a network works with some time after programming, in the units of `matrices`.

    Parameters
    ----------
    matrices : mapping
        What was wanted.
    written : mapping
        See `programmed_matrices`.
    time : float
        Since the end of programming. [s]
    number : int
        Of the read, see `Programmed.read`.
    compensation : str
        See `compensated`.
    """
    found = {}
    for name, matrix in matrices.items():
        largest, programmed = np.abs(matrix).max(), written[name]
        now = programmed.read(time, number)
        found[name] = largest * compensated(compensation, matrix / largest, programmed.right_after(), now)
    return found


def age(
    matrices: Matrices,
    strategies: Mapping[str, Strategy],
    device: Device,
    times: tuple[float, ...],
    evaluate: Evaluate,
    repeats: int,
    seed: int,
    compensation: str = "global",
    window: float | None = None,
    order: Order = "physical",
    progress: Callable[[], None] = lambda: None,
) -> Aged:
    """Program a network some times, read it at every time, and test it.

    The numbers that are drawn do not depend on the strategy: two strategies meet the same luck.
    """
    loss, accuracy = np.empty((repeats, len(times))), np.empty((repeats, len(times)))
    for repeat in range(repeats):
        written = programmed_matrices(matrices, strategies, device, seed, repeat, window, order)
        for number, time in enumerate(times):
            weights = read_matrices(matrices, written, time, number, compensation)
            loss[repeat, number], accuracy[repeat, number] = evaluate(weights)
            progress()
    return Aged(loss, accuracy)
