"""`Action`: one kind of event in one pass of one layer, counted for one training sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwlib.component import Real

PASSES = ("forward", "backward", "weight_gradient", "weight_update", "transfer")


@dataclass(frozen=True)
class Action:
    """One row of the table of action counts.

    Parameters
    ----------
    layer, pass_, part, action : str
        Where it happens: the layer, one of `PASSES`, the name of the chip's part, its action.
    count : float or array
        How often it happens for one training sample, all instances of the part together.
    serial : float or array
        How many of these follow one another in time; 0 if they hide behind other actions of the same pass.
    arguments : mapping
        Arguments of the component's action: how many lines are active and the like.
    pipelined : bool
        Whether one can start in each clock cycle; else each waits for the one before.
    transfer : bool
        Whether it moves data, and so may overlap with computation if the schedule says so.
    time : float, optional
        What each takes where the chip's description gives it, else as long as the circuits need. [s]
    """

    layer: str
    pass_: str
    part: str
    action: str
    count: Real
    serial: Real = 0.0
    arguments: Mapping[str, Real] = field(default_factory=dict)
    pipelined: bool = False
    transfer: bool = False
    time: Real | None = None
