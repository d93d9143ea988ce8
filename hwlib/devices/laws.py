"""The update laws as records: which curve a device follows, and the numbers of the curve.

The functions that apply them are in `update_law`. Every law but the nonlinearity label writes the size
of one pulse as a step times a factor that depends on the weight. The step is (high - low) / states, times
`step_up` or `step_down`. Equations: Rasch et al. 2021 (aihwkit) and, for soft bounds, Rasch et al. 2024.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strict = ConfigDict(frozen=True, extra="forbid")

NotNegative = Annotated[float, Field(ge=0)]


class NonlinearityLabel(BaseModel):
    """Update curve by NeuroSim's nonlinearity label.

    The label is proportional to the largest gap between the normalised curve and the straight line,
    max_p [(1 - exp(-p/a)) / (1 - exp(-1/a)) - p] = 0.098995 |label|, with a the curvature in units
    of the full sweep. `up` > 0 and `down` < 0 saturate, each in its own direction (asymmetric); with
    equal signs both directions share one curve (symmetric, nonlinear). Valid from -9 to 9.
    """

    model_config = Strict
    law: Literal["nonlinearity_label"] = "nonlinearity_label"
    up: float = Field(ge=-9, le=9)
    down: float = Field(ge=-9, le=9)
    device_to_device: float = Field(
        default=0.0, ge=0, le=3, description="standard deviation of one label shift per cell"
    )


class StepLaw(BaseModel):
    """What all laws of a step have in common.

    `low` and `high` are the ends of the conductance range in the units of the law's own weight v, which
    is 0 where the law's source puts it, often not in the middle; published numbers can so be kept as they are.
    """

    model_config = Strict
    low: float = Field(default=-1.0, le=0, description="weight at the smallest conductance")
    high: float = Field(default=1.0, gt=0, description="weight at the largest conductance")
    step_up: float = Field(default=1.0, gt=0, description="step of a pulse up, in units of the range over the states")
    step_down: float = Field(default=1.0, gt=0, description="step of a pulse down, in the same unit")
    device_to_device: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of the step, relative, per cell"
    )
    log_normal: bool = Field(
        default=False, description="whether the logarithm of the step is Gaussian, and the spread that of the logarithm"
    )


class Linear(StepLaw):
    """Every pulse changes the conductance by the same amount."""

    law: Literal["linear"] = "linear"


class SoftBounds(StepLaw):
    """Steps shrink in proportion to the distance from the bound that is approached.

    up 1 - v / high, down 1 - v / low (Rasch et al. 2024, eq. 4-8); the step is that at v = 0.
    """

    law: Literal["soft_bounds"] = "soft_bounds"

    @model_validator(mode="after")
    def _zero_inside(self) -> SoftBounds:
        if self.low == 0:
            raise ValueError("low must be below 0: the step down is measured from v = 0, where it would not move")
        return self


class LinearStep(StepLaw):
    """Steps shrink linearly towards the bound that is approached, and may still be large when they reach it.

    up 1 - slope_up v / high, down 1 - slope_down v / low. Slopes of 0 are `linear`, of 1 `soft_bounds`.
    """

    law: Literal["linear_step"] = "linear_step"
    slope_up: float = Field(ge=0)
    slope_down: float = Field(ge=0)

    @model_validator(mode="after")
    def _zero_inside(self) -> LinearStep:
        if self.low == 0 and self.slope_down > 0:
            raise ValueError("low must be below 0 where slope_down is not 0: the slope is per v / low")
        return self


class ExponentialStep(StepLaw):
    """Steps that collapse exponentially near the bound.

    With z = 2 scale v / (high - low) + shift: up max(0, 1 - amplitude_up exp(rate_up z)),
    down max(0, 1 - amplitude_down exp(-rate_down z)).
    """

    law: Literal["exponential_step"] = "exponential_step"
    amplitude_up: float
    amplitude_down: float
    rate_up: float
    rate_down: float
    scale: float = 1.0
    shift: float = 0.0


class PowerStep(StepLaw):
    """Steps that follow a power of the distance from the bound.

    With u = (high - v) / (high - low): up u^exponent_up, down (1 - u)^exponent_down.
    """

    law: Literal["power_step"] = "power_step"
    exponent_up: float = Field(ge=0)
    exponent_down: float = Field(ge=0)


class PiecewiseStep(StepLaw):
    """Steps by a table over the weight, with straight lines between nodes equally spaced from low to high."""

    law: Literal["piecewise_step"] = "piecewise_step"
    nodes_up: tuple[NotNegative, ...] = Field(min_length=2)
    nodes_down: tuple[NotNegative, ...] = Field(min_length=2)


UpdateLaw = Annotated[
    NonlinearityLabel | Linear | SoftBounds | LinearStep | ExponentialStep | PowerStep | PiecewiseStep,
    Field(discriminator="law"),
]

AFFINE = ("nonlinearity_label", "linear", "soft_bounds", "linear_step")
"""Laws whose step is a straight line over the weight: n pulses have a closed form."""
