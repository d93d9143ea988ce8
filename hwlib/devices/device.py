"""`Device`: one synaptic device's electrical and switching parameters in one record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, model_validator
from pydantic_core import core_schema

from hwlib.devices.laws import LinearStep, StepLaw, Strict, UpdateLaw
from hwlib.devices.statistics import CycleToCycle, Drift, Programming, ReadNoise, Relaxation, Spread
from hwlib.registry import UnknownName
from hwlib.units import Quantity

Positive = Field(gt=0)
NONE: Any = None
Absent: Any = Field(default=None)


@dataclass(frozen=True)
class CanBeAbsent:
    """Marks a field that a published device may lack. It still has its own type: reading it never gives None."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Take None beside what the field takes."""
        return core_schema.nullable_schema(handler(source))


class MissingDatum(ValueError):
    """A calculation needs a field that the record of a device does not have; `others` are those it lacks besides."""

    def __init__(self, device: str, field: str, reason: str, others: Sequence[str] = ()):
        self.device, self.field, self.reason = device, field, reason
        besides = f", nor {', '.join(others)}" if others else ""
        super().__init__(
            f"device {device} has no {field} ({reason}){besides}; give what is needed beside its `base:`, "
            "or name another device that has it there as `fill_from:`"
        )


class Device(BaseModel):
    """One synaptic device.

    All quantities in SI; `sources` names, for each field that is data, a key of sources.yaml, and under
    `device` the paper that the device is from. A field that nobody has published is left out and `absent`
    says why; reading such a field raises `MissingDatum`, so that no calculation can go on without it.
    """

    model_config = Strict

    name: str
    description: str = ""
    kind: Annotated[Literal["resistive", "ferroelectric", "static"], CanBeAbsent()] = Field(
        default=NONE,
        description="what a write costs: the heat of V² G t, or the polarisation charge that is switched; or a static "
        "cell of bits, which learns nothing",
    )
    on_resistance: Annotated[float, Quantity("ohm"), Positive, CanBeAbsent()] = Absent
    off_resistance: Annotated[float, Quantity("ohm"), Positive, CanBeAbsent()] = Absent
    read_voltage: Annotated[float, Quantity("V"), Positive, CanBeAbsent()] = Absent
    read_time: Annotated[float, Quantity("s"), Positive, CanBeAbsent()] = Absent
    access_voltage: Annotated[float, Quantity("V"), Positive, CanBeAbsent()] = Absent
    write_voltage: Annotated[float, Quantity("V"), Positive, CanBeAbsent()] = Absent
    pulse_width: Annotated[float, Quantity("s"), Positive, CanBeAbsent()] = Absent
    states: Annotated[int, CanBeAbsent()] = Field(
        default=NONE,
        ge=2,
        description="pulses from one end of the conductance range to the other",
    )
    update: Annotated[UpdateLaw, CanBeAbsent()] = Absent
    absent: str = Field(default="", description="why fields are left out")
    cycle_to_cycle: CycleToCycle = CycleToCycle()
    write_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation, fraction of the range, by which a written cell reads wrong until it is "
        "written again; unlike cycle_to_cycle it does not accumulate",
    )
    spread: Spread = Spread()
    programming: Programming | None = Field(default=None, description="error of writing a wanted conductance")
    drift: Drift | None = Field(default=None, description="decay of a written conductance")
    read_noise: ReadNoise | None = Field(default=None, description="noise of a read, that grows with time")
    relaxation: Relaxation | None = Field(default=None, description="departure of a written conductance with time")
    endurance: Annotated[float, Quantity("1"), Positive] | None = Field(
        default=None, description="pulses that a cell survives; none if nobody has measured it"
    )
    cell_width: float = Field(default=4.0, gt=0, description="in feature sizes; 4 by 4 is the cell of NeuroSim")
    cell_height: float = Field(default=4.0, gt=0, description="in feature sizes")
    series_resistance: Annotated[float, Quantity("ohm"), Field(ge=0)] = 0.0
    polarisation: Annotated[float, Quantity("C/m^2"), Field(ge=0)] = Field(
        default=0.0, description="remanent polarisation of a ferroelectric gate (C/m²)"
    )
    sources: dict[str, str]

    def __getattribute__(self, name: str) -> Any:
        """As usual, but a field that the record lacks is an error that says so."""
        value = super().__getattribute__(name)
        if value is None and name in CAN_BE_ABSENT:
            raise MissingDatum(self.name, name, self.absent, [other for other in self.lacking if other != name])
        return value

    def has(self, *names: str) -> bool:
        """Whether the record has all these fields."""
        return all(self.__dict__[name] is not None for name in names)

    @property
    def lacking(self) -> list[str]:
        """Fields of `CAN_BE_ABSENT` that the record does not have."""
        return [name for name in CAN_BE_ABSENT if not self.has(name)]

    @model_validator(mode="after")
    def _consistent(self) -> Device:
        if self.lacking and not self.absent:
            missing = ", ".join(self.lacking)
            raise ValueError(f"{missing} missing; give them, or say under `absent` why they are not known")
        if self.has("on_resistance", "off_resistance") and self.off_resistance <= self.on_resistance:
            raise ValueError(
                f"off_resistance ({self.off_resistance:g} ohm) must exceed on_resistance ({self.on_resistance:g} ohm)"
            )
        if self.spread.of_law and not (self.has("update") and isinstance(self.update, StepLaw)):
            raise ValueError("spread of bounds or of up and down needs an update law of a step")
        if self.spread.slope and not (self.has("update") and isinstance(self.update, LinearStep)):
            raise ValueError("spread.slope needs the update law linear_step")
        return self

    @property
    def conductance_max(self) -> float:
        """Largest conductance. [S]"""
        return 1 / self.on_resistance

    @property
    def conductance_min(self) -> float:
        """Smallest conductance. [S]"""
        return 1 / self.off_resistance


