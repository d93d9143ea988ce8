"""Tiles by their definition: reads through converters, weight gradients, pulses."""

import numpy as np
import pytest

from cimest.config.chip import Chip
from cimest.kernels.digital import column_sums
from cimest.kernels.types import Quantiser
from cimest.learning import converter
from cimest.learning.cells import device_states, nearest
from cimest.learning.codes import Errors
from cimest.learning.tile import AnalogTile
from cimest.network import linear
from hwlib.devices import load_device

FINE = {"adc": {"bits": 12}, "backward_adc": {"bits": 12}, "weight_gradient": {"adc_bits": 12}}
"""Converters that lose next to nothing."""


def tile(layer=None, stacked=True, number=0, device="rram", changes=None, **chip):
    return AnalogTile(
        layer or linear("fc", 40, 12), Chip(device=load_device(device, changes), **chip), 3, number, 0.5, stacked, 32
    )


def operands(vectors=30, rows=40, columns=12, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.integers(0, 256, (vectors, rows)) * (rng.random((vectors, rows)) < 0.5)).astype(np.uint8)
    return x, Errors(rng.integers(-60, 61, (vectors, columns)).astype(np.int8), 0.25)


def test_first_weights_are_states_of_the_device_within_the_range():
    device = load_device("rram")
    weights = tile().weights
    assert np.isin(weights, device_states(device).astype(np.float32)).all()
    spacing = np.diff(device_states(device)).max()
    assert np.abs(weights).max() <= 0.5 + spacing / 2
    # uniform in ±0.5: standard deviation 0.5 / sqrt(3), known to about 3 % from 480 draws; four times that
    assert weights.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.12)


def test_states_of_a_linear_device_are_evenly_spaced():
    # 4 states: a pulse is 2 / 4, so from -1 (and from 1) one reaches -1, -0.5, 0, 0.5, 1
    linear_device = load_device("ideal", {"states": 4})
    assert device_states(linear_device).tolist() == pytest.approx([-1, -0.5, 0, 0.5, 1])
    assert nearest(np.array([-2, -0.76, 0.24, 0.26]), device_states(linear_device)).tolist() == [-1, -1, 0, 0.5]


def test_fine_converters_read_the_exact_products():
    # A 12-bit converter over the range of the sums: errors of a few 1e-3 of the result's spread
    reader = tile(**FINE)
    x, delta = operands()
    exact = x.astype(float) @ reader.weights
    assert np.abs(reader.forward(x) - exact).max() < 0.01 * exact.std()
    exact = delta.scale * delta.codes.astype(float) @ reader.weights.T
    assert np.abs(reader.backward(delta) - exact).max() < 0.01 * exact.std()


def test_a_fine_unit_computes_the_gradient_with_centred_inputs():
    x, delta = operands(vectors=300)
    exact = (x - x.mean(axis=0)).T @ (delta.codes * delta.scale)
    assert tile(**FINE).weight_gradient(x, delta) == pytest.approx(exact, rel=1e-4, abs=1e-4 * np.abs(exact).max())


def test_coarser_converters_read_worse():
    x, _ = operands(vectors=200)
    errors = []
    for bits in (2, 4, 6, 8):
        reader = tile(adc={"bits": bits})
        exact = x.astype(float) @ reader.weights
        errors.append(np.std(reader.forward(x) - exact) / exact.std())
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 8 * errors[3]  # two bits more are at best four times better


