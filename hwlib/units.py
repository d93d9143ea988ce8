"""Quantities at the edge: text such as `50 ns` becomes an SI float, and back for people to read."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic_core import core_schema


@cache
def _pint():
    import pint

    return pint.UnitRegistry(cache_folder=":auto:", autoconvert_offset_to_baseunit=True)


def parse(value: Any, unit: str) -> float:
    """Value in SI of a quantity written as text with a unit, or of a bare number that is SI already.

    Parameters
    ----------
    value : str, int or float
        For example `"50 ns"` or `5e-8`.
    unit : str
        The SI unit of the result, for example `s`, `ohm`, `V`, `m`; `bit` for amounts of data.

    Raises
    ------
    ValueError
        If the text is no quantity, or one of another dimension.
    """
    if isinstance(value, bool):
        raise ValueError(f"expected a quantity in {unit}, got {value!r}")
    if isinstance(value, (int, float)):
        return _finite(float(value), value)
    if not isinstance(value, str):
        raise ValueError(f"expected a quantity in {unit} such as '1 {unit}', got {type(value).__name__}")
    try:
        return _convert(value, unit)
    except ValueError:
        raise
    except Exception as problem:  # pint raises a dozen kinds, one for each way a text can be wrong
        raise ValueError(f"{value!r} is not a quantity in {unit}: {_meant(value, unit) or problem}") from None


def _meant(text: str, unit: str) -> str:
    """Units of the same letters as those of a text, in capitals where they belong; empty if there are none."""
    number, letters = re.match(r"\s*([-+.\deE]*)\s*(.*?)\s*$", text, re.DOTALL).groups()  # type: ignore[union-attr]
    names = [f"{prefix}{name}" for name in ("bit", "B") for prefix in ("", "k", "M", "G")] if unit == "bit" else [
        f"{prefix}{unit}" for prefix in PREFIXES.values()
    ]  # fmt: skip
    found = [f"{number} {name}".strip() for name in names if name.casefold() == letters.casefold()]
    return f"did you mean {' or '.join(found)}?" if found else ""


@cache
def _convert(text: str, unit: str) -> float:
    try:
        number = float(text)  # `1e-9` is text in YAML 1.1
    except ValueError:
        registry = _pint()
        quantity = registry.Quantity(text)
        if quantity.unitless and unit != "1":
            raise ValueError(f"{text!r} has no unit; expected a quantity in {unit}") from None
        converted = float(quantity.to("" if unit == "1" else unit).magnitude)
        number = float(f"{converted:.15g}")  # 50 ns is 5e-08, not 5.0000000000000004e-08
    return _finite(number, text)


def _finite(number: float, given: object) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{given!r} is not a finite quantity")
    return number


@dataclass(frozen=True)
class Quantity:
    """Marks a pydantic field that takes a quantity as text and holds SI: `Annotated[float, Quantity("s")]`."""

    unit: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Read text and numbers with `parse` before pydantic looks at bounds."""
        return core_schema.no_info_before_validator_function(lambda value: parse(value, self.unit), handler(source))


def quantity(unit: str) -> Any:
    """Type of a pydantic field that takes a quantity as text and holds SI."""
    return Annotated[float, Quantity(unit)]


PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def pretty(value: float, unit: str, digits: int = 3) -> str:
    """A number for people: `pretty(3.2e-12, "J")` is `3.2 pJ`."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    rounded = float(f"{value:.{digits - 1}e}")  # before the prefix is chosen: 999.9996 is 1 k
    exponent = min(12, max(-18, 3 * math.floor(math.log10(abs(rounded)) / 3)))
    return f"{rounded / 10.0**exponent:.{digits}g} {PREFIXES[exponent]}{unit}"
