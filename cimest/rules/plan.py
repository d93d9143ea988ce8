"""`Plan`: an in-memory training rule for one tile, as numbers that a simulator's kernels and a price both take."""

from __future__ import annotations

from typing import NamedTuple


class Plan(NamedTuple):
    """A rule for one tile, as numbers; by default one without a fast array and without digital words.

    Parameters
    ----------
    slots : int
        Longest pulse train, at most 31.
    running : bool
        Whether products of input and error count in units of the running means of their largest values.
    every, reads : int
        After so many vectors, so many rows are read.
    rate : float
        Pulses that a reading of one adds to the buffer, when the array is to move by its whole range in a vector.
    buffered : bool
        Whether there is a digital buffer; else readings become pulses at once, rounded stochastically.
    leak : float
        Share of the buffer that is lost at each read, in units of what a reading of one adds to it.
    keep : float
        Share of the buffer that stays after a pulse; below 0 the pulse is subtracted.
    period : int
        Sweeps between two regular flips of a chopper; 0: none.
    flip : float
        Probability of a chopper's flip after a read.
    tail : float
        Weight of the latest reading in the running mean that becomes the reference at a flip; 0: no such reference.
    batch : int
        Vectors between two writes of a digitally accumulated gradient; 0: gradients are pulsed.
    slower : int
        How much rarer each slower array is read than the one before it.
    bits : int
        Of a digital word with its sign: of the buffer and of the running mean, which are rounded to the nearest.
        Sums of a digital gradient are rounded when they are written.
    pulses : int
        Range of the buffer's words on either side of zero, in pulses; beyond it they stay at their largest.
    """

    slots: int
    running: bool = True
    every: int = 1
    reads: int = 1
    rate: float = 0.0
    buffered: bool = False
    leak: float = 0.0
    keep: float = 0.1
    period: int = 0
    flip: float = 0.0
    tail: float = 0.0
    batch: int = 0
    slower: int = 1
    bits: int = 8
    pulses: int = 1
