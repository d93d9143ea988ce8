"""How a device's writes scatter, how its cells differ, and what time does to them: the records.

The functions that evaluate programming error, drift, read noise and relaxation are in `retention`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

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
    corrupt: float = Field(default=0.0, ge=0, le=1, description="fraction of cells that do not move")


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


Curve = Annotated[PolynomialCurve | LogarithmCurve | PowerCurve, Field(discriminator="form")]


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
    """1/f noise of a read at time t: deviation Q(r) sqrt(ln((t + read_time) / (2 read_time))).

    It is in units of the conductance that is read, or of the largest one.
    """

    model_config = Strict
    coefficient: Curve
    read_time: Time
    relative_to: Literal["conductance", "largest"] = "conductance"


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
