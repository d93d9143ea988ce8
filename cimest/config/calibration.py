"""The section `chip.calibration` of an experiment: factors between the physics of hwlib and what chips measure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cimest.config.base import Section

Factor = Annotated[float, Field(gt=0, le=100)] | None
Share = Annotated[float, Field(ge=0, le=10)] | None


class Calibration(Section):
    """Factors on energy and area of families of components; what is not said is taken from `base`.

    `cimest.estimate.calibration` says which component belongs to which family, `cimest validate` where the factors of
    `silicon` come from.
    """

    base: Literal["none", "silicon"] = Field(
        "none", description="none: every factor 1, every share 0; silicon: the one set fitted to published chips"
    )
    activity: Factor = Field(None, description="energy of digital logic: signals that switch over those assumed")
    wiring: Factor = Field(
        None, description="energy of drivers and of arrays of static cells: capacitance of lines over the sum of cells"
    )
    converter: Factor = Field(None, description="energy of converters over the model's")
    control: Share = Field(None, description="energy of sequencing and clocks, which no component has, on top")
    layout: Factor = Field(None, description="area of static cells as laid out over the model's")
    circuit_layout: Factor = Field(None, description="area of drivers and converters over the sum of transistors")
    control_layout: Share = Field(None, description="area of sequencing and clocks, on top")
