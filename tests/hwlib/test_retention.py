"""Programming error, drift, read noise and relaxation of the published cells against the published figures."""

import numpy as np
import pytest

from hwlib.devices import load_device
from hwlib.devices.retention import (
    drift_exponent,
    drift_factor,
    evaluate,
    programming_sigma,
    read_sigma,
    relaxation,
)
from hwlib.provenance import record

MICRO = 1e-6
YEAR = 365 * 86400.0

TABLE = np.array(
    [  # g [uS], sigma of programming [uS], mean and deviation of the drift exponent, coefficient of read noise
        (0.25, 0.283, 0.096, 0.0450, 0.1756),
        (0.5, 0.302, 0.085, 0.0430, 0.1119),
        (1, 0.340, 0.074, 0.0343, 0.0713),
        (2.5, 0.448, 0.060, 0.0229, 0.0393),
        (5, 0.610, 0.049, 0.0142, 0.0251),
        (10, 0.862, 0.049, 0.0080, 0.0160),
        (25, 1.055, 0.049, 0.0080, 0.0088),
    ]
)
"""Mushroom cell of 25 uS: the fit of Nandakumar et al. 2019, worked out by hand to the digits shown."""


def test_mushroom_cell():
    """Half a unit of the last digit of the table."""
    device = load_device("pcm_mushroom")
    largest = device.conductance_max
    g, sigma, mean, spread, coefficient = TABLE.T
    assert programming_sigma(device.programming, g * MICRO, largest) / MICRO == pytest.approx(sigma, abs=6e-4)
    found_mean, found_spread = drift_exponent(device.drift, g * MICRO, largest)
    assert found_mean == pytest.approx(mean, abs=6e-4)
    assert found_spread == pytest.approx(spread, abs=6e-5)
    assert evaluate(device.read_noise.coefficient, g / 25) == pytest.approx(coefficient, abs=6e-5)


@pytest.mark.parametrize(
    ("time", "growth", "decay"),
    [(20, 4.27, 0.966), (3600, 4.77, 0.771), (86400, 5.09, 0.658), (30 * 86400, 5.41, 0.555), (YEAR, 5.64, 0.490)],
)
def test_time_of_the_mushroom_cell(time, growth, decay):
    """Factors of read noise and decay at an exponent of 0.05, worked out to 3 digits: t0 = 20 s, t_read = 250 ns."""
    device = load_device("pcm_mushroom")
    assert drift_factor(device.drift, 0.05, time) == pytest.approx(decay, abs=6e-4)
    g = 10 * MICRO
    sigma = read_sigma(device.read_noise, g, g, device.conductance_max, time + device.drift.start)
    coefficient = 0.0088 * 0.4**-0.65
    assert sigma / (g * coefficient) == pytest.approx(growth, abs=6e-3)


def test_programming_error_scales_with_the_cell():
    """The published convention: a cell of twice the conductance scatters twice as much at the same ratio."""
    programming = load_device("pcm_mushroom").programming
    one, two = (programming_sigma(programming, 0.3 * largest, largest) for largest in (25 * MICRO, 50 * MICRO))
    assert two == pytest.approx(2 * one, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "sigma_half", "mean_half"),
    [
        # r = 0.5: 0.15782 + 1.16222 - 0.5407775 + 0.0860525; 0.16603 + 2.35903 - 2.1202525 + 0.58620125
        ("pcm_64core_one", 0.865315, 0.0564),
        ("pcm_64core_two", 0.99100875, 0.0564),
    ],
)
def test_cells_of_the_64_core_chip(name, sigma_half, mean_half):
    """By hand: mean exponent 0.0736 - 0.0063 - 0.0109 at r = 0.5; at r = 0.05 -0.0387 ln 0.05 - 0.0182 = 0.0977;
    6 digits of the fit."""
    device = load_device(name)
    largest = device.conductance_max
    sigma = programming_sigma(device.programming, largest / 2, largest)
    assert sigma / MICRO == pytest.approx(sigma_half, rel=1e-4)  # the resistance is written with 5 digits
    exponent, _ = drift_exponent(device.drift, np.array([0.05, 0.5]) * largest, largest)
    assert exponent == pytest.approx([-0.0387 * np.log(0.05) - 0.0182, mean_half], rel=1e-9)


