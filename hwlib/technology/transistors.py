"""One transistor of a technology: capacitance, resistance, currents.

All equations are those that peng2021neurosim_v2 uses. Drawn widths are in metres. Where transistors have fins,
a drawn width of 2F is one fin.
"""

from __future__ import annotations

import numpy as np

from hwlib.component import Real
from hwlib.provenance import uses
from hwlib.technology.technology import ALPHA, Technology

LINEAR_REGION = 0.2
"""Resistance of a transistor that passes a small voltage, over its effective one in switching (neurosim_v2_1)."""

_MINIMUM_WIDTH = 2.0
"""Drawn width of a minimum n-type transistor, in F (neurosim_v2_1)."""


def minimum_width(tech: Technology) -> float:
    """Drawn width of a minimum n-type transistor, 2F. [m]"""
    return _MINIMUM_WIDTH * tech.node


def fins(tech: Technology, width: Real) -> Real:
    """Number of fins of a transistor of a drawn width [m]: one for each 2F, at least one."""
    return np.maximum(1.0, np.ceil(np.asarray(width) / minimum_width(tech) - 1e-9))


def effective_width(tech: Technology, width: Real) -> Real:
    """Channel width of a transistor of a drawn width [m]; the surface of its fins where it has fins. [m]"""
    if tech.finfet:
        return fins(tech, width) * (2 * tech.fin_height + tech.fin_width)
    return width


def gate_pitch(tech: Technology) -> float:
    """From one gate to the next. [m]"""
    return (1.4 + 3.9 if tech.finfet else 1 + 2.8) * tech.node


def gate_capacitance(tech: Technology, width: Real) -> Real:
    """Capacitance of a transistor's gate. [F]"""
    uses("peng2021neurosim_v2")
    parts = tech.gate_capacitance_ideal + tech.gate_capacitance_fringe + tech.gate_capacitance_overlap
    return parts * effective_width(tech, width)


def drain_capacitance(tech: Technology, width: Real, regions: Real = 1) -> Real:
    """Capacitance of a transistor's drain, or of the diffusion of a stack. [F]

    Parameters
    ----------
    tech : Technology
    width : float or array
        Drawn width. [m]
    regions : float or array
        Stretches of diffusion in series, one for each transistor of a stack.
    """
    uses("peng2021neurosim_v2")
    length = (3.9 if tech.finfet else 2.8) * tech.node * regions
    count, one = (fins(tech, width), tech.fin_width) if tech.finfet else (1.0, width)
    return count * (
        tech.junction_capacitance * one * length
        + tech.sidewall_capacitance * (one + 2 * length)
        + tech.channel_capacitance * one
    )


def on_resistance_n(tech: Technology, width: Real) -> Real:
    """Effective resistance of an n-type transistor that switches. [ohm]"""
    uses("peng2021neurosim_v2")
    return tech.resistance_factor * tech.vdd / (tech.on_current_n * effective_width(tech, width))


def on_resistance_p(tech: Technology, width: Real) -> Real:
    """Effective resistance of a p-type transistor that switches. [ohm]"""
    uses("peng2021neurosim_v2")
    return tech.resistance_factor * tech.vdd / (tech.on_current_p * effective_width(tech, width))


def off_current_n(tech: Technology, width: Real) -> Real:
    """Current of an n-type transistor that is off. [A]"""
    uses("peng2021neurosim_v2")
    return tech.off_current_n * effective_width(tech, width)


def off_current_p(tech: Technology, width: Real) -> Real:
    """Current of a p-type transistor that is off. [A]"""
    uses("peng2021neurosim_v2")
    return tech.off_current_p * effective_width(tech, width)


def transconductance(tech: Technology, width: Real) -> Real:
    """Of an n-type transistor, the derivative of the alpha-power law at the full supply. [S]"""
    uses("peng2021neurosim_v2", "sakurai1990alpha")
    return ALPHA * tech.on_current_n * effective_width(tech, width) / (tech.vdd - tech.vth)
