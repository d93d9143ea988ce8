"""Our converters beside published ones.

The envelope is that of a survey of 215 converters, by effective bits. Ours are taken as ideal, so that their
effective bits are their bits: an n-bit converter stands in the bin that begins at n. The node is that of the second
report, 22 nm; those of the survey are of all nodes. The reference of a row is the lowest Walden figure of its bin; the
row holds if our figure lies between that and the bin's median. A ratio below 1 means that no published converter is as
good as the model.

Eight-bit converters are set beside single points: what two published fits give by their own authors' tools, which
shows that ours are those fits, and silicon, in which a factor of 2 either way is agreement (our choice: published
converters of the same bits differ by far more).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from cimest.validate.row import Row
from hwlib.component import Component
from hwlib.components.adc import FlashAdc, SarAdc
from hwlib.components.published_adc import AimcAdc, SurveyAdc
from hwlib.provenance import uses
from hwlib.technology import Technology, load_technology

SAME_FIT = 0.01
"""Rounding of figures that are given to two digits and more."""

NODE = "22nm"

SURVEY = "ADC, energy per level beside the best published"

WITHOUT = {
    "flash": "better than any published: a fit to circuit simulations (neurosim_v2_1), not to silicon",
    "SAR": "better than any published: a fit to circuit simulations (neurosim_v2_1), not to silicon",
    "AIMC": "better than any published of this resolution: a fit to three macros, at its own 28 nm",
    "survey": "better than any published of this resolution: the regression is an optimistic envelope",
}
"""Why a model may lie below all of the survey."""


@cache
def published() -> dict[str, Any]:
    """The survey's envelope, and the points."""
    with resources.files("cimest.validate").joinpath("adc_survey.yaml").open() as file:
        return yaml.safe_load(file)


def converters() -> list[Row]:
    """Rows of the survey, and of the points."""
    uses(published()["source"])
    return [*survey(), *_points()]


def _energy(part: Component, tech: Technology) -> float:
    """Of a conversion, with its share of static power where the fit has that. [J]"""
    return float(part.energy(tech) if isinstance(part, SurveyAdc) else part.cost(tech, "convert").energy)


def survey() -> list[Row]:
    """Each kind of converter in each bin."""
    tech, rows = load_technology(NODE), []
    for one in published()["bins"]:
        bits, figure = one["bits"][0], one["walden"]
        parts: dict[str, Component] = {"survey": SurveyAdc(bits), "AIMC": AimcAdc(bits), "SAR": SarAdc(bits)}
        if bits <= 8:
            parts["flash"] = FlashAdc(bits)
        for kind, part in parts.items():
            walden = _energy(part, tech) / 2**bits
            rows.append(_beside(kind, bits, walden, figure["lowest"] * 1e-15, figure["median"] * 1e-15))
    return rows


def _beside(kind: str, bits: int, walden: float, lowest: float, median: float) -> Row:
    """Row of one converter in its bin."""
    if walden < lowest:
        note = WITHOUT[kind]
    else:
        note = "between the best and the median" if walden <= median else "above the median"
    name = f"{kind}, {bits} bit, {NODE}"
    return Row(SURVEY, name, "fJ", walden / 1e-15, lowest / 1e-15, 1.0, median / lowest, note)


def _points() -> list[Row]:
    points = published()["points"]
    uses(*(point["source"] for point in points.values()))
    regression, aimc, silicon = points["survey_adc"], points["aimc_adc"], points["silicon"]
    rows = []
    given = load_technology(regression["technology"])
    rows += _point("survey fit at 22 nm", SurveyAdc(8), given, regression, SAME_FIT, "the same regression")
    rows += _point(
        "AIMC fit at 28 nm", AimcAdc(8), load_technology("32nm", supply=0.9), aimc, SAME_FIT, "the same fit, at 0.9 V"
    )
    chip = load_technology(silicon["technology"], supply=silicon["supply"])
    for kind, part in {"SAR": SarAdc(8), "flash": FlashAdc(8), "survey": SurveyAdc(8), "AIMC": AimcAdc(8)}.items():
        note = "Jia 2020, 65 nm, 0.85 V; our fits hold at the node's nominal supply"
        rows += _point(f"{kind} beside silicon", part, chip, silicon, None, note)
    return rows


def _point(
    name: str, part: Component, tech: Technology, point: dict[str, Any], tolerance: float | None, note: str
) -> list[Row]:
    """Energy and area beside a point; without a tolerance, a factor of 2 either way holds."""
    group = "ADC, 8 bit"
    given = (("energy", "pJ", 1e-12, _energy(part, tech)), ("area", "µm²", 1e-12, float(part.area(tech))))
    low, high = (0.5, 2.0) if tolerance is None else (1 - tolerance, 1 + tolerance)
    return [
        Row(group, f"{name}: {what}", unit, ours / scale, point[what], low, high, note)
        for what, unit, scale, ours in given
    ]