def test_ranges_are_kept_between_calibrations():
    reader = tile(adc={"bits": 4})
    x, _ = operands()
    reader.forward(x)
    before = reader.converters["forward"]
    reader.measuring = False
    reader.forward(x // 4)
    assert reader.converters["forward"] == before
    reader.measuring = True
    reader.forward(np.minimum(x, 1))
    assert reader.converters["forward"] != before


def test_full_range_holds_the_largest_sum():
    # 40 rows of at most 1: 40 in 31 steps; blocks of 30 vectors: 30 in 7 steps
    reader = tile(adc={"bits": 6, "range": "full"}, weight_gradient={"adc_bits": 3, "adc_range": "full"})
    x, delta = operands()
    reader.forward(x)
    reader.weight_gradient(x, delta)
    assert reader.converters["forward"] == Quantiser(pytest.approx(40 / 31), -32, 31)
    assert reader.converters["weight_gradient"] == Quantiser(pytest.approx(30 / 7), 0, 7)
    assert reader.clipped["forward"] == 0


def test_arrays_that_never_hold_two_images_see_smaller_counts():
    # One position per image and per array: counts are 0 or 1, so even 4 bits are exact
    x, delta = operands(vectors=300)
    exact = (x - x.mean(axis=0)).T @ (delta.codes * delta.scale)
    alone, stacked = (tile(stacked=choice).weight_gradient(x, delta) for choice in (False, True))
    assert alone == pytest.approx(exact, rel=1e-4, abs=1e-4 * np.abs(exact).max())
    assert np.abs(stacked - exact).max() > 10 * np.abs(alone - exact).max()


def test_pulses_move_weights_and_are_counted():
    writer = tile(device="ideal")
    before = writer.weights.copy()
    writer.pulse(np.full(writer.shape, 2.0), "nearest")
    writer.pulse(np.full(writer.shape, -1.0), "nearest")
    assert writer.weights - before == pytest.approx(2 / 256, abs=1e-6)  # two pulses up, one down, of 2 / 256 each
    counts = writer.take_counts()
    assert (counts.pulses_up, counts.pulses_down) == (2 * before.size, before.size)
    assert writer.take_counts().pulses_up == 0
    assert np.all(writer.written == 3)


def test_each_tile_has_its_own_cells():
    spread = {"update": {"device_to_device": 0.5}}
    one, same, other = tile(changes=spread), tile(changes=spread), tile(number=1, changes=spread)
    assert np.array_equal(one.weights, same.weights)
    first, again, another = (each.cells[0].law.steps.s_up for each in (one, same, other))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, another)
    assert first.shape == one.shape


def test_the_best_step_for_a_normal_sum_is_the_published_one():
    # J. Max, "Quantizing for minimum distortion", IRE Trans. IT-6 (1960): the best uniform quantiser of 16 levels has
    # a step of 0.335 standard deviations; ours has a code at zero and steps on a grid of 9 %, hence 15 %
    sums = np.random.default_rng(0).normal(0, 2.0, 16000)
    adc = converter.best(sums, np.ones_like(sums), bits=4, signed=True)
    assert adc.step == pytest.approx(0.335 * 2.0, rel=0.15)


def test_a_range_without_sums_is_harmless():
    reader = tile()
    assert not reader.backward(Errors(np.zeros((5, 12), dtype=np.int8), 1.0)).any()
    x, _ = operands(vectors=200)
    assert not reader.weight_gradient(x, Errors(np.zeros((200, 12), dtype=np.int8), 1.0)).any()


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
def test_column_sums_are_sums(rows):
    matrix = np.random.default_rng(0).integers(0, 256, (rows, 5), dtype=np.uint8)
    assert np.array_equal(column_sums(matrix), matrix.sum(axis=0, dtype=int))


def test_a_digital_weight_gradient_is_the_centred_product_of_the_codes():
    x, delta = operands()
    gradient = tile(weight_gradient={"unit": "digital"}).weight_gradient(x, delta)
    centred = x - x.mean(axis=0)
    exact = centred.T @ delta.codes.astype(float) * delta.scale
    np.testing.assert_allclose(gradient, exact, rtol=1e-5, atol=1e-3)  # single precision of sums of some thousands


@pytest.mark.parametrize("verb", ["forward", "backward"])
def test_converter_noise_adds_the_variances_of_all_conversions(verb):
    """Two row blocks, or two signs: variance step² noise² times two times the sum of 4^bit, to four standard errors."""
    changes = {"adc": {"noise": 2.0}, "array": {"rows": 20, "columns": 128}}
    noisy, quiet = tile(**changes), tile(**changes | {"adc": {"noise": 0.0}})
    x, delta = operands(vectors=2000)
    given = x if verb == "forward" else delta
    scale = 1.0 if verb == "forward" else delta.scale
    difference = (getattr(noisy, verb)(given) - getattr(quiet, verb)(given)) / scale
    conversions = 2 * sum(4**bit for bit in range(8)) if verb == "forward" else 2 * sum(4**bit for bit in range(7))
    expected = noisy.converters[verb].step * 2.0 * conversions**0.5
    assert difference.std() == pytest.approx(expected, rel=4 / (2 * difference.size) ** 0.5)
    assert abs(difference.mean()) < 4 * expected / difference.size**0.5
    again = getattr(tile(**changes), verb)(given)
    np.testing.assert_array_equal(again, getattr(tile(**changes), verb)(given))
    assert not np.array_equal(getattr(noisy, verb)(given), again), "each read has its own noise"
