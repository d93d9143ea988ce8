"""How far our prices are from published chips: what the range of an estimate is made of, and whether it holds.

Two errors, independent of each other (`cimest.estimate.uncertainty` joins them):

* `converter`: of the energy of converters, from the 10th to the 90th percentile of the survey of published ones about
  its middle. Many more designs than our chips have.
* `rest`: of everything else, common to all of a chip, since layout, clocking and care in design are. It is the mean
  square over chips of the logarithm of our total over the published one; a chip counts once, however many voltages it
  was measured at. The converters' own error is in these totals as well and is not taken out, which makes ranges
  rather too wide than too narrow. Chips are few, so that the factor that holds `COVERAGE` is taken from Student's
  t with as many degrees of freedom as there are chips (no mean was taken from these errors).

Components are compared, but no range is made of them: papers draw the borders between them differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from cimest.estimate.calibration import Factors
from cimest.estimate.uncertainty import COVERAGE, half_width
from cimest.validate.silicon_fit import TOTAL, Figure, fit, leave_one_out
from hwlib.components.published_adc import SurveyAdc
from hwlib.technology import load_technology

Spread = dict[str, dict[str, float]]
"""`energy` and `area`, error to factor either way; see `cimest.estimate.uncertainty.spread`."""


def surveyed() -> float:
    """Factor either way that holds 80 % of published converters' energies about the middle of the survey."""
    low, _, high = SurveyAdc(8).spread(load_technology("22nm"))
    return float(np.sqrt(high / low))


def held(squares: Sequence[float]) -> float:
    """Factor that holds `COVERAGE`, from a mean square of the logarithm for each chip."""
    return float(np.exp(t.ppf((1 + COVERAGE) / 2, len(squares)) * np.sqrt(np.mean(squares)))) if squares else 1.0


def spread(figures: Sequence[Figure], used: Mapping[str, Factors]) -> Spread:
    """Factors either way for energy and area.

    Parameters
    ----------
    figures : sequence of Figure
    used : mapping
        Chip to the factors that it is priced with: those of all others, or none.
    """
    found: Spread = {}
    for quantity in ("energy", "area"):
        squares: dict[str, list[float]] = {}
        for figure in figures:
            if (figure.quantity, figure.name) == (quantity, TOTAL):
                squares.setdefault(figure.chip, []).append(np.log(figure.ratio(used[figure.chip])) ** 2)
        found[quantity] = {"rest": held([float(np.mean(values)) for values in squares.values()])}
    found["energy"]["converter"] = surveyed()
    return found


@dataclass(frozen=True)
class Blind:
    """A chip's total, predicted with factors and spread of all other chips.

    Parameters
    ----------
    figure : Figure
    ratio : float
        Ours over published.
    factor : float
        Of the range, either way.
    """

    figure: Figure
    ratio: float
    factor: float

    @property
    def inside(self) -> bool:
        """Whether the published total lies between low and high."""
        return 1 / self.factor <= self.ratio <= self.factor


def blind(figures: Sequence[Figure], chips: Iterable[str]) -> list[Blind]:
    """Totals of some chips beside the range that all others give: their factors, and their own errors when left out."""
    found = []
    for chip in chips:
        others = [figure for figure in figures if figure.chip != chip]
        factors, ranges = fit(others), spread(others, leave_one_out(others))
        for figure in figures:
            if figure.chip == chip and figure.name == TOTAL:
                half = half_width(figure.by_family(factors), ranges[figure.quantity])
                found.append(Blind(figure, figure.ratio(factors), float(np.exp(half))))
    return found
