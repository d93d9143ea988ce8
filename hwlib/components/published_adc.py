"""Converters by fits to published chips: a regression over a survey, and a fit to compute-in-memory macros at 28 nm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from hwlib.component import Component, Cost, Real, action
from hwlib.components import component
from hwlib.components.adc import ConverterBehaviour, SarAdc
from hwlib.provenance import check_range, uses
from hwlib.technology import Technology

TYPICAL = ConverterBehaviour(sampling_rate=1e8)
"""Our choice: 100 MS/s, as one converter for eight columns of a chip that reads its arrays in some 80 ns."""


@cache
def _table() -> dict[str, Any]:
    with resources.files("hwlib.components").joinpath("data/published_adc.yaml").open() as file:
        return yaml.safe_load(file)


def survey_energy(node: Real, effective_bits: Real, sampling_rate: Real) -> Real:
    """Energy of a conversion, by regression over published converters (andrulis2024adc). [J]

    Parameters
    ----------
    node : float or array
        Feature size. [m]
    effective_bits : float or array
        The data hold from 4.
    sampling_rate : float or array
        The data hold to 10 GS/s. [1/s]

    Notes
    -----
    The Schreier figure of merit is limited by speed or by resolution; its energy is then scaled by node and
    resolution. An optimistic envelope: see the `bias` of data/published_adc.yaml.
    """
    fit = _table()["survey"]
    uses(fit["source"])
    fewest, most = fit["range"]["effective_bits"]
    check_range("effective bits of a surveyed converter", effective_bits, fewest, most)
    slowest, fastest = fit["range"]["sampling_rate"]
    check_range("sampling rate of a surveyed converter", sampling_rate, slowest, fastest, "1/s")
    merit, factor = fit["figure_of_merit"], fit["energy"]
    by_speed = merit["speed"]["constant"] + merit["speed"]["log_rate"] * np.log(sampling_rate)
    by_bits = merit["resolution"]["constant"] + merit["resolution"]["per_bit"] * np.ceil(effective_bits)
    signal_to_noise = 6.0206 * np.asarray(effective_bits) + 1.761  # dB, of a full-scale sine
    ideal = 0.5 * 10 ** ((signal_to_noise - np.minimum(by_speed, by_bits)) / 10)
    exponent = (
        factor["constant"] + factor["log_node"] * np.log(node * 1e9) + factor["log_bits"] * np.log(effective_bits)
    )
    return 1e-12 * ideal * np.exp(exponent)


def survey_area(node: Real, energy: Real, sampling_rate: Real) -> Real:
    """Area of a converter of an energy per conversion [J], by the same regression. [m²]"""
    fit = _table()["survey"]["area"]
    exponent = (
        fit["constant"]
        + fit["log_node"] * np.log(node * 1e9)
        + fit["log_rate"] * np.log(sampling_rate)
        + fit["log_energy"] * np.log(energy * 1e12)
    )
    return 1e-12 * np.exp(exponent)


@component("survey_adc")
@dataclass(frozen=True)
class SurveyAdc(Component):
    """A converter as published ones are, of any kind, by a regression over their survey.

    Parameters
    ----------
    bits : float or array
        Resolution.
    behaviour : ConverterBehaviour
        Its sampling rate and its effective bits, which noise and nonlinearity lower, set the price. A converter
        that several columns share needs so many times the rate.
    energy_factor, area_factor : float or array
        Measured over modelled, for a known design; published macros needed 0.275 to 3.5 and 0.25 to 0.4.
    """

    bits: Real
    behaviour: ConverterBehaviour = TYPICAL
    energy_factor: Real = 1.0
    area_factor: Real = 1.0

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: half of it, to track the signal (our choice). [s]"""
        return 0.5 / self.behaviour.sampling_rate

    def energy(self, tech: Technology) -> Real:
        """Of a conversion at full rate, its share of static power included. [J]"""
        effective = self.behaviour.effective_bits(self.bits)
        factor = self.energy_factor * tech.at_corner(_table()["survey"]["calibration"])
        return factor * survey_energy(tech.node, effective, self.behaviour.sampling_rate)

    def spread(self, tech: Technology) -> tuple[Real, Real, Real]:
        """Energies between which published converters lie: 10th percentile, median, 90th. [J]"""
        ratios = _table()["survey"]["bias"]["energy"]
        energy = self.energy(tech)
        return energy / ratios["high"], energy / ratios["median"], energy / ratios["low"]

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        rate = self.behaviour.sampling_rate
        plain = survey_energy(tech.node, self.behaviour.effective_bits(self.bits), rate)
        return self.area_factor * survey_area(tech.node, plain, rate)

    def leakage(self, tech: Technology) -> Real:
        """The fifth of the power at full rate that the regression books as static; no function of temperature. [W]"""
        share = _table()["survey"]["static_share"]
        return share * self.energy(tech) * self.behaviour.sampling_rate

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion, without the static power, which `leakage` has."""
        share = _table()["survey"]["static_share"]
        rate = np.asarray(self.behaviour.sampling_rate)
        return Cost((1 - share) * self.energy(tech), 1 / rate)


@component("aimc_adc")
@dataclass(frozen=True)
class AimcAdc(Component):
    """A converter as in three analog compute-in-memory macros at 28 nm (houshmand2023benchmarking).

    The fit knows no node but its own; at another one its figures stand as they are, and the result says so.

    Parameters
    ----------
    bits : float or array
        Resolution.
    rows : float or array
        Of the array behind it, which the delay grows with.
    """

    bits: Real
    rows: Real = 128

    def _delay(self) -> Real:
        fit = _table()["aimc"]["delay"]
        return 1e-9 * np.asarray(self.bits) * (fit["per_row"] * self.rows + fit["constant"])

    @property
    def sense_time(self) -> Real:
        """How long the array conducts for one conversion: all of it (our choice). [s]"""
        return self._delay()

    def area(self, tech: Technology) -> Real:
        """[m²]"""
        fit = _table()["aimc"]
        uses(fit["source"])
        bits = np.asarray(self.bits)
        return 1e-12 * 10 ** (fit["area"]["constant"] + fit["area"]["per_bit"] * bits) * 2.0**bits

    def leakage(self, tech: Technology) -> Real:
        """That of a successive-approximation converter, as the fit has none (our choice). [W]"""
        return SarAdc(self.bits).leakage(tech)

    @action
    def convert(self, tech: Technology) -> Cost:
        """One conversion."""
        fit = _table()["aimc"]
        uses(fit["source"])
        smallest, largest = fit["range"]["node"]
        check_range("node of a macro's converter", tech.node * 1e9, smallest, largest, "nm")
        bits = np.asarray(self.bits)
        energy = fit["energy"]["per_bit"] * bits + fit["energy"]["per_level_squared"] * 4.0**bits
        return Cost(1e-15 * energy * tech.vdd**2, self._delay())
