"""How a device's writes scatter, how its cells differ, and what time does to them: the records.

The functions that evaluate programming error, drift, read noise and relaxation are in `retention`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from hwlib.devices.laws import Strict
from hwlib.units import Quantity

Conductance = Annotated[float, Quantity("S")]
Time = Annotated[float, Quantity("s"), Field(gt=0)]


class CycleToCycle(BaseModel):
    """Randomness of each write: Gaussian, in units of the full conductance range."""

    model_config = Strict
    sigma: float = Field(default=0.0, ge=0, le=1, description="standard deviation, fraction of the range")
    per: Literal["write", "pulse"] = Field(
        default="write",
        description="drawn once for each written cell, or for each of its pulses (so it grows as their root)",
    )


class Spread(BaseModel):
    """How cells differ, beside the spread of their step, which is part of the update law.

    A cell's ends are low (1 + lower_bound xi) and high (1 + upper_bound xi) in the law's own units; its step
    up gains up_down xi and its step down loses as much, in units of the typical step (Rasch et al. 2021).
    """

    model_config = Strict
    lower_bound: float = Field(default=0.0, ge=0, le=1, description="standard deviation of the low end, relative")
    upper_bound: float = Field(default=0.0, ge=0, le=1, description="standard deviation of the high end, relative")
    up_down: float = Field(default=0.0, ge=0, le=1, description="standard deviation of the imbalance of up and down")
    slope: float = Field(default=0.0, ge=0, le=1, description="standard deviation of both slopes of a linear step")
    corrupt: float = Field(
        default=0.0, ge=0, le=1, description="fraction of cells that do not move, each stuck anywhere in its range"
    )
    stuck_low: float = Field(default=0.0, ge=0, le=1, description="fraction of cells stuck at the low end")
    stuck_high: float = Field(default=0.0, ge=0, le=1, description="fraction of cells stuck at the high end")

    @model_validator(mode="after")
    def _fractions(self) -> Spread:
        if (stuck := self.corrupt + self.stuck_low + self.stuck_high) > 1:
            raise ValueError(f"corrupt, stuck_low and stuck_high are fractions of all cells, but sum to {stuck:g}")
        return self

    @property
    def of_law(self) -> bool:
        """Whether cells differ in what only a law of a step has: ends, and balance of up and down."""
        return self.lower_bound > 0 or self.upper_bound > 0 or self.up_down > 0


class PolynomialCurve(BaseModel):
    """c0 + c1 r + c2 r² + ..., with r the conductance over the largest one."""

    model_config = Strict
    form: Literal["polynomial"] = "polynomial"
    coefficients: tuple[float, ...] = Field(min_length=1)


class LogarithmCurve(BaseModel):
    """slope ln r + offset, kept within `low` and `high`; from r = `until` on, a polynomial in r."""

    model_config = Strict
    form: Literal["logarithm"] = "logarithm"
    slope: float
    offset: float
    low: float
    high: float
    until: float = Field(default=1.0, gt=0, le=1)
    polynomial: tuple[float, ...] = ()


class PowerCurve(BaseModel):
    """scale r^exponent, at most `high`."""

    model_config = Strict
    form: Literal["power"] = "power"
    scale: float
    exponent: float
    high: float


class TableCurve(BaseModel):
    """Measured values at some r, in increasing order; linear between them, and constant outside."""

    model_config = Strict
    form: Literal["table"] = "table"
    ratios: tuple[float, ...] = Field(min_length=2)
    values: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _pairs(self) -> TableCurve:
        if len(self.ratios) != len(self.values):
            raise ValueError(f"a table needs as many values as ratios, got {len(self.values)} and {len(self.ratios)}")
        if any(later <= earlier for earlier, later in zip(self.ratios, self.ratios[1:], strict=False)):
            raise ValueError("ratios of a table must increase")
        return self


Curve = Annotated[PolynomialCurve | LogarithmCurve | PowerCurve | TableCurve, Field(discriminator="form")]


class Programming(BaseModel):
    """Error of writing a conductance once: Gaussian, with a polynomial of r = target / largest as deviation.

    The coefficients hold for cells whose largest conductance is `largest`, and scale with it (the
    convention of the published fits).
    """

    model_config = Strict
    sigma: tuple[Conductance, ...] = Field(min_length=1)
    largest: Conductance


class Drift(BaseModel):
    """Decay (t / start)^-nu, t counted from the end of programming plus `start`; |nu| is that of a Gaussian."""

    model_config = Strict
    start: Time
    exponent_mean: Curve
    exponent_sigma: Curve


class ReadNoise(BaseModel):
    """Noise of a read: 1/f, with Q(r) sqrt(ln((t + read_time) / (2 read_time))) as deviation at time t, or white, Q(r).

    It is in units of the conductance that is read, or of the largest one. 1/f noise stays through the cycles of a
    vector, white noise is new in each of them.
    """

    model_config = Strict
    coefficient: Curve
    read_time: Time
    relative_to: Literal["conductance", "largest"] = "conductance"
    spectrum: Literal["1/f", "white"] = "1/f"


class Deviation(BaseModel):
    """Standard deviation of a conductance from its target, some time after it was programmed."""

    model_config = Strict
    time: Time
    sigma: tuple[Conductance, ...] = Field(min_length=1, description="polynomial in r = target / largest")


class RelaxationTable(BaseModel):
    """Deviation from the target, measured at a few times; programming error is part of it."""

    model_config = Strict
    form: Literal["table"] = "table"
    points: tuple[Deviation, ...] = Field(min_length=1)


class RelaxationLogarithm(BaseModel):
    """Shift of the mean, mean_slope ln(t / 1 s), and deviation sigma_slope ln(t / 1 s) + sigma_offset."""

    model_config = Strict
    form: Literal["logarithm"] = "logarithm"
    mean_slope: Conductance
    sigma_slope: Conductance
    sigma_offset: Conductance


Relaxation = Annotated[RelaxationTable | RelaxationLogarithm, Field(discriminator="form")]
