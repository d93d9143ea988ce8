"""`Device`: one synaptic device's electrical and switching parameters in one record."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwlib.registry import UnknownName
from hwlib.units import quantity

Strict = ConfigDict(frozen=True, extra="forbid")

Positive = Field(gt=0)
Fraction = Field(ge=0, le=1)


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


class Linear(BaseModel):
    """Every pulse changes the conductance by the same amount, one `states`-th of the range."""

    model_config = Strict
    law: Literal["linear"] = "linear"
    device_to_device: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of the step, relative, per cell"
    )


class SoftBounds(BaseModel):
    """Steps shrink in proportion to the distance from the bound that is approached.

    The step at mid range is one `states`-th of the range (Rasch et al. 2024, eq. 4-8).
    """

    model_config = Strict
    law: Literal["soft_bounds"] = "soft_bounds"
    device_to_device: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of the step, relative, per cell"
    )


UpdateLaw = Annotated[NonlinearityLabel | Linear | SoftBounds, Field(discriminator="law")]


class CycleToCycle(BaseModel):
    """Randomness of each write: Gaussian, in units of the full conductance range."""

    model_config = Strict
    sigma: float = Field(default=0.0, ge=0, le=1, description="standard deviation, fraction of the range")
    per: Literal["write", "pulse"] = Field(
        default="write",
        description="drawn once for each written cell, or for each of its pulses (so it grows as their root)",
    )


class Device(BaseModel):
    """One synaptic device.

    All quantities in SI; `sources` names, for each field that is data, a key of sources.yaml.
    """

    model_config = Strict

    name: str
    description: str = ""
    kind: Literal["resistive", "ferroelectric"] = Field(
        description="what a write costs: the heat of V² G t, or the polarisation charge that is switched"
    )
    on_resistance: Annotated[quantity("ohm"), Positive]  # type: ignore[valid-type]
    off_resistance: Annotated[quantity("ohm"), Positive]  # type: ignore[valid-type]
    read_voltage: Annotated[quantity("V"), Positive]  # type: ignore[valid-type]
    read_time: Annotated[quantity("s"), Positive]  # type: ignore[valid-type]
    access_voltage: Annotated[quantity("V"), Positive]  # type: ignore[valid-type]
    write_voltage: Annotated[quantity("V"), Positive]  # type: ignore[valid-type]
    pulse_width: Annotated[quantity("s"), Positive]  # type: ignore[valid-type]
    states: int = Field(ge=2, description="pulses from one end of the conductance range to the other")
    update: UpdateLaw
    cycle_to_cycle: CycleToCycle = CycleToCycle()
    endurance: Annotated[quantity("1"), Positive] | None = Field(  # type: ignore[valid-type]
        default=None, description="pulses that a cell survives; none if nobody has measured it"
    )
    cell_width: float = Field(default=4.0, gt=0, description="in feature sizes")
    cell_height: float = Field(default=4.0, gt=0, description="in feature sizes")
    series_resistance: Annotated[quantity("ohm"), Field(ge=0)] = 0.0  # type: ignore[valid-type]
    polarisation: Annotated[quantity("C/m^2"), Field(ge=0)] = Field(  # type: ignore[valid-type]
        default=0.0, description="remanent polarisation of a ferroelectric gate (C/m²)"
    )
    sources: dict[str, str]

    @model_validator(mode="after")
    def _ordered(self) -> Device:
        if self.off_resistance <= self.on_resistance:
            raise ValueError(
                f"off_resistance ({self.off_resistance:g} ohm) must exceed on_resistance ({self.on_resistance:g} ohm)"
            )
        return self

    @property
    def conductance_max(self) -> float:
        """Largest conductance. [S]"""
        return 1 / self.on_resistance

    @property
    def conductance_min(self) -> float:
        """Smallest conductance. [S]"""
        return 1 / self.off_resistance


def _builtin() -> dict[str, Any]:
    folder = resources.files("hwlib.devices").joinpath("data")
    return {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}


def device_names() -> list[str]:
    """Names of the devices that come with hwlib."""
    return sorted(_builtin())


def device_data(name: str) -> dict[str, Any]:
    """The record of a device as written in its YAML file, before units are read.

    Parameters
    ----------
    name : str
        A name of `device_names()`, or the path of a YAML file.

    Raises
    ------
    UnknownName
        If it is neither.
    """
    builtin = _builtin()
    if name in builtin:
        return yaml.safe_load(builtin[name].read_text())
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return yaml.safe_load(Path(name).read_text())
    raise UnknownName("device", name, builtin)


def load_device(name: str, changes: dict[str, Any] | None = None) -> Device:
    """A device by name or YAML path, with some of its fields changed.

    Parameters
    ----------
    name : str
        See `device_data`.
    changes : dict, optional
        Field to new value; a mapping is merged into a mapping of the same law.

    Raises
    ------
    UnknownName
        For an unknown name.
    pydantic.ValidationError
        For a bad value.
    """
    data = dict(device_data(name))
    for key, value in (changes or {}).items():
        old = data.get(key)
        same_law = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("law", old.get("law")) == old.get("law")
        )
        data[key] = {**old, **value} if same_law else value  # type: ignore[dict-item]
    return Device.model_validate(data)
