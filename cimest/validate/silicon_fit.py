"""One set of calibration factors for all published chips, by least squares in the logarithm, and what it predicts.

Each figure is a published energy or area beside the families of our parts that it is made of, so that a set of factors
changes it without pricing the chip again. The sum that is minimised has, for each chip and each of energy and area,
half its weight on totals and half on components (all on whichever it has), spread evenly over voltages and bit widths:
a chip with fourteen operating points says no more than a chip with two.

Errors beyond a factor of e count in proportion and not as squares, since papers draw the borders between components
differently.

Factors that few chips inform would follow every chip that has them. So the factors on energy are held together by a
term λ (ln factor - mean)², and those on area likewise: one that no chip informs is as large as the others are on
average, which says that silicon takes more than the sum of its cells everywhere alike, and one that n chips inform
with full weight moves n / (n + λ) of the way from there. λ is `RIDGE`. Shares of control are held to none with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.optimize import least_squares

from cimest.estimate.calibration import Factors

RIDGE = 1.0
"""Weight of what holds factors together (our choice): one that a single chip informs fully moves half of its way."""

USED = 0.1
"""A chip informs a factor if a tenth of one of its figures moves with it (our choice)."""

SHARES = ("control", "control_layout")
"""Factors that are shares on top; they are fitted as one plus the share."""

NAMES = tuple(entry.name for entry in fields(Factors))

ALIKE = tuple(
    [NAMES.index(name) for name in names]
    for names in (("activity", "wiring", "converter"), ("layout", "circuit_layout"))
)
"""Places of the factors that are held together."""

HOLD = 1e-4
"""So small a pull to 1 that it decides only what no figure says anything of."""

LEAST = 1e-3
"""Smallest share that a fit gives, so that its logarithm exists."""

STEP = 1e-6
"""Of a derivative in the logarithm."""

TOTAL = "total"


@dataclass(frozen=True)
class Figure:
    """A published energy or area of a chip beside ours.

    Parameters
    ----------
    chip, point : str
        The chip; voltage, bit widths.
    quantity : {"energy", "area"}
    name : str
        `total`, or the component as its paper calls it.
    published : float
        [J/OP] or [m²]
    families : mapping
        Family to what our parts of it give for this figure without calibration. [J/OP] or [m²]
    control : mapping
        Family to that on which the control share of this figure is reckoned; empty for a component without control.
    parts : tuple of str
        The parts of our chip that the figure is made of.
    """

    chip: str
    point: str
    quantity: str
    name: str
    published: float
    families: Mapping[str, float]
    control: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[str, ...] = ()

    def by_family(self, factors: Factors) -> dict[str, float]:
        """Our value with some factors, family by family; control is digital."""
        of, share = (
            (factors.energy, factors.control) if self.quantity == "energy" else (factors.area, factors.control_layout)
        )
        sums = {name: float(value * of(name)) for name, value in self.families.items()}
        control = float(share * sum(value * of(name) for name, value in self.control.items()))
        return sums | {"digital": sums.get("digital", 0.0) + control}

    def ours(self, factors: Factors) -> float:
        """Our value with some factors."""
        return sum(self.by_family(factors).values())

    def ratio(self, factors: Factors) -> float:
        """Ours over the published one."""
        return self.ours(factors) / self.published


def weights(figures: Sequence[Figure]) -> np.ndarray:
    """Weight of each figure: see the module."""
    kinds = [(figure.chip, figure.quantity, figure.name == TOTAL) for figure in figures]
    both = {kind for kind in kinds if (*kind[:2], not kind[2]) in kinds}
    return np.array([(0.5 if kind in both else 1.0) / kinds.count(kind) for kind in kinds])


def fit(figures: Sequence[Figure], ridge: float = RIDGE) -> Factors:
    """The factors that bring our figures nearest to the published ones.

    Parameters
    ----------
    figures : sequence of Figure
    ridge : float
        λ of the module.
    """
    weight, ours = np.sqrt(weights(figures)), _prices(figures)
    published = np.log([figure.published for figure in figures])
    lowest = np.array([np.log1p(LEAST) if name in SHARES else -np.inf for name in NAMES])

    def errors(logs: np.ndarray) -> np.ndarray:
        apart = bounded(np.log(ours(_factors(logs))) - published)
        held = [logs[at] - logs[at].mean() for at in ALIKE] + [logs[np.isfinite(lowest)]]
        return np.concatenate([weight * apart, np.sqrt(ridge) * np.concatenate(held), HOLD * logs])

    start = np.where(np.isfinite(lowest), np.log1p(0.05), 0.0)
    return _factors(least_squares(errors, start, bounds=(lowest, np.inf), xtol=1e-12, ftol=1e-12).x)


def bounded(logs: np.ndarray) -> np.ndarray:
    """Errors whose squares grow in proportion to them beyond a factor of e, instead of as their square."""
    return np.sign(logs) * np.sqrt(2 * (np.sqrt(1 + logs**2) - 1))


def _prices(figures: Sequence[Figure]) -> Callable[[Factors], np.ndarray]:
    """A function from factors to our values of all figures: `Figure.ours` of each, at once."""
    energy = np.array([figure.quantity == "energy" for figure in figures])
    names = list({name for figure in figures for name in (*figure.families, *figure.control)})
    own, control = (
        np.array([[of.get(name, 0.0) for name in names] for of in tables]).reshape(len(figures), len(names))
        for tables in ([figure.families for figure in figures], [figure.control for figure in figures])
    )

    def ours(factors: Factors) -> np.ndarray:
        of_energy, of_area = (np.array([of(name) for name in names]) for of in (factors.energy, factors.area))
        factor = np.where(energy[:, None], of_energy, of_area)
        share = np.where(energy, factors.control, factors.control_layout)
        return (own * factor).sum(axis=1) + share * (control * factor).sum(axis=1)

    return ours


def _logs(factors: Factors) -> np.ndarray:
    return np.array([np.log(getattr(factors, name) + (name in SHARES)) for name in NAMES])


def _factors(logs: np.ndarray) -> Factors:
    values = dict(zip(NAMES, (float(value) for value in np.exp(logs)), strict=True))
    return Factors(**{name: value - 1 if name in SHARES else value for name, value in values.items()})


def informed_by(figures: Iterable[Figure], factors: Factors) -> dict[str, list[str]]:
    """Factor to the chips that inform it; see `USED`."""
    logs = _logs(factors)
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    for figure in figures:
        for name, step in zip(NAMES, STEP * np.eye(len(NAMES)), strict=True):
            moved = np.log(figure.ours(_factors(logs + step)) / figure.ours(factors)) / STEP
            if moved > USED and figure.chip not in found[name]:
                found[name].append(figure.chip)
    return found


def leave_one_out(figures: Sequence[Figure], ridge: float = RIDGE) -> dict[str, Factors]:
    """Each chip with the factors fitted to all others."""
    chips = dict.fromkeys(figure.chip for figure in figures)
    return {chip: fit([figure for figure in figures if figure.chip != chip], ridge) for chip in chips}
