"""`Technology`: one node's transistors, wires and supply, loaded from the node's YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
import yaml

from hwlib.component import Real
from hwlib.provenance import check_range, departs, uses
from hwlib.registry import UnknownName

ROADMAPS = ("hp", "lstp")

CORNERS = ("low", "typical", "high")
"""Which value is taken of a datum with a spread: the one of least cost, the usual one, the one of highest cost."""

ALPHA = 1.3
"""Exponent of the drive current over the gate overdrive. Our choice: the usual value of short channels
(alpha-power law, sakurai1990alpha)."""

WIRE_TEMPERATURE_COEFFICIENT = 0.00451
"""Relative growth of a wire's resistivity with temperature (peng2021neurosim_v2). [1/K]"""


@dataclass(frozen=True)
class Technology:
    """One node at one temperature and supply.

    `temperature` and `vdd`, and with them the currents, may be arrays. Currents and gate capacitances
    are per metre of channel width, which is the surface of the fins where there are fins.

    Parameters
    ----------
    name : str
        For example `22nm`.
    roadmap : str
        `hp` (high performance) or `lstp` (low standby power).
    node : float
        Feature size F. [m]
    temperature : float or array
        [K]
    vdd : float or array
        Supply voltage. [V]
    vth : float
        Threshold voltage. [V]
    gate_length : float
        Physical gate length. [m]
    gate_capacitance_ideal, gate_capacitance_fringe, gate_capacitance_overlap : float
        Parts of the gate capacitance. [F/m]
    pn_ratio : float
        Width of a p-type over that of the n-type it is paired with.
    resistance_factor : float
        Effective switching resistance over vdd / on-current.
    on_current_n, on_current_p, off_current_n, off_current_p : float or array
        [A/m]
    finfet : bool
        Whether transistors have fins; if not, the three sizes of fins are zero.
    fin_height, fin_width, fin_pitch : float
        [m]
    wire_width : float
        [m]
    wire_aspect_ratio : float
        Height over width.
    wire_resistivity : float or array
        At this temperature. [ohm m]
    wire_capacitance : float
        [F/m]
    clock : float
        Clock frequency. [Hz]
    corner : str
        `low`, `typical` or `high`: which end of their spread is taken of all data that have one.
    """

    name: str
    roadmap: str
    node: float
    temperature: Real
    vdd: Real
    vth: float
    gate_length: float
    gate_capacitance_ideal: float
    gate_capacitance_fringe: float
    gate_capacitance_overlap: float
    pn_ratio: float
    resistance_factor: float
    on_current_n: Real
    on_current_p: Real
    off_current_n: Real
    off_current_p: Real
    finfet: bool
    fin_height: float
    fin_width: float
    fin_pitch: float
    wire_width: float
    wire_aspect_ratio: float
    wire_resistivity: Real
    wire_capacitance: float
    clock: Real = 1e9
    corner: str = "typical"

    def at_corner(self, datum: Real | Mapping[str, Real]) -> Real:
        """Value of a datum at this corner: a mapping has `low`, `typical` and `high`, a bare number has no spread."""
        return datum[self.corner] if isinstance(datum, Mapping) else datum

    @property
    def junction_capacitance(self) -> Real:
        """Drain to bulk, by area, under the reverse bias of the supply (peng2021neurosim_v2). [F/m²]"""
        return 1e-3 / (1 + self.vdd / 0.9) ** 0.5

    @property
    def sidewall_capacitance(self) -> Real:
        """Drain to bulk, by perimeter (peng2021neurosim_v2). [F/m]"""
        return 2.5e-10 / (1 + self.vdd / 0.9) ** 0.33

    @property
    def channel_capacitance(self) -> Real:
        """Drain to channel, by width (peng2021neurosim_v2). [F/m]"""
        return 0.5e-10 / (1 + self.vdd / 0.9) ** 0.33

    @property
    def wire_resistance(self) -> Real:
        """Of a wire of minimum width. [ohm/m]"""
        return self.wire_resistivity / (self.wire_width**2 * self.wire_aspect_ratio)


@cache
def _files() -> dict[str, Any]:
    folder = resources.files("hwlib.technology").joinpath("data")
    return {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir() if entry.name.endswith(".yaml")}


@cache
def _data(name: str) -> dict[str, Any]:
    with _files()[name].open("rb") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def technology_names() -> list[str]:
    """Names of the nodes that have data, smallest first."""
    return sorted(_files(), key=lambda name: int(name.removesuffix("nm")))


def nodes_of(name: str) -> tuple[str, ...]:
    """The node of a name that has data, or the smaller and the larger one that `load_technology` interpolates between.

    Raises
    ------
    UnknownName
        If the name is no node, or one beyond the data, or between planar transistors and fins.
    """
    key = name.replace(" ", "").lower()
    if key in _files():
        return (key,)
    if re.fullmatch(r"\d+(\.\d+)?nm", key):
        for small, large in pairwise(technology_names()):
            alike = ("fins" in _data(small)) == ("fins" in _data(large))
            if alike and _data(small)["node"] < _metres(key) < _data(large)["node"]:
                return small, large
    raise UnknownName("technology", name, technology_names())


