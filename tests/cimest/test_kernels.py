"""The kernels: the specification by hand calculation, the compiled version by the specification."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cimest.kernels import _forget_stale, backend, compiled, random, reference
from cimest.kernels.binary import stairs
from cimest.kernels.digital import transposed
from cimest.kernels.patches import col2im, im2col
from cimest.kernels.types import Address, PulseCounts, Quantiser
from cimest.network import Conv
from hwlib.devices import load_device
from hwlib.devices.update_law import Steps, affine_coefficients

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])


def test_backends_have_the_same_kernels_with_the_same_arguments():
    for name in (
        "bit_serial_mvm", "weight_gradient", "pulsed_update", "matmul", "noisy_mvm", "exact_gradient",
        "normal", "uniform",
    ):  # fmt: skip
        assert inspect.signature(getattr(backend("reference"), name)) == inspect.signature(getattr(backend(), name))


# Random numbers


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_words(key, counter, words):
    # Known answers of threefry2x32 with 20 rounds that Salmon et al. publish with their library Random123
    assert tuple(int(word[0]) for word in random.threefry2x32(key, counter)) == words


def test_uniform_and_normal_numbers_have_their_moments():
    # Four standard errors of 250 000 draws: 4 / sqrt(12 n), 4 / sqrt(n), 4 sqrt(2 / n), and for the fourth moment
    # of a normal number 4 sqrt(96 / n)
    n, address = 250_000, Address(seed=1, step=2, tile=3)
    u = random.uniform(address, random.ROUNDING, (500, 500)).astype(float)
    z = random.normal(address, random.NOISE, (500, 500)).astype(float)
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * n)
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert u.min() >= 0
    assert u.max() < 1


def test_streams_steps_and_tiles_draw_different_numbers():
    shape, draws = (50, 50), []
    for stream, step, tile in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]:
        draws.append(random.uniform(Address(7, step, tile), stream, shape).ravel())
    correlation = np.corrcoef(draws) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(2500)  # four standard errors of an absent correlation


def test_numbers_belong_to_cells_not_to_the_shape_of_the_draw():
    assert np.array_equal(
        random.uniform(Address(1, 2, 3), 0, (4, 10)).ravel(), random.uniform(Address(1, 2, 3), 0, (8, 5)).ravel()
    )


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (65, 129), (400, 300)])
def test_compiled_draws_equal_the_specification_bit_by_bit(shape):
    address = Address(11, 3, 2)
    for name in ("uniform", "normal"):
        assert np.array_equal(getattr(compiled, name)(address, 1, shape), getattr(random, name)(address, 1, shape))


def test_normal_numbers_have_the_normal_distribution():
    # A million draws: the Kolmogorov-Smirnov statistic stays below its 0.1 % point, 1.95 / sqrt(n), and the tails
    # beyond 4 within four standard errors of n · 6.33e-5
    z = compiled.normal(Address(3, 0, 0), random.NOISE, (1000, 1000)).ravel().astype(float)
    assert stats.kstest(z, "norm").statistic < 1.95 / np.sqrt(z.size)
    expected = z.size * 2 * stats.norm.sf(4)
    assert abs(np.count_nonzero(np.abs(z) > 4) - expected) < 4 * np.sqrt(expected)


# Matrix-vector products


@BOTH
def test_a_converter_rounds_and_clips_by_hand(kernels):
    # Inputs 3 = 011 and 5 = 101; weights 0.5 and 0.25, one block. Sums: bit 0 0.75, bit 1 0.5, bit 2 0.25;
    # in steps of 0.2: 3.75 -> 4, clipped to 3; 2.5 -> 3 (halves up); 1.25 -> 1. Result 0.2 (3 + 2·3 + 4·1) = 2.6.
    y, clipped = kernels.bit_serial_mvm(
        np.array([[3, 5]], dtype=np.uint8),
        np.array([[0.5], [0.25]], dtype=np.float32),
        np.array([0, 2]),
        Quantiser(0.2, -4, 3),
    )
    assert y[0, 0] == pytest.approx(2.6, rel=1e-6)  # single precision
    assert clipped == 1


@BOTH
def test_signed_inputs_take_two_phases_by_hand(kernels):
    # +1 and -1 on equal weights of 0.6 cancel, but each phase is rounded on its own: 0.6 / 0.5 + 1/2 -> 1 in both;
    # on weights 0.6 and 0.9 the codes are 1 and 2, so 0.5 (1 - 2).
    weights = np.array([[0.6, 0.6], [0.6, 0.9]], dtype=np.float32)
    y, clipped = kernels.bit_serial_mvm(
        np.array([[1, -1]], dtype=np.int8), weights, np.array([0, 2]), Quantiser(0.5, -8, 7)
    )
    assert y.tolist() == [[0.0, -0.5]]
    assert clipped == 0


@BOTH
def test_a_fine_converter_gives_the_exact_product(kernels):
    # Integer weights and a step of one: every partial sum is a code, so the result is the integer product
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, (7, 40), dtype=np.uint8), rng.integers(-3, 4, (40, 5)).astype(np.float32)
    y, clipped = kernels.bit_serial_mvm(x, w, np.array([0, 16, 40]), Quantiser(1.0, -128, 127))
    assert np.array_equal(y, x.astype(int) @ w.astype(int))
    assert clipped == 0


def case(vectors, rows, columns, signed, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-127 if signed else 0, 128 if signed else 256, (vectors, rows))
    x = (x * (rng.random((vectors, rows)) < 0.6)).astype(np.int8 if signed else np.uint8)
    return x, rng.uniform(-1, 1, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("vectors", "rows", "columns", "edges"),
    [
        (1, 1, 1, [0, 1]),
        (3, 1, 17, [0, 1]),
        (5, 33, 16, [0, 1, 33]),
        (70, 150, 6, [0, 128, 150]),
        (33, 29, 35, [0, 7, 14, 29]),
    ],
)
def test_compiled_products_equal_the_specification_bit_by_bit(vectors, rows, columns, edges, signed):
    # Sums of conductances on the grid are exact, in any order, so not even a threshold is in doubt
    x, w = case(vectors, rows, columns, signed, seed=vectors)
    adc = Quantiser(0.37, -16, 15)
    expected, clipped = reference.bit_serial_mvm(x, w, np.array(edges), adc)
    y, count = compiled.bit_serial_mvm(x, w, np.array(edges), adc)
    assert np.array_equal(y, expected)
    assert count == clipped


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    cut=st.integers(1, 39),
    signed=st.booleans(),
    step=st.floats(0.01, 4),
    bits=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_compiled_products_equal_the_specification_for_any_shape(shape, cut, signed, step, bits, seed):
    x, w = case(*shape, signed, seed)
    edges = np.unique([0, min(cut, shape[1]), shape[1]])
    adc = Quantiser(step, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    expected, clipped = reference.bit_serial_mvm(x, w, edges, adc)
    y, count = compiled.bit_serial_mvm(x, w, edges, adc)
    assert np.array_equal(y, expected)
    assert count == clipped


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("states", [2, 4, 200])
@pytest.mark.parametrize(
    ("vectors", "rows", "columns", "edges"),
    [(1, 1, 1, [0, 1]), (70, 150, 37, [0, 128, 150]), (9, 300, 70, [0, 300]), (5, 200, 33, [0, 200])],
)
def test_whole_states_equal_the_specification_bit_by_bit(vectors, rows, columns, edges, states, signed):
    # Binary cells are counted in whole numbers, others summed in bytes or, where they overflow, words of 16 bits
    x, _ = case(vectors, rows, columns, signed, seed=vectors)
    w = np.random.default_rng(5).integers(0, states, (rows, columns)).astype(np.uint8)
    for adc in (Quantiser(1.0, -128, 127), Quantiser(2.83, 0, 15), Quantiser(37.3, -16, 15), Quantiser(0.7, 0, 63)):
        expected, clipped = reference.bit_serial_mvm(x, w, np.array(edges), adc)
        y, count = compiled.bit_serial_mvm(x, w, np.array(edges), adc)
        assert np.array_equal(y, expected)
        assert count == clipped


@pytest.mark.parametrize("bits", range(3, 9))
@pytest.mark.parametrize("signed", [False, True])
def test_binary_cells_in_blocks_of_any_length_equal_the_specification(signed, bits):
    # Words of up to 64 and of up to 128 rows stay in registers, those of longer blocks in memory; from 256 rows on
    # sums come from tables. A third of the inputs use three bits only, a third of the arrays are all ones
    rng = np.random.default_rng(bits)
    for length in range(1, 301):
        rows = length + length // 3
        x, _ = case(3, rows, 1, signed, seed=length)
        x //= 32 if length % 3 == 0 else 1
        w = (rng.random((rows, 37)) < (0.2, 0.5, 1.0)[length // 3 % 3]).astype(np.uint8)
        edges, adc = np.unique([0, length, rows]), Quantiser(rng.uniform(1, 1 + length / 2**bits), 0, 2**bits - 1)
        expected, clipped = reference.bit_serial_mvm(x, w, edges, adc)
        y, count = compiled.bit_serial_mvm(x, w, edges, adc)
        assert np.array_equal(y, expected), (length, adc)
        assert count == clipped, (length, adc)


def test_a_block_longer_than_short_places_in_its_table_equals_the_specification():
    # Tables of more than 8191 lines, four for each of 2048 rows, need places of 32 bits
    rng = np.random.default_rng(4)
    x, weights = rng.integers(-127, 128, (3, 2100)).astype(np.int8), rng.random((2100, 17), dtype=np.float32)
    adc = Quantiser(3.0, 0, 255)
    (y, clipped), (y2, clipped2) = (
        kernels.bit_serial_mvm(x, weights, np.array([0, 2100]), adc) for kernels in (reference, compiled)
    )
    assert np.array_equal(y, y2)
    assert clipped == clipped2


@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (200, 700)])
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_a_matrix_transposed_is_that_of_numpy(shape, dtype):
    matrix = np.random.default_rng(0).integers(-99, 99, shape).astype(dtype)
    result = transposed(matrix)
    assert np.array_equal(result, matrix.T)
    assert result.flags.c_contiguous


def test_a_compiled_gradient_lies_row_by_row():
    # The word that holds it is rounded in place, in the order of memory
    x, errors = np.ones((5, 6), np.uint8), np.ones((5, 3), np.int8)
    gradient, _ = compiled.weight_gradient(x, errors, np.array([0, 5]), Quantiser(1.0, 0, 15))
    assert gradient.flags.c_contiguous


def test_the_grid_of_weights_moves_few_codes_and_those_by_one():
    # 128 rows of weights up to 1: a grid of 2^-17 moves a sum of 64 ones by about 64^0.5 · 2^-17 / 12^0.5 = 1.8e-5,
    # 4e-5 of the ADC's step of 0.4; codes change for that share of the sums at most
    rng = np.random.default_rng(2)
    x, w = rng.integers(0, 2, (400, 128)), rng.uniform(-1, 1, (128, 250)).astype(np.float32)
    adc = Quantiser(0.4, -32, 31)
    y, _ = compiled.bit_serial_mvm(x.astype(np.uint8), w, np.array([0, 128]), adc)
    exact = np.clip(np.floor((x @ w.astype(np.float64)) / adc.step + 0.5), adc.low, adc.high)
    moved = np.abs(np.rint(y / np.float32(adc.step)) - exact)
    assert (moved > 0).mean() < 1e-4
    assert moved.max() <= 1


@given(step=st.floats(1, 60), high=st.integers(1, 255), longest=st.integers(1, 255))
def test_stairs_of_whole_numbers_are_those_of_the_converter(step, high, longest):
    adc = Quantiser(step, 0, high)
    line = stairs(longest, adc)
    if line is not None:
        counts = np.arange(longest + 1)
        codes = (np.minimum(counts, line.top) * line.factor + line.offset) >> line.shift
        expected, clipped = reference.convert(counts, adc)
        assert np.array_equal(codes, expected)
        assert np.count_nonzero(counts > line.limit) == clipped
        assert line.top * line.factor + line.offset < 2**16


def test_products_without_a_converter_are_those_of_whole_numbers():
    # Inputs to 255 times weights of 1/8: sums below 2^24 eighths, exact in single precision
    rng = np.random.default_rng(7)
    x, w = rng.integers(0, 256, (700, 40), dtype=np.uint8), rng.integers(-8, 9, (40, 5)) / 8
    assert np.array_equal(compiled.matmul(x, w.astype(np.float32)), x.astype(float) @ w)


def test_exact_gradients_are_exact():
    # Half of 3 000 vectors have the largest numbers, the others none; means are half of the largest. The sum is
    # 1500 · 255 · 127 - 255/2 · 1500 · 127, far beyond 24 bits before the means are off
    x, errors = np.zeros((3000, 3), np.uint8), np.zeros((3000, 2), np.int8)
    x[::2], errors[::2] = 255, -127
    expected = np.full((3, 2), -750.0 * 255 * 127, np.float32)
    assert np.array_equal(compiled.exact_gradient(x, errors, 1.0, True), expected)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_exact_gradients_are_those_of_the_specification(threads, centred):
    # Sums of whole numbers are exact, and so is everything up to the last rounding: equal bit by bit
    rng = np.random.default_rng(3)
    x, errors = rng.integers(0, 256, (1100, 37)).astype(np.uint8), rng.integers(-127, 128, (1100, 5)).astype(np.int8)
    before = compiled.set_threads(threads)
    try:
        found = compiled.exact_gradient(x, errors, 2.0**-9, centred)
    finally:
        compiled.set_threads(before)
    assert np.array_equal(found, reference.exact_gradient(x, errors, 2.0**-9, centred))


# Weight gradients


@BOTH
def test_gradient_counts_by_hand(kernels):
    # Three vectors with activation 1 and errors 1, 1, -2: positive phase bit 0 counts 2, negative phase bit 1 counts 1.
    # A step of 2 reads 2/2 -> 1 and 1/2 + 1/2 -> 1: 2 (1 - 2·1) = -2. The highest code, 1, is not exceeded.
    x, errors = np.ones((3, 1), dtype=np.uint8), np.array([[1], [1], [-2]], dtype=np.int8)
    gradient, clipped = kernels.weight_gradient(x, errors, np.array([0, 3]), Quantiser(2.0, 0, 1))
    assert gradient.tolist() == [[-2.0]]
    assert clipped == 0
    _, clipped = kernels.weight_gradient(x, errors, np.array([0, 3]), Quantiser(1.0, 0, 1))
    assert clipped == 1  # the count of 2


@pytest.mark.parametrize(
    ("vectors", "rows", "columns", "edges"),
    [
        (1, 1, 1, [0, 1]),
        (300, 33, 21, [0, 128, 200, 300]),
        (64, 150, 5, [0, 64]),
        (65, 7, 3, [0, 65]),
        (40, 300, 4, range(0, 41, 5)),
        (600, 9, 130, [0, 400, 600]),
    ],
)
def test_compiled_gradients_equal_the_specification(vectors, rows, columns, edges):
    x, _ = case(vectors, rows, 1, False, seed=1)
    errors, _ = case(vectors, columns, 1, True, seed=2)
    adc = Quantiser(1.7, 0, 15)
    expected, clipped = reference.weight_gradient(x, errors, np.array(edges), adc)
    gradient, count = compiled.weight_gradient(x, errors, np.array(edges), adc)
    assert np.array_equal(gradient, expected)
    assert count == clipped


@BOTH
def test_a_gradient_takes_edges_for_each_kernel_position(kernels):
    # Two positions of three channels, each with blocks of its own, are two gradients side by side
    x, _ = case(50, 6, 1, False, seed=3)
    errors, _ = case(50, 4, 1, True, seed=4)
    edges, adc = [np.array([0, 20, 50]), np.array([0, 30, 50])], Quantiser(1.7, 0, 7)
    both, clipped = kernels.weight_gradient(x, errors, edges, adc)
    parts = [kernels.weight_gradient(x[:, 3 * i : 3 * i + 3], errors, edges[i], adc) for i in range(2)]
    assert np.array_equal(both, np.concatenate([part[0] for part in parts]))
    assert clipped == sum(part[1] for part in parts)


@BOTH
def test_a_gradient_whose_every_count_has_a_code_is_exact(kernels):
    x, _ = case(50, 9, 1, False, seed=3)
    errors, _ = case(50, 4, 1, True, seed=4)
    gradient, clipped = kernels.weight_gradient(x, errors, np.array([0, 25, 50]), Quantiser(1.0, 0, 31))
    assert np.array_equal(gradient, x.T.astype(int) @ errors.astype(int))
    assert clipped == 0


# Updates


def update(kernels, weights, amount, steps, rounding="nearest", sigma=0.0, per_pulse=False, edges=None, step=0):
    weights, written = weights.copy(), np.zeros(weights.shape, dtype=np.int32)
    edges = np.array([0, weights.shape[1]] if edges is None else edges)
    amount = np.broadcast_to(np.float32(amount), weights.shape).copy()
    counts = kernels.pulsed_update(
        weights, amount, steps, rounding, sigma, per_pulse, Address(5, step, 1), edges, written
    )
    return weights, counts, written


@BOTH
def test_a_linear_device_moves_by_hand(kernels):
    # 10 states: a pulse is 2 / 10 = 0.2. Amounts 1.4, -2.5, 0.4, 9 round to
    # 1, -2 (halves up), 0, 9; from zero that is 0.2, -0.4, 0, and 1.8 clipped to 1.
    steps = Steps(0.2, 0.0, 0.2, 0.0)
    w = np.zeros((2, 2), dtype=np.float32)
    w, counts, written = update(kernels, w, [[1.4, -2.5], [0.4, 9]], steps)
    assert w.ravel().tolist() == pytest.approx([0.2, -0.4, 0.0, 1.0], abs=1e-7)  # single precision
    assert (counts.cells_up, counts.cells_down, counts.pulses_up, counts.pulses_down) == (2, 1, 10, 2)
    assert counts.longest_up.ravel().tolist() == [1, 9]
    assert counts.longest_down.ravel().tolist() == [2, 0]
    assert written.ravel().tolist() == [1, 2, 0, 9]


@pytest.mark.parametrize("per_pulse", [False, True])
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_compiled_updates_equal_the_specification(rounding, per_pulse, spread):
    # The same random numbers; the law in double and in single precision, a few roundings of 6e-8 apart
    rng = np.random.default_rng(6)
    shape = (31, 45)
    law = load_device("rram").update
    steps = affine_coefficients(law, 60, rng.normal(0, spread, shape) if spread else 0.0)
    w, amount = rng.uniform(-1, 1, shape).astype(np.float32), rng.normal(0, 1.5, shape)
    arguments = (w, amount, steps, rounding, 0.01, per_pulse, [0, 16, 32, 45])
    expected, counts, written = update(reference, *arguments)
    result, count, total = update(compiled, *arguments)
    assert np.abs(result - expected).max() < 1e-6
    assert np.array_equal(total, written)
    for name in ("cells_up", "cells_down", "pulses_up", "pulses_down", "longest_up", "longest_down"):
        assert np.array_equal(getattr(count, name), getattr(counts, name))
    assert (expected != w).mean() > 0.3  # the case does move weights


@BOTH
def test_bounds_of_each_cell_hold_by_hand(kernels):
    # 9 pulses of 0.2 from zero would reach 1.8 and -1.8: cells stop at their own bounds
    w, written = np.zeros((1, 3), dtype=np.float32), np.zeros((1, 3), dtype=np.int32)
    amount, high = np.array([[9, -9, 9]], dtype=np.float32), np.array([[0.5, 1.0, 0.75]])
    kernels.pulsed_update(
        w, amount, Steps(0.2, 0.0, 0.2, 0.0), "nearest", 0.0, False, Address(0, 0, 0), np.array([0, 3]), written,
        bounds=(-high, high),
    )  # fmt: skip
    assert w.tolist() == [[0.5, -1.0, 0.75]]


def test_long_steps_follow_the_closed_form():
    # Where a cell's exponent leaves the short range, (1 - exp(-z)) / z by division: saturating, growing, straight
    w = np.full((1, 64), -0.9, dtype=np.float32)
    r = np.linspace(-3, 30, 64)[None]
    steps = Steps(np.abs(r) + 0.01, r, np.abs(r) + 0.01, r)
    expected, *_ = update(reference, w, 3, steps)
    result, *_ = update(compiled, w, 3, steps)
    assert np.abs(result - expected).max() < 1e-6  # single precision


def test_stochastic_rounding_keeps_the_mean():
    # 0.3 pulses on 40 000 cells: four standard errors of a draw with variance 0.21
    w = np.zeros((200, 200), dtype=np.float32)
    for amount in (0.3, -0.3):
        _, counts, _ = update(compiled, w, amount, Steps(1e-3, 0.0, 1e-3, 0.0), "stochastic")
        mean = (counts.pulses_up - counts.pulses_down) / w.size
        assert abs(mean - amount) < 4 * np.sqrt(0.21 / w.size)


def test_nearest_rounding_writes_nothing_below_half_a_pulse():
    w = np.full((8, 8), 0.25, dtype=np.float32)
    result, counts, _ = update(compiled, w, 0.49, Steps(0.1, 0.0, 0.1, 0.0), sigma=0.1)
    assert np.array_equal(result, w)  # and no noise either, since no cell is written
    assert counts.cells_up + counts.cells_down == 0


@pytest.mark.parametrize(("per_pulse", "expected"), [(False, 0.02), (True, 0.04)])
def test_noise_of_a_write_is_a_fraction_of_the_full_range(per_pulse, expected):
    # sigma 0.01 of the range 2, times sqrt(4 pulses) if drawn for each pulse; four standard errors of 10 000 draws
    w = np.zeros((100, 100), dtype=np.float32)
    result, _, _ = update(compiled, w, 4, Steps(1e-9, 0.0, 1e-9, 0.0), sigma=0.01, per_pulse=per_pulse)
    assert abs(result.std() / expected - 1) < 4 / np.sqrt(2 * w.size)


def test_noise_and_rounding_differ_from_step_to_step():
    w = np.zeros((20, 20), dtype=np.float32)
    steps = Steps(0.1, 0.0, 0.1, 0.0)
    first, again, later = (update(compiled, w, 0.5, steps, "stochastic", 0.01, step=step)[0] for step in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_pulse_counts_add():
    one = PulseCounts(1, 2, 3, 4, np.array([[5]]), np.array([[6]]))
    both = one + one + PulseCounts.none(1, 1)
    assert (both.cells_up, both.cells_down, both.pulses_up, both.pulses_down) == (2, 4, 6, 8)
    assert both.longest_up.tolist() == [[10]]


# Threads


@pytest.fixture
def threads():
    before = compiled.set_threads(1)
    yield compiled.set_threads
    compiled.set_threads(before)


def test_results_do_not_depend_on_the_number_of_threads(threads):
    x, w = case(301, 70, 37, False, seed=8)
    errors, _ = case(301, 37, 1, True, seed=9)
    steps = affine_coefficients(load_device("rram").update, 60)
    amount = np.random.default_rng(10).normal(0, 1, w.shape)
    results = []
    for count in (1, 2, 5):
        threads(count)
        y, clipped = compiled.bit_serial_mvm(x, w, np.array([0, 32, 70]), Quantiser(0.3, -32, 31))
        gradient, lost = compiled.weight_gradient(x, errors, np.array([0, 128, 256, 301]), Quantiser(2.0, 0, 15))
        moved, _, written = update(compiled, w, amount, steps, "stochastic", 0.01)
        results.append((y, clipped, gradient, lost, moved, written))
    for other in results[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(results[0], other, strict=True))


def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ValueError, match="at least one thread"):
        threads(0)


# Patches

LAYERS = [
    Conv("same", (3, 8, 7), 2, kernel=3, padding=1),
    Conv("strided", (2, 9, 9), 2, kernel=3, stride=2),
    Conv("point", (4, 5, 5), 2, kernel=1),
    Conv("gap", (1, 7, 7), 1, kernel=2, stride=3, padding=1),
    Conv("dense", (30, 1, 1), 4, kernel=1),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_patches_times_a_matrix_are_a_convolution(layer):
    rng = np.random.default_rng(0)
    channels, height, width = layer.input
    maps = rng.integers(0, 5, (2, height, width, channels))
    kernel = rng.integers(-3, 4, (layer.kernel, layer.kernel, channels, layer.out_channels))
    out = (im2col(maps, layer) @ kernel.reshape(layer.fan_in, -1)).reshape(2, *layer.output[1:], layer.out_channels)
    pad, stride = layer.padding, layer.stride
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    for y in range(layer.output[1]):
        for x in range(layer.output[2]):
            window = padded[:, y * stride : y * stride + layer.kernel, x * stride : x * stride + layer.kernel]
            assert np.array_equal(out[:, y, x], np.einsum("nyxc,yxco->no", window, kernel))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_col2im_is_the_transpose_of_im2col(layer):
    # <im2col(a), b> = <a, col2im(b)> for all a and b; in whole numbers, hence exact
    rng = np.random.default_rng(1)
    channels, height, width = layer.input
    a = rng.integers(-9, 9, (2, height, width, channels))
    b = rng.integers(-9, 9, (2 * layer.positions, layer.fan_in))
    assert np.vdot(im2col(a, layer), b) == np.vdot(a, col2im(b, layer))


def test_machine_code_is_kept_until_a_source_changes(tmp_path):
    source, code = tmp_path / "loops.py", tmp_path / "__pycache__" / "loops.f-1.nbi"
    code.parent.mkdir()
    for text, kept in (("one", False), ("one", True), ("two", False), ("two", True)):
        source.write_text(text)
        code.touch()
        _forget_stale(tmp_path)
        assert code.exists() == kept
