"""Groups of components that figures and tables show together, with their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xarray import Dataset


@dataclass(frozen=True)
class Group:
    """Components with one task.

    Parameters
    ----------
    name : str
    colour : str
        From Tol's `muted` scheme, which readers with any common colour blindness can tell apart
        (P. Tol, Colour Schemes, SRON/EPS/TN/09-002, 2021).
    endings : tuple of str
        How the names of its components end.
    hatch : str
        Pattern; only the DRAM has one, since it lies outside the chip.
    """

    name: str
    colour: str
    endings: tuple[str, ...] = ()
    hatch: str = ""


LEAKAGE = Group("Leakage", "#dddddd")
OTHER = Group("Other digital", "#999933")
GROUPS = (
    Group("Arrays", "#332288", ("array",)),
    Group(
        "Drivers, decoders, multiplexers",
        "#88ccee",
        ("wordline_driver", "bitline_driver", "gradient_driver", "input_driver", "decoder", "mux", "register", "dac"),
    ),
    Group("ADCs", "#cc6677", ("adc",)),
    Group("Shift-add, accumulation", "#ddcc77", ("shift_add", "adder_tree", "accumulator")),
    Group("Buffers", "#44aa99", ("buffer", "memory")),
    Group("Interconnect", "#117733", ("interconnect",)),
    Group("Update circuits", "#aa4499", ("write_driver", "pulse_generator", "update_control", "momentum")),
    OTHER,
    LEAKAGE,
    Group("DRAM", "#ffffff", ("dram",), hatch="//////"),
)
"""In the order of stacked bars: what lies on the chip, then the DRAM."""

ACRONYMS = {"adc": "ADC", "dac": "DAC", "dram": "DRAM", "relu": "ReLU", "sram": "SRAM"}


def group_of(component: str) -> Group:
    """The group of a component; `OTHER` for one that no ending fits."""
    return next((group for group in GROUPS if component.endswith(group.endings)), OTHER)


def label(name: str) -> str:
    """A component, pass or statistic for people: words instead of underscores."""
    return " ".join(ACRONYMS.get(word, word) for word in name.replace("_", " ").split(" "))


def grouped(dataset: Dataset, variable: str, along: str) -> np.ndarray:
    """Sums of a quantity by group.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `Estimate.dataset` gives.
    variable : {"energy", "latency", "alone"}
        `energy` has the leakage as a group of its own.
    along : {"layer", "pass"}
        The dimension to keep.

    Returns
    -------
    array of shape (entries of `along`, groups), in the unit of the variable
    """
    other = "pass" if along == "layer" else "layer"
    cells = dataset[variable].sum(other).transpose(along, "component").to_numpy()
    columns = [GROUPS.index(group_of(name)) for name in dataset["component"].to_numpy()]
    sums = cells @ np.eye(len(GROUPS))[columns]
    if variable == "energy":
        sums[:, GROUPS.index(LEAKAGE)] += dataset["leakage_energy"].sum([other, "component"]).to_numpy()
    return sums
