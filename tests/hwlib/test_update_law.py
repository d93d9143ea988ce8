"""Update laws: the label's curve, the closed form against its own recursion and invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwlib.devices.laws import (
    AFFINE,
    ExponentialStep,
    Linear,
    LinearStep,
    NonlinearityLabel,
    PiecewiseStep,
    PowerStep,
    SoftBounds,
)
from hwlib.devices.stepwise import apply_law, factors, table_factor
from hwlib.devices.update_law import GAP_PER_LABEL, NotAffine, affine_coefficients, apply_pulses, curvature, gap
from hwlib.provenance import record

labels = st.floats(-9, 9)
weights = st.floats(-1, 1)
LAWS = [
    NonlinearityLabel(up=1.75, down=-1.46),
    NonlinearityLabel(up=6, down=-6),
    NonlinearityLabel(up=3, down=3),
    NonlinearityLabel(up=-2, down=1),
    NonlinearityLabel(up=0, down=0),
    Linear(),
    Linear(step_down=0.7),
    SoftBounds(),
    SoftBounds(low=-0.75, high=1.25),
    LinearStep(slope_up=0.4, slope_down=0.7, low=-0.83, high=1.17),
]
STEPWISE = [
    ExponentialStep(
        amplitude_up=8.1e-4, amplitude_down=0.36833, rate_up=12.4, rate_down=12.8, scale=0.244, shift=0.2425
    ),
    ExponentialStep(amplitude_up=-27.2, amplitude_down=-2.2, rate_up=2.5, rate_down=2.5, scale=-1, low=0, high=2),
    PowerStep(exponent_up=1.5, exponent_down=0.5, step_up=0.8),
    PiecewiseStep(nodes_up=(1.5, 1, 0.2), nodes_down=(0.1, 1)),
]


def pulses(law, states, w, n, deviation=0.0):
    return apply_pulses(w, n, affine_coefficients(law, states, deviation))


@pytest.mark.parametrize(
    ("label", "expected"),
    list(
        zip(
            (0.01, 0.1, 0.5, 1, 1.46, 1.75, 2, 3, 4, 5, 6, 9),
            (126.27, 12.626, 2.5199, 1.2517, 0.8487, 0.7021, 0.6090, 0.3868, 0.2691, 0.1924, 0.1356, 0.0228),
            strict=True,
        )
    ),
)
def test_curvature_of_a_label(label, expected):
    """Published table of DNN+NeuroSim; half a unit of its last digit, 2e-4 relative but for label 9 (3 digits)."""
    assert curvature(label) == pytest.approx(expected, rel=3e-3 if label == 9 else 2e-4)
    assert curvature(-label) == -curvature(label)


def test_the_gap_defines_the_label():
    """The definition, with the maximum over a fine grid of pulses; the grid misses it by less than 1e-6."""
    p = np.linspace(0, 1, 20001)
    for label in (0.1, 1, 3, 6, 9):
        k = 1 / curvature(label)
        curve = np.expm1(-k * p) / np.expm1(-k)
        assert np.max(curve - p) == pytest.approx(GAP_PER_LABEL * label, abs=2e-6)


@given(st.floats(1e-6, 9))
def test_inversion_is_exact_to_a_millionth(label):
    """`gap` loses digits below k = 1e-3, where gap = k/8 (series, next term k³/576)."""
    k = 1 / curvature(label)
    found = gap(k) if k > 1e-2 else k / 8 - k**3 / 576
    assert found == pytest.approx(GAP_PER_LABEL * label, rel=1e-6)


def test_no_label_is_a_straight_line():
    assert curvature(0.0) == np.inf
    steps = affine_coefficients(NonlinearityLabel(up=0, down=0), 64)
    assert tuple(map(float, steps)) == (2 / 64, 0, 2 / 64, 0)


@pytest.mark.parametrize(("label", "first"), [(0.1, 1.04), (1, 1.45), (1.75, 1.88), (3, 2.80), (6, 7.38), (9, 43.8)])
def test_first_pulse(label, first):
    """Slope of the curve at its start over that of the straight line: k / (1 - exp(-k)); published to 3 digits."""
    steps = affine_coefficients(NonlinearityLabel(up=label, down=-label), 32)
    assert (steps.s_up + steps.r_up) / (2 / 32) == pytest.approx(first, rel=5e-3)


@pytest.mark.parametrize("label", [*np.linspace(-6, 9, 16), 1e-9, -1e-9])
@pytest.mark.parametrize("states", [2, 32, 1000])
def test_a_full_sweep_reaches_the_other_end(label, states):
    """By definition of Pmax; rounding grows by exp(k) = 1600 at label -6, so 1e-11."""
    up = NonlinearityLabel(up=label, down=-1)
    assert pulses(up, states, -1.0, states) == pytest.approx(1, abs=1e-11)
    down = NonlinearityLabel(up=1, down=-label)
    assert pulses(down, states, 1.0, -states) == pytest.approx(-1, abs=1e-11)


def test_the_curve_itself():
    """Half a sweep up from -1 at label 3: w = 2 (1 - exp(-k/2)) / (1 - exp(-k)) - 1 with k = 1/0.3868294."""
    k = 1 / 0.3868294
    expected = 2 * (1 - np.exp(-k / 2)) / (1 - np.exp(-k)) - 1
    assert pulses(NonlinearityLabel(up=3, down=-3), 64, -1.0, 32) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=str)
@given(w=st.floats(-0.99, 0.99), n=st.integers(0, 40), m=st.integers(0, 40), sign=st.sampled_from([-1, 1]))
def test_pulses_add(law, w, n, m, sign):
    """n then m pulses are n + m pulses: the solution of a first-order equation; 1e-12 for rounding."""
    two_writes = pulses(law, 64, pulses(law, 64, w, sign * n), sign * m)
    assert two_writes == pytest.approx(pulses(law, 64, w, sign * (n + m)), abs=1e-12)


@given(w=st.floats(-1, 1), n=st.integers(1, 20))
def test_soft_bounds_recursion(w, n):
    """Rasch et al. 2024: each pulse closes the fraction 2/states of the distance to its bound."""
    up = down = w
    for _ in range(n):
        up += 2 / 20 * (1 - up)
        down -= 2 / 20 * (1 + down)
    assert pulses(SoftBounds(), 20, w, n) == pytest.approx(up, abs=1e-12)
    assert pulses(SoftBounds(), 20, w, -n) == pytest.approx(down, abs=1e-12)


@given(label=st.floats(-5, 5), w=st.floats(-0.4, 0.4), n=st.integers(0, 4))
def test_equal_labels_are_symmetric(label, w, n):
    """Up and down share one curve, so a weight goes up and comes back (away from the ends, nothing is clipped: at label
    5 four pulses multiply the distance from the end by exp(4 / (64 0.1924)) = 1.38)."""
    law = NonlinearityLabel(up=label, down=label)
    assert pulses(law, 64, pulses(law, 64, w, n), -n) == pytest.approx(w, abs=1e-11)


def test_opposite_labels_decay():
    """With U = B - 1 and x = exp(-k/P), a pulse up gives U - (U - w) x and then one down -U + (w_up + U) x,
    together x² w - U (1 - x)²: a decay by 2k/P per pair, towards -U (1 - x) / (1 + x), just below the crossing at 0."""
    states, k = 64, 1 / curvature(3)
    x, bound = np.exp(-k / states), 2 / (1 - np.exp(-k)) - 1
    law = NonlinearityLabel(up=3, down=-3)
    pair = pulses(law, states, pulses(law, states, 0.5, 1), -1)
    assert pair == pytest.approx(x**2 * 0.5 - bound * (1 - x) ** 2, abs=1e-9)
    w = 0.5
    for _ in range(200):
        w = pulses(law, states, pulses(law, states, w, 1), -1)
    assert w == pytest.approx(-bound * (1 - x) / (1 + x), abs=1e-6)


@given(up=labels, down=labels, deviation=st.floats(-30, 30), w=weights, n=st.integers(-10_000, 10_000))
def test_no_label_gives_nan(up, down, deviation, w, n):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for dtype in (np.float64, np.float32):
            law = NonlinearityLabel(up=up, down=down)
            steps = type(affine_coefficients(law, 32))(*(dtype(v) for v in affine_coefficients(law, 32, deviation)))
            new = apply_pulses(dtype(w), dtype(n), steps)
            assert new.dtype == dtype
            assert -1 <= new <= 1
            assert (new - dtype(w)) * n >= 0


@given(deviation=st.floats(-30, 30), states=st.integers(2, 300), w=weights, n=st.integers(-1000, 1000))
@pytest.mark.parametrize("law", [Linear(), SoftBounds()], ids=str)
def test_no_spread_gives_nan(law, deviation, states, w, n):
    new = pulses(law, states, w, n, deviation)
    assert -1 <= new <= 1
    assert (new - w) * n >= 0


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_arrays_equal_scalars(law):
    """The same formula element by element; a few units in the last place for vectorised exponentials."""
    rng = np.random.default_rng(1)
    w, n, deviation = rng.uniform(-1, 1, 50), rng.integers(-9, 10, 50), rng.normal(0, 0.3, 50)
    together = pulses(law, 64, w, n, deviation)
    one_by_one = [pulses(law, 64, *cell) for cell in zip(w, n, deviation, strict=True)]
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-14)


def test_spread_shifts_both_labels():
    shifted = affine_coefficients(NonlinearityLabel(up=1.75, down=-1.46), 64, 0.5)
    assert shifted == affine_coefficients(NonlinearityLabel(up=2.25, down=-0.96), 64)


def test_leaving_the_published_labels_is_noted():
    with record() as notes:
        curvature(9.5)
    assert any("9.5" in text for text in notes.extrapolations)


# --- laws of a step


def one_pulse(law, v, up, step):
    """Published recursion of one pulse (Rasch et al. 2021), in the law's own units, in plain Python."""
    if isinstance(law, Linear):
        size = 1
    elif isinstance(law, SoftBounds):
        size = 1 - v / law.high if up else 1 - v / law.low
    elif isinstance(law, LinearStep):
        size = 1 - law.slope_up * v / law.high if up else 1 - law.slope_down * v / law.low
    elif isinstance(law, ExponentialStep):
        z = 2 * law.scale * v / (law.high - law.low) + law.shift
        up_size, down_size = law.amplitude_up * np.exp(law.rate_up * z), law.amplitude_down * np.exp(-law.rate_down * z)
        size = max(0, 1 - (up_size if up else down_size))
    elif isinstance(law, PowerStep):
        u = (law.high - v) / (law.high - law.low)
        size = u**law.exponent_up if up else (1 - u) ** law.exponent_down
    else:
        nodes = law.nodes_up if up else law.nodes_down
        size = np.interp(v, np.linspace(law.low, law.high, len(nodes)), nodes)
    moved = v + step * law.step_up * size if up else v - step * law.step_down * size
    return min(max(moved, law.low), law.high)


