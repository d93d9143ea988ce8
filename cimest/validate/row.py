"""`Row`: one of our numbers beside its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AREA, ENERGY = 0.15, 0.25
"""Largest relative difference between two models of the same circuit that counts as agreement."""

UNEXPLAINED = "unexplained: "
"""Begins the note of a row that does not hold and for which no defect of the reference is known."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Parameters
    ----------
    group, name : str
    unit : str
        Of both numbers.
    ours, reference : float
    low, high : float
        Ratios between which the comparison holds.
    note : str
        How the reference was normalised, and why the two differ where they do.
    """

    group: str
    name: str
    unit: str
    ours: float
    reference: float
    low: float
    high: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self.ours / self.reference

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bounds."""
        return self.low <= self.ratio <= self.high

    def plain(self) -> dict[str, Any]:
        """The row as JSON has it; the name carries the unit."""
        return {
            "group": self.group,
            "name": f"{self.name} [{self.unit}]",
            "ours": self.ours,
            "reference": self.reference,
            "ratio": self.ratio,
            "holds": self.holds,
            "note": self.note,
        }


def within(
    tolerance: float, group: str, name: str, unit: str, scale: float, ours: Any, reference: Any, note: str = ""
) -> Row:
    """Row that holds within a relative tolerance; both numbers are given in SI, and one unit is `scale` of SI."""
    return Row(group, name, unit, float(ours) / scale, float(reference) / scale, 1 - tolerance, 1 + tolerance, note)
