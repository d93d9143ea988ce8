"""Physics that the arrays share: capacitance of a line, heat of a voltage over a cell, pulses from both sides."""

from __future__ import annotations

import numpy as np

from hwlib.component import Real
from hwlib.technology import Technology

LINEAR_SELECTOR = 2.0
"""Current at full over current at half the voltage where nothing but a resistance conducts, by definition."""


def line_capacitance(tech: Technology, length: Real, cells: Real, terminal: Real) -> Real:
    """Capacitance of a line over the array: its wire and one transistor terminal [F] for each cell. [F]"""
    return tech.wire_capacitance * length + cells * terminal


def path_conductance(conductance: Real, series_resistance: Real) -> Real:
    """Conductance [S] of a device and the resistance [ohm] in series with it. [S]"""
    return conductance / (1 + conductance * series_resistance)


def joule(voltage: Real, conductance: Real, time: Real) -> Real:
    """Heat of a voltage [V] over a conductance [S] for a time [s], V² G t. [J]"""
    return voltage**2 * conductance * time


def half_selected(voltage: Real, conductance: Real, time: Real, selectivity: Real = LINEAR_SELECTOR) -> Real:
    """Heat of a cell that sees half of a pulse's voltage. [J]

    Parameters
    ----------
    voltage : float or array
        Of a whole pulse. [V]
    conductance : float or array
        Under the whole voltage. [S]
    time : float or array
        [s]
    selectivity : float or array
        Current under the whole voltage over that under its half: 2 for a resistance (and then the heat is a
        quarter of V² G t), more with a selector in series.
    """
    return joule(voltage, conductance, time) / (2 * selectivity)


def switched_polarisation(polarisation: Real, area: Real, voltage: Real, states: Real) -> Real:
    """Energy of one of the `states` pulses that together turn a polarisation [C/m²] of an area [m²] around. [J]

    The whole turn moves the charge 2 P A through the voltage [V].
    """
    return 2 * polarisation * area * voltage / states


def check_trains(train_length: Real, row_probability: Real, column_probability: Real, coincidences: Real) -> None:
    """Refuse pulse trains that cannot be.

    Parameters
    ----------
    train_length : float or array
        Slots of the trains.
    row_probability, column_probability : float or array
        Mean probability that a row, or a column, fires in a slot.
    coincidences : float or array
        Mean number of slots, per cell, in which both of its lines fire; the product of the three others for
        independent trains of equal lines.

    Raises
    ------
    ValueError
        For a probability outside 0 to 1, or more coincidences than one of the lines fires pulses.
    """
    smaller, larger = np.minimum(row_probability, column_probability), np.maximum(row_probability, column_probability)
    if np.any(smaller < 0) or np.any(larger > 1):
        raise ValueError(
            f"row_probability and column_probability lie between 0 and 1, "
            f"not from {np.min(smaller):g} to {np.max(larger):g}"
        )
    most = train_length * smaller
    if np.any(coincidences > most * (1 + 1e-9)):
        raise ValueError(
            f"coincidences ({np.max(coincidences):g}) exceed the pulses of a line ({np.min(most):g} = train_length "
            "times the smaller probability)"
        )


def lonely_pulses(train_length: Real, row_probability: Real, column_probability: Real, coincidences: Real) -> Real:
    """Pulses that a cell gets from one of its two lines alone; parameters and errors as those of `check_trains`."""
    check_trains(train_length, row_probability, column_probability, coincidences)
    return train_length * (row_probability + column_probability) - 2 * coincidences