def _metres(key: str) -> float:
    return float(f"{key.removesuffix('nm')}e-9")


@cache
def _interpolated(key: str) -> dict[str, Any]:
    """Data of a node, from those of its neighbours where it has none of its own."""
    small, *large = (_data(node) for node in nodes_of(key))
    if not large:
        return small
    share = np.log(_metres(key) / small["node"]) / np.log(large[0]["node"] / small["node"])
    return _between(small, large[0], float(share)) | {"source": small["source"], "range": small["range"]}


def _between(one: Any, other: Any, share: float) -> Any:
    """Numbers on the way from one to the other, by ratios, or by differences where one of them is zero."""
    if isinstance(one, Mapping):
        return {key: _between(value, other[key], share) for key, value in one.items() if key in other}
    if isinstance(one, list):
        return [_between(*pair, share) for pair in zip(one, other, strict=True)]
    if isinstance(one, str):
        return one
    return one ** (1 - share) * other**share if one > 0 and other > 0 else one + (other - one) * share


def load_technology(
    name: str,
    roadmap: str = "lstp",
    temperature: Real = 300.0,
    supply: Real | None = None,
    clock: Real = 1e9,
    corner: str = "typical",
) -> Technology:
    """A node's technology at a temperature and supply voltage.

    Between the tabulated 300 and 400 K on-currents are linear in temperature and off-currents exponential, as the
    current below threshold is; both are constant beyond. On-currents follow (supply - vth)^1.3 (alpha-power law);
    thresholds and off-currents do not move with the supply. A node between two that have data has each of their numbers
    as a power of the feature size between them. These are our choices where the source has nothing.

    Parameters
    ----------
    name : str
        One of `technology_names()`, or a node between two of them whose transistors are alike: `28nm`, `28 nm`.
    roadmap : str
        `hp` or `lstp`.
    temperature : float or array
        Data hold from 300 to 400 K. [K]
    supply : float or array, optional
        Supply voltage, by default the node's own; data hold from 0.6 to 1.2 of that. [V]
    clock : float or array
        Clock frequency. [Hz]
    corner : str
        `low`, `typical` or `high`; see `Technology.at_corner`. Of the data of the nodes themselves, transistors and
        wires, the source gives no spread, so that they are the same at all three.

    Raises
    ------
    UnknownName
        For an unknown node, roadmap or corner.
    ValueError
        If the supply does not exceed the threshold.
    """
    key, nodes = name.replace(" ", "").lower(), nodes_of(name)
    if roadmap not in ROADMAPS:
        raise UnknownName("roadmap", roadmap, ROADMAPS)
    if corner not in CORNERS:
        raise UnknownName("corner", corner, CORNERS)
    data = _interpolated(key)
    mos, wire, fins = data[roadmap], data["wire"], data.get("fins", {})
    vdd = mos["vdd"] if supply is None else supply
    if np.any(np.asarray(vdd) <= mos["vth"]):
        raise ValueError(f"a supply of {np.min(vdd):g} V does not exceed the threshold of {key}, {mos['vth']:g} V")
    uses(data["source"])
    if len(nodes) > 1:
        uses("own_choice")
        departs(f"{key} has no data of its own: interpolated between {' and '.join(nodes)}")
    coldest, hottest = data["range"]["temperature"]
    check_range("temperature", temperature, coldest, hottest, "K")
    if supply is not None:
        uses("sakurai1990alpha")
        check_range("supply over nominal", np.asarray(vdd) / mos["vdd"], 0.6, 1.2)
    warmth = np.clip((temperature - coldest) / (hottest - coldest), 0.0, 1.0)
    overdrive = ((vdd - mos["vth"]) / (mos["vdd"] - mos["vth"])) ** ALPHA

    def on_current(polarity: str) -> Real:
        cold, hot = mos["on_current"][polarity]
        return (cold + (hot - cold) * warmth) * overdrive

    def off_current(polarity: str) -> Real:
        cold, hot = mos["off_current"][polarity]
        return cold * (hot / cold) ** warmth

    return Technology(
        name=key,
        roadmap=roadmap,
        node=_metres(key),
        temperature=temperature,
        vdd=vdd,
        vth=mos["vth"],
        gate_length=mos["gate_length"],
        **{f"gate_capacitance_{part}": value for part, value in mos["gate_capacitance"].items()},
        pn_ratio=mos["pn_ratio"],
        resistance_factor=mos["resistance_factor"],
        on_current_n=on_current("n"),
        on_current_p=on_current("p"),
        off_current_n=off_current("n"),
        off_current_p=off_current("p"),
        finfet=bool(fins),
        fin_height=fins.get("height", 0.0),
        fin_width=fins.get("width", 0.0),
        fin_pitch=fins.get("pitch", 0.0),
        wire_width=wire["width"],
        wire_aspect_ratio=wire["aspect_ratio"],
        wire_resistivity=wire["resistivity"] * (1 + WIRE_TEMPERATURE_COEFFICIENT * (temperature - coldest)),
        wire_capacitance=wire["capacitance"],
        clock=clock,
        corner=corner,
    )
