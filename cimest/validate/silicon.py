"""Published chips beside our prices: uncalibrated, with the one set of factors, and with the set of all other chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import geometric_mean, median
from typing import Any

from cimest.config.document import write_text
from cimest.estimate.calibration import NONE, Factors
from cimest.validate.silicon_chips import Throughput, chips, published
from cimest.validate.silicon_fit import TOTAL, Figure, fit, informed_by, leave_one_out
from cimest.validate.silicon_spread import Blind, Spread, blind, spread

HOLDS = 2.0
"""Factor either way within which a figure of a chip that was left out counts as predicted (our choice)."""

UNITS = {"energy": ("fJ/OP", 1e-15), "area": ("mm²", 1e-6)}
"""Unit of a quantity, and what it is of SI."""

HEADER = """# Written by `cimest validate --out DIR`, from the chips of cimest/validate/silicon.yaml: do not edit.
# `factors` are those of `chip.calibration: silicon`; `spread` has, with and without them, the factor either way that
# holds 80 % of chips (see cimest.estimate.uncertainty).
"""


@dataclass(frozen=True)
class Compared:
    """A published figure beside ours.

    Parameters
    ----------
    figure : Figure
    raw, fitted, left_out : float
        Ours without calibration, with the one set, and with the set of all other chips, in SI.
    share, our_share : float
        Of a component in the published total, and of ours in our total with the one set.
    low, high : float or None
        Of a total, the range that all other chips give.
    note : str
        Why the two differ where they do.
    """

    figure: Figure
    raw: float
    fitted: float
    left_out: float
    share: float
    our_share: float
    low: float | None
    high: float | None
    note: str

    @property
    def ratio(self) -> float:
        """Ours over published, the chip left out."""
        return self.left_out / self.figure.published

    @property
    def holds(self) -> bool:
        """Whether that is within `HOLDS`."""
        return _near(self.left_out, self.figure)

    def plain(self) -> dict[str, Any]:
        """The row as JSON has it: the keys of other comparisons, then its own."""
        figure, (unit, scale) = self.figure, UNITS[self.figure.quantity]
        row = {
            "group": f"silicon, {figure.chip}",
            "name": f"{' '.join(filter(None, (figure.point, figure.quantity)))}, {figure.name} [{unit}]",
            "ours": self.left_out / scale,
            "reference": figure.published / scale,
            "ratio": self.ratio,
            "holds": self.holds,
            "note": self.note,
            "uncalibrated_ratio": self.raw / figure.published,
            "in_sample_ratio": self.fitted / figure.published,
            "leave_one_out_ratio": self.ratio,
            "share": self.share,
            "our_share": self.our_share,
        }
        if self.low is not None and self.high is not None:
            row |= {
                "low": self.low / scale,
                "high": self.high / scale,
                "inside": self.low <= figure.published <= self.high,
            }
        return row


@dataclass(frozen=True)
class Silicon:
    """The whole comparison.

    Parameters
    ----------
    rows : tuple of Compared
    factors : Factors
        The one set.
    others : mapping
        Chip to the set of all others.
    informed : mapping
        Factor to the chips that inform it.
    spreads : mapping
        `none` and `silicon` to the errors of ranges.
    throughputs : tuple of Throughput
    """

    rows: tuple[Compared, ...]
    factors: Factors
    others: Mapping[str, Factors]
    informed: Mapping[str, list[str]]
    spreads: Mapping[str, Spread]
    throughputs: tuple[Throughput, ...]

    @property
    def totals(self) -> list[Compared]:
        """Rows of totals."""
        return [row for row in self.rows if row.figure.name == TOTAL]

    def by_chip(self) -> dict[str, float]:
        """Chip to the geometric mean of ours over published, left out, of its totals of energy."""
        totals = [row for row in self.totals if row.figure.quantity == "energy"]
        return {chip: geometric_mean(row.ratio for row in totals if row.figure.chip == chip) for chip in self.others}

    def summary(self) -> dict[str, float]:
        """What the comparison comes to: medians of ratios, shares of figures within a factor of 2 and in the range."""
        priced = [row for row in self.rows if row.raw > 0]  # what only calibration has, control, has no price before
        inside = [row.low <= row.figure.published <= row.high for row in self.totals if row.low and row.high]
        return {
            "totals": len(self.totals),
            "totals_within_2_uncalibrated": _share(_near(row.raw, row.figure) for row in self.totals),
            "totals_within_2_in_sample": _share(_near(row.fitted, row.figure) for row in self.totals),
            "totals_within_2_leave_one_out": _share(row.holds for row in self.totals),
            "median_total_leave_one_out": median(row.ratio for row in self.totals),
            "median_chip_leave_one_out": median(self.by_chip().values()),
            "components": len(priced) - len(self.totals),
            "median_leave_one_out": median(row.ratio for row in priced),
            "coverage_leave_one_out": _share(inside),
        }

    def stored(self) -> str:
        """Text of cimest/estimate/silicon.yaml."""
        every = [published(), *published()["chips"].values()]
        every += [point for chip in published()["chips"].values() for point in chip["points"] if "source" in point]
        sources = sorted({entry["source"] for entry in every})
        data = {"sources": sources, "factors": asdict(self.factors), "spread": dict(self.spreads)}
        return HEADER + write_text(_rounded(data))


def _near(ours: float, figure: Figure) -> bool:
    """Whether our value is within `HOLDS` of the published one."""
    return 1 / HOLDS <= ours / figure.published <= HOLDS


def _share(truths: Any) -> float:
    values = list(truths)
    return sum(values) / len(values)


def _rounded(data: Any) -> Any:
    """Numbers to four digits."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    return float(f"{data:.4g}") if isinstance(data, float) else data


def silicon() -> Silicon:
    """Price the chips, fit, and compare."""
    figures, throughputs = chips()
    factors, others = fit(figures), leave_one_out(figures)
    predicted = {id(entry.figure): entry for entry in blind(figures, list(others))}
    return Silicon(
        rows=tuple(_compared(figure, figures, factors, others, predicted.get(id(figure))) for figure in figures),
        factors=factors,
        others=others,
        informed=informed_by(figures, factors),
        spreads={"none": spread(figures, dict.fromkeys(others, NONE)), "silicon": spread(figures, others)},
        throughputs=tuple(throughputs),
    )


def _compared(
    figure: Figure, figures: Sequence[Figure], factors: Factors, others: Mapping[str, Factors], seen: Blind | None
) -> Compared:
    """One row; the whole of a component is the total of its point."""
    whole = next(
        other
        for other in figures
        if (other.chip, other.point, other.quantity, other.name) == (figure.chip, figure.point, figure.quantity, TOTAL)
    )
    left_out = figure.ours(others[figure.chip])
    return Compared(
        figure=figure,
        raw=figure.ours(NONE),
        fitted=figure.ours(factors),
        left_out=left_out,
        share=figure.published / whole.published,
        our_share=figure.ours(factors) / whole.ours(factors),
        low=left_out / seen.factor if seen else None,
        high=left_out * seen.factor if seen else None,
        note=published()["chips"][figure.chip].get("missing", {}).get(f"{figure.quantity}, {figure.name}", ""),
    )