def test_curves_of_the_64_core_chip_are_in_reach_at_their_seams():
    """The two pieces of each published curve meet to within a tenth of their value (3 digits of the fit)."""
    for name in ("pcm_64core_one", "pcm_64core_two"):
        device = load_device(name)
        for curve in (device.drift.exponent_mean, device.drift.exponent_sigma, device.read_noise.coefficient):
            before, after = evaluate(curve, np.array([curve.until - 1e-9, curve.until + 1e-9]))
            assert after == pytest.approx(before, rel=0.1)


def test_relaxation_of_the_neurram_cell():
    """Polynomials at r = 0.5, by hand: 0.348 + 8.015 - 10.96325 + 5.674125 - 1.0509375 after 1 s, and after 2 days
    0.782 + 10.137 - 10.87675 + 4.63275 - 0.745875; in between on the logarithm of time, our choice."""
    device = load_device("reram_wan2022")
    target, largest = 20 * MICRO, device.conductance_max
    shift, sigma = relaxation(device.relaxation, target, largest, np.array([1.0, 86400.0, 172800.0]))
    assert np.all(shift == 0)
    assert sigma[[0, 2]] / MICRO == pytest.approx([2.0229375, 3.929125], rel=1e-9)
    _, between = relaxation(device.relaxation, target, largest, np.sqrt(86400.0))
    assert between == pytest.approx((sigma[0] + sigma[1]) / 2, rel=1e-9)


def test_time_outside_a_table_is_noted():
    device = load_device("reram_wan2022")
    with record() as notes:
        _, late = relaxation(device.relaxation, 20 * MICRO, device.conductance_max, YEAR)
    assert late / MICRO == pytest.approx(3.929125, rel=1e-9)
    assert any("time since programming" in text for text in notes.extrapolations)


def test_cmo_cell_in_microsiemens():
    """The published forms in uS of g = 40: programming 0.00081107 + 0.00106879 g, relaxation -0.08900206 ln t and
    0.04201137 ln t + 0.41183342, read noise 0.0277316483 log10(g) sqrt(ln((t + 1us) / 2us)); coefficients of
    the record have 6 to 7 digits, the largest conductance 5."""
    device = load_device("reram_cmo_hfox")
    g, time, largest = 40.0, 1e4, device.conductance_max
    sigma = programming_sigma(device.programming, g * MICRO, largest)
    assert sigma / MICRO == pytest.approx(0.00081107 + 0.00106879 * g, rel=1e-4)
    shift, spread = relaxation(device.relaxation, g * MICRO, largest, time)
    assert shift / MICRO == pytest.approx(-0.08900206 * np.log(time), rel=1e-12)
    assert spread / MICRO == pytest.approx(0.04201137 * np.log(time) + 0.41183342, rel=1e-12)
    read = read_sigma(device.read_noise, g * MICRO, g * MICRO, largest, time)
    expected = 0.0277316483 * np.log10(g) * np.sqrt(np.log((time + 1e-6) / 2e-6))
    assert read / MICRO == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "name", ["pcm_mushroom", "pcm_64core_one", "pcm_64core_two", "reram_wan2022", "reram_cmo_hfox"]
)
def test_nothing_is_negative_or_infinite(name):
    device = load_device(name)
    largest = device.conductance_max
    g, time = np.linspace(0, 1, 101) * largest, np.geomspace(1, 10 * YEAR, 20)[:, None]
    values = []
    if device.programming:
        values.append(programming_sigma(device.programming, g, largest))
    if device.drift:
        values += [*drift_exponent(device.drift, g, largest), drift_factor(device.drift, 0.05, time)]
    if device.read_noise:
        values.append(read_sigma(device.read_noise, g, g, largest, time))
    if device.relaxation:
        values.append(relaxation(device.relaxation, g, largest, time)[1])
    assert values
    for value in values:
        assert np.all(np.isfinite(value))
        assert np.all(value >= 0)
