"""Quantities as text: what they are in SI, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwlib.units import parse, pretty


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("50 ns", "s", 50e-9),
        ("0.8pJ", "J", 0.8e-12),
        ("240 kohm", "ohm", 240e3),
        ("240 kΩ", "ohm", 240e3),
        ("2 µs", "s", 2e-6),
        ("2 us", "s", 2e-6),
        ("1 GHz", "Hz", 1e9),
        ("20 µC/cm^2", "C/m^2", 0.2),
        ("50 %", "1", 0.5),
        ("1e5", "1", 1e5),
        ("1e-9", "s", 1e-9),
        ("3", "s", 3.0),
    ],
)
def test_text_in_si(text, unit, value):
    """Prefixes by hand; the relative tolerance allows for the rounding of two multiplications."""
    assert parse(text, unit) == pytest.approx(value, rel=4e-16)


def test_binary_and_decimal_prefixes_of_data():
    """IEC 80000-13: a byte has 8 bits, mebi is 2^20, kilo is 10^3; exact in floats."""
    assert parse("1 MiB", "bit") == 8 * 2**20
    assert parse("1 kB", "bit") == 8000
    assert parse("256 bit", "bit") == 256


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53))
def test_a_bare_number_is_si(value):
    assert parse(value, "s") == value


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        ("3 s", "ohm", "Cannot convert"),
        ("3 foo", "s", "not defined"),
        ("3 s", "1", "Cannot convert"),
        ("three", "s", "not defined"),
        ("2 * 3", "s", "has no unit"),
        ("inf s", "s", "not a finite quantity"),
        ("nan", "s", "not a finite quantity"),
        ("1 +", "s", "is not a quantity in s"),
        ("1 mb", "bit", "did you mean 1 MB\\?"),
        ("1ghz", "Hz", "did you mean 1 GHz\\?"),
        ("10 NS", "s", "did you mean 10 ns\\?"),
        ("1 mHZ", "Hz", "did you mean 1 mHz or 1 MHz\\?"),
        (True, "s", "expected a quantity in s"),
        (None, "s", "expected a quantity in s such as '1 s'"),
        ([1.0], "s", "expected a quantity in s"),
    ],
)
def test_refused(value, unit, message):
    with pytest.raises(ValueError, match=message):
        parse(value, unit)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.2e-12, "3.2 pJ"), (-3.2e-12, "-3.2 pJ"), (0.0, "0 J"), (1.0, "1 J"), (1500.0, "1.5 kJ"), (1e-9, "1 nJ"),
     (math.inf, "inf J"), (1e20, "1e+08 TJ")],
)  # fmt: skip
def test_pretty(value, text):
    """Thousands by hand; beyond tera the largest prefix stays."""
    assert pretty(value, "J") == text


@given(st.floats(1e-18, 9e14).map(lambda value: float(f"{value:.6g}")))
def test_pretty_reads_back(value):
    """Twelve digits hold a number of six; the tolerance is the rounding of the prefix."""
    assert parse(pretty(value, "J", digits=12), "J") == pytest.approx(value, rel=1e-11)
