"""How a weight is written in pairs of devices: significances, the rules of thumb, and the valid ways to write one.

A weight W, in units of the largest of its matrix, is k W = sum over pairs of f (G+ - G-), all conductances within the
devices' range; pairs are ordered from the most significant one. Negative weights swap the devices of every pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hwlib.registry import suggestion

RULES = ("least_first", "most_first", "proportional", "equal_split")
"""Rules of thumb: fill the least or the most significant pair first; drive all pairs to the same share of their range;
give all pairs the same share of the weight as far as they can carry it."""


@dataclass(frozen=True)
class Encoding:
    """Pairs of devices that carry one weight.

    Parameters
    ----------
    significance : tuple of float
        Factor f of each pair, from the most significant one down; the last is 1.
    reach : float
        Largest weight over the largest that the pairs hold: above 1, weights beyond 1 / reach are clipped.

    Raises
    ------
    ValueError
        If the factors do not fall to 1, or the reach is not positive.
    """

    significance: tuple[float, ...]
    reach: float = 1.0

    def __post_init__(self) -> None:
        factors = self.significance
        if not factors or factors[-1] != 1 or any(later > earlier for earlier, later in pairwise(factors)):
            raise ValueError(f"significances fall from the first pair to 1 of the last one, got {list(factors)}")
        if self.reach <= 0:
            raise ValueError(f"the reach of an encoding is more than 0, got {self.reach:g}")

    @classmethod
    def of(cls, pairs: int, factor: float, reach: float = 1.0) -> Encoding:
        """Each pair `factor` times as significant as the next: F squared, F and 1 for three pairs."""
        return cls(tuple(factor**power for power in range(pairs - 1, -1, -1)), reach)

    @property
    def pairs(self) -> int:
        """Pairs of a weight."""
        return len(self.significance)

    def scale(self, span: float) -> float:
        """Conductance k that stands for the largest weight, of devices with this range. [S]"""
        return self.reach * sum(self.significance) * span

    def carried(self, weights: np.ndarray) -> np.ndarray:
        """Sum over the pairs of f (G+ - G-) that weights ask for, in units of a device's range; clipped."""
        whole = sum(self.significance)
        return np.clip(weights * self.reach * whole, -whole, whole)


def shares(encoding: Encoding, weights: np.ndarray, rule: str) -> np.ndarray:
    """What each pair carries by a rule of thumb.

    Parameters
    ----------
    encoding : Encoding
    weights : array of shape (weights,)
        Not negative, in units of the largest.
    rule : str
        One of `RULES`.

    Returns
    -------
    array of shape (weights, pairs)
        G+ - G- of each pair, in units of a device's range.

    Raises
    ------
    ValueError
        For an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"no rule of writing weights is named {rule!r}; {suggestion(rule, RULES)}")
    factors, rest = np.array(encoding.significance), encoding.carried(weights)
    if rule == "proportional":
        return np.repeat(rest[:, None] / factors.sum(), encoding.pairs, axis=1)
    carried = np.zeros((len(weights), encoding.pairs))
    if rule == "equal_split":
        left = rest.copy()
        for done, pair in enumerate(
            np.argsort(factors, kind="stable")
        ):  # the smallest first: what it lacks, others add
            carried[:, pair] = np.minimum(left / (encoding.pairs - done), factors[pair])
            left -= carried[:, pair]
        return carried / factors
    order = range(encoding.pairs) if rule == "most_first" else range(encoding.pairs - 1, -1, -1)
    for pair in order:
        carried[:, pair] = np.minimum(rest, factors[pair])
        rest = rest - carried[:, pair]
    return carried / factors


def one_sided(carried: np.ndarray, lowest: float, span: float) -> np.ndarray:
    """Conductances of pairs of which one device stays at its smallest.

    Parameters
    ----------
    carried : array of shape (weights, pairs)
        G+ - G- in units of the range.
    lowest, span : float
        Smallest conductance and range. [S]

    Returns
    -------
    array of shape (weights, pairs, 2)
        G+ and G-. [S]
    """
    both = np.stack([np.maximum(carried, 0), np.maximum(-carried, 0)], axis=-1)
    return lowest + span * np.minimum(both, 1)


def by_rule(encoding: Encoding, weights: np.ndarray, rule: str, lowest: float, span: float) -> np.ndarray:
    """Conductances (weights, pairs, 2) of weights that are not negative, by a rule of thumb. [S]"""
    return one_sided(shares(encoding, weights, rule), lowest, span)


def points(encoding: Encoding, carried: np.ndarray) -> np.ndarray:
    """Coordinates in the unit cube, see `compiled.decode`, of one-sided pairs that carry so much.

    Parameters
    ----------
    encoding : Encoding
    carried : array of shape (weights, pairs)
        G+ - G- in units of the range.

    Returns
    -------
    array of shape (weights, 2 pairs - 1)
    """
    factors = np.array(encoding.significance)
    found = np.zeros((len(carried), 2 * len(factors) - 1))
    rest = carried @ factors
    for pair in range(len(factors) - 1):
        later = factors[pair + 1 :].sum()
        least, most = np.maximum(rest - later, -factors[pair]), np.minimum(rest + later, factors[pair])
        share = factors[pair] * carried[:, pair]
        found[:, pair] = np.clip((share - least) / np.maximum(most - least, 1e-12), 0, 1)
        rest = rest - share
    return found
