"""What one vector's update of an array takes under each in-memory rule: digital operations, pulses, reads, storage."""

from __future__ import annotations

from dataclasses import dataclass

from cimest.rules.fast_array import FastArray
from cimest.rules.in_memory import InMemory
from cimest.rules.mixed_precision import MixedPrecision
from hwlib.component import Real


@dataclass(frozen=True)
class Operations:
    """Of one vector's update of `rows` inputs and `columns` outputs, means over many (rasch2024fast, table 1).

    Parameters
    ----------
    digital : float or array
        Multiplications, additions and comparisons of numbers.
    slots : float or array
        Slots of the pulse trains.
    reads : float or array
        Rows of the fast array that are read.
    writes : float or array
        Slots in which single pulses are written, row by row.
    stored_words : float or array
        Words kept in digital memory: matrices, and the vectors of inputs and errors that wait.
    moved_words : float or array
        Words of the matrices that are read and written.
    """

    digital: Real
    slots: Real
    reads: Real
    writes: Real
    stored_words: Real
    moved_words: Real

    def time(self, rate: Real, pulse: Real, read: Real) -> Real:
        """Time of an update, each thing after the other.

        Parameters
        ----------
        rate : float or array
            Digital operations. [1/s]
        pulse, read : float or array
            Duration of a pulse, and of an array's matrix-vector product. [s]

        Returns
        -------
        float or array
            [s]
        """
        return self.digital / rate + (self.slots + self.writes) * pulse + self.reads * read


def operations(rule: InMemory, rows: Real, columns: Real, slots: Real) -> Operations:
    """Count a rule's operations.

    Both sides' values are compared with random numbers, an operation for each line. A read adds each of its values to
    the buffer, times the rate (two operations); with a running reference, the reference is taken off first, and follows
    (four more: difference, product, product, sum, of which the rate's product is shared).

    Parameters
    ----------
    rule : InMemory
        Its options `reads`, `every`, `vectors` count here.
    rows, columns : float or array
    slots : float or array
        Mean length of the pulse trains.
    """
    if isinstance(rule, MixedPrecision):
        # an exact outer product, and the scale of one side; all rows are written after the last vector
        waiting = (rows + columns) * rule.vectors
        return Operations(
            2 * rows * columns + rows, 0.0, 0.0, rows / rule.vectors, rows * columns + waiting,
            2 * rows * columns / rule.vectors,
        )  # fmt: skip
    reads = 0.0
    if isinstance(rule, FastArray):
        reads = sum(rule.reads / (rule.every * rule.slower_levels**level) for level in range(rule.levels - 1))
    per_value = 0 if not rule.buffered else 6 if rule.tracked else 2
    # buffer and running mean are read and written, the reference read; it is written at a flip
    moved = (2 if rule.buffered else 0) + (3 + 1 / max(rule.phase, 1) if rule.tracked else 0)
    return Operations(
        rows + columns + per_value * columns * reads, slots, reads, reads,
        rule.matrices * rows * columns + rows + columns, moved * columns * reads,
    )  # fmt: skip