CAN_BE_ABSENT = tuple(
    name for name, field in Device.model_fields.items() if any(isinstance(part, CanBeAbsent) for part in field.metadata)
)
"""Fields that are not in every record."""


GROUP = "hwlib.devices"
"""Entry-point group by which other installed packages name packages that hold device files."""


def _files(package: str) -> dict[str, Any]:
    folder = resources.files(package)
    return {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}


def _builtin() -> dict[str, Any]:
    return _files("hwlib.devices.data")


def _known() -> dict[str, Any]:
    """All files, those of other packages after hwlib's own, which they cannot replace."""
    files = _builtin()
    for part in metadata.entry_points(group=GROUP):
        files = _files(part.value) | files
    return files


def device_names() -> list[str]:
    """Names of the devices of hwlib and of packages that add some."""
    return sorted(_known())


class _Loader(yaml.SafeLoader):
    """Reads `1e3` as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


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
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return yaml.load(Path(name).read_text(), _Loader)
    files = _builtin()
    if name not in files:
        files = _known()
    if name not in files:
        raise UnknownName("device", name, files)
    return yaml.load(files[name].read_text(), _Loader)


def load_device(name: str, changes: dict[str, Any] | None = None, fill_from: str | None = None) -> Device:
    """A device by name or YAML path, with some of its fields changed, and what it lacks taken from another.

    Parameters
    ----------
    name : str
        See `device_data`.
    changes : dict, optional
        Field to new value; a mapping is merged into a mapping of the same law.
    fill_from : str, optional
        Device whose record gives the fields of `CAN_BE_ABSENT` that the other's does not: published fits of an update
        seldom say voltages.

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
    if fill_from is not None:
        other = device_data(fill_from)
        filled = {key: other[key] for key in CAN_BE_ABSENT if data.get(key) is None and other.get(key) is not None}
        if filled:
            origin = {key: source for key, source in other.get("sources", {}).items() if key in filled}
            said = f"{', '.join(filled)} of {other['name']}"
            data |= filled | {
                "description": f"{data.get('description', '')}; with {said}",
                "sources": {**data.get("sources", {}), **origin},
            }
    return Device.model_validate(data)