@pytest.mark.parametrize("law", [law for law in LAWS if law.law != "nonlinearity_label"] + STEPWISE, ids=str)
@given(w=st.floats(-1, 1), n=st.integers(-12, 12))
def test_every_law_of_a_step_is_the_published_recursion(law, w, n):
    """Closed form or vectorised loop against the recursion in the publication's units; 1e-12 for rounding,
    but the power law multiplies it by the slope of u^0.5 near 0: 1e-9."""
    states, middle, half = 20, (law.low + law.high) / 2, (law.high - law.low) / 2
    v = middle + half * w
    for _ in range(abs(n)):
        v = one_pulse(law, v, n > 0, (law.high - law.low) / states)
    found = apply_law(law, states, w, n)
    assert found == pytest.approx((v - middle) / half, abs=1e-7 if law.law == "power_step" else 1e-11)


@pytest.mark.parametrize("law", LAWS + STEPWISE, ids=str)
def test_many_cells_equal_one_at_a_time(law):
    rng = np.random.default_rng(2)
    w, n, deviation = rng.uniform(-1, 1, 40), rng.integers(-9, 10, 40), rng.normal(0, 0.2, 40)
    together = apply_law(law, 30, w, n, deviation)
    one_by_one = [apply_law(law, 30, *cell) for cell in zip(w, n, deviation, strict=True)]
    np.testing.assert_allclose(together, one_by_one, rtol=0, atol=1e-14)


