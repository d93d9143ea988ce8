"""Voltage lost along the wires of an array: an exact solver, and a calibrated correction of its conductances.

Rows and columns are chains. The nodes of each row line are eliminated by a tridiagonal factorisation, which leaves a
symmetric positive definite system for the column lines; conjugate gradients solve it, preconditioned by the
tridiagonal part that belongs to each column.
"""

from __future__ import annotations

import numpy as np

from cimest.kernels.elementary import compiled
from cimest.kernels.threads import shared

ITERATIONS_MAX = 1000
"""Far beyond what any array needs (5 for 256 x 256 at 1 ohm); a guard against endless loops."""
DEGREE = 4
"""Of the polynomial of the correction (our choice: the next one gains nothing that samples could tell)."""


@compiled
def _factorise(conductance, wire, pivots_row, pivots_column):
    """Inverse pivots of the tridiagonal matrices of all row lines and all column lines."""
    rows, columns = conductance.shape
    for i in range(rows):
        before = 0.0
        for j in range(columns):
            ends = 2.0 if j < columns - 1 else 1.0
            before = 1 / (conductance[i, j] + ends * wire - wire * wire * before)
            pivots_row[i, j] = before
    for i in range(rows):
        for j in range(columns):
            ends = 2.0 if i > 0 else 1.0
            before = pivots_column[i - 1, j] if i > 0 else 0.0
            pivots_column[i, j] = 1 / (conductance[i, j] + ends * wire - wire * wire * before)


@compiled
def _solve_rows(pivots, wire, b):
    """Solve the row lines, in place."""
    rows, columns = b.shape
    for i in range(rows):
        last = 0.0
        for j in range(columns):
            last = b[i, j] + wire * last
            b[i, j] = last
            last *= pivots[i, j]
        last = 0.0
        for j in range(columns - 1, -1, -1):
            last = (b[i, j] + wire * last) * pivots[i, j]
            b[i, j] = last


@compiled
def _solve_columns(pivots, wire, b):
    """Solve the column lines, in place."""
    rows, columns = b.shape
    for i in range(1, rows):
        for j in range(columns):
            b[i, j] += wire * pivots[i - 1, j] * b[i - 1, j]
    for j in range(columns):
        b[rows - 1, j] *= pivots[rows - 1, j]
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            b[i, j] = (b[i, j] + wire * b[i + 1, j]) * pivots[i, j]


@compiled
def _apply(conductance, pivots_row, wire, c, result, scratch):
    """The system of the column lines times their voltages; returns the product of both."""
    rows, columns = c.shape
    for i in range(rows):
        for j in range(columns):
            scratch[i, j] = conductance[i, j] * c[i, j]
    _solve_rows(pivots_row, wire, scratch)
    dot = 0.0
    for i in range(rows):
        for j in range(columns):
            above = c[i - 1, j] if i > 0 else 0.0
            below = c[i + 1, j] if i < rows - 1 else 0.0
            ends = 2.0 if i > 0 else 1.0
            value = ends * wire * c[i, j] - wire * (above + below) + conductance[i, j] * (c[i, j] - scratch[i, j])
            result[i, j] = value
            dot += value * c[i, j]
    return dot


@compiled
def _currents(conductance, voltages, wire, tolerance, pivots_row, pivots_column, most, currents):
    """Output currents of all vectors; returns the largest number of iterations."""
    rows, columns = conductance.shape
    scratch, product = np.empty((rows, columns)), np.empty((rows, columns))
    residual, preconditioned = np.empty((rows, columns)), np.empty((rows, columns))
    longest = 0
    for vector in range(voltages.shape[0]):
        scratch[:] = 0
        for i in range(rows):
            scratch[i, 0] = wire * voltages[vector, i]
        _solve_rows(pivots_row, wire, scratch)
        residual[:] = conductance * scratch
        c = np.zeros((rows, columns))
        preconditioned[:] = residual
        _solve_columns(pivots_column, wire, preconditioned)
        direction = preconditioned.copy()
        rho = np.sum(residual * preconditioned)
        goal = tolerance * tolerance * rho
        iterations = 0
        while rho > goal and iterations < most:
            alpha = rho / _apply(conductance, pivots_row, wire, direction, product, scratch)
            for i in range(rows):
                for j in range(columns):
                    c[i, j] += alpha * direction[i, j]
                    residual[i, j] -= alpha * product[i, j]
                    preconditioned[i, j] = residual[i, j]
            _solve_columns(pivots_column, wire, preconditioned)
            before, rho = rho, np.sum(residual * preconditioned)
            for i in range(rows):
                for j in range(columns):
                    direction[i, j] = preconditioned[i, j] + rho / before * direction[i, j]
            iterations += 1
        longest = max(longest, iterations)
        currents[vector] = wire * c[rows - 1]
    return longest


def ir_drop(conductance: np.ndarray, voltages: np.ndarray, resistance: float, tolerance: float = 1e-7) -> np.ndarray:
    """See `reference.ir_drop`.

    Parameters
    ----------
    tolerance : float
        Where conjugate gradients stop: error in the energy norm over the first one's.

    Raises
    ------
    RuntimeError
        If they do not get there.
    """
    wire = 1 / resistance
    conductance = np.ascontiguousarray(conductance, dtype=np.float64)
    voltages = np.ascontiguousarray(voltages, dtype=np.float64)
    pivots = np.empty_like(conductance), np.empty_like(conductance)
    _factorise(conductance, wire, *pivots)
    currents = np.empty((len(voltages), conductance.shape[1]))

    def work(first: int, last: int) -> int:
        part = slice(first, last)
        return _currents(conductance, voltages[part], wire, tolerance, *pivots, ITERATIONS_MAX, currents[part])

    if max(shared(work, len(voltages))) == ITERATIONS_MAX:
        raise RuntimeError(f"IR drop: no solution to {tolerance:g} in {ITERATIONS_MAX} iterations")
    return currents


def ir_drop_correction(conductance: np.ndarray, resistance: float, samples: int = 8) -> np.ndarray:
    """What each conductance counts for at the output, over its value: a cheap stand-in for `ir_drop`.

    Outputs are linear in the inputs, so that wires act as a change of the conductances. Here it is a polynomial of a
    cell's place (our choice), fitted by least squares to exact currents for random inputs: the product with the
    corrected conductances is as cheap as without wires, and its remaining error is small while a cell's loss depends
    on its place more than on its neighbours.

    Parameters
    ----------
    conductance : array, shape (rows, columns)
        [S]
    resistance : float
        Of a wire segment between two cells. [ohm]
    samples : int
        Random input vectors to fit.

    Returns
    -------
    array, shape (rows, columns)
    """
    rows, columns = conductance.shape
    voltages = np.random.default_rng(0).random((samples, rows))
    exact = ir_drop(conductance, voltages, resistance)
    along, across = np.arange(1, columns + 1) / columns, np.arange(rows, 0, -1)[:, None] / rows
    terms = [across**p * along**q for p in range(DEGREE + 1) for q in range(DEGREE + 1 - p)]
    design = np.stack([voltages @ (conductance * term) for term in terms], axis=-1).reshape(-1, len(terms))
    weights = np.linalg.lstsq(design, exact.reshape(-1), rcond=None)[0]
    return np.tensordot(weights, np.stack(np.broadcast_arrays(*terms)), axes=1)
