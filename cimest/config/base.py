"""What the sections of an experiment's schema share: their two base classes, and kinds of values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hwlib.units import Quantity

Size = Annotated[float, Quantity("bit"), Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values are finite and do not change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Choice(BaseModel):
    """Base of what is chosen by name: further keys are options of that which is chosen, checked where it is known."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The further keys with their values."""
        return dict(self.model_extra or {})