@pytest.mark.parametrize("law", STEPWISE, ids=str)
def test_a_law_without_closed_form_is_refused_by_name(law):
    with pytest.raises(NotAffine, match=f"{law.law} has no closed form; laws that have one: {', '.join(AFFINE)}"):
        affine_coefficients(law, 20)


def test_soft_bounds_and_linear_are_linear_steps():
    """Slopes of 1 and 0, by definition."""
    ends = {"low": -0.75, "high": 1.25}
    soft = affine_coefficients(SoftBounds(**ends), 20)
    assert soft == pytest.approx(affine_coefficients(LinearStep(slope_up=1, slope_down=1, **ends), 20), rel=1e-14)
    linear = affine_coefficients(Linear(**ends), 20)
    assert linear == pytest.approx(affine_coefficients(LinearStep(slope_up=0, slope_down=0, **ends), 20), rel=1e-14)


def test_symmetry_point_of_an_off_centre_range():
    """Equal steps up and down at v = 0, which is w = -0.25 in a range from -0.75 to 1.25 (middle 0.25, half 1)."""
    up, down = factors(SoftBounds(low=-0.75, high=1.25), 0.0, -0.75, 1.25)
    assert up == down == 1
    w = 0.6
    for _ in range(4000):
        w = apply_law(SoftBounds(low=-0.75, high=1.25), 1000, w, 1)
        w = apply_law(SoftBounds(low=-0.75, high=1.25), 1000, w, -1)
    assert w == pytest.approx(-0.25, abs=2 / 1000)  # one step


def test_log_normal_spread_scales_the_step():
    """A deviation of ln 2 doubles the step of 2/100."""
    law = Linear(log_normal=True, device_to_device=0.5)
    assert apply_law(law, 100, 0.0, 1, np.log(2)) == pytest.approx(0.04, rel=1e-12)


@given(position=st.floats(0, 1))
def test_table_is_straight_between_nodes(position):
    nodes = (0.3, 2.0, 1.0, 0.0)
    expected = np.interp(position, np.linspace(0, 1, 4), nodes)
    assert table_factor(np.array(position), nodes) == pytest.approx(expected, abs=1e-12)
