"""What is digital between the arrays: each pass over the values beside plain numpy."""

import numpy as np
import pytest

from cimest.kernels import digital
from cimest.kernels.patches import add_columns, col2im
from cimest.kernels.threads import set_threads
from cimest.learning.layers import AddPart
from cimest.network import Conv


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = set_threads(request.param)
    yield request.param
    set_threads(before)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float32])
def test_column_sums(kind, threads):
    # 40 000 rows of 255 exceed no 32 bits of 32 768 rows; floating sums in double precision to nine digits
    matrix = (np.random.default_rng(0).normal(0, 40, (40_000, 37))).astype(kind)
    matrix[:, 5] = np.iinfo(kind).max if kind is not np.float32 else 1e6
    assert digital.column_sums(matrix) == pytest.approx(matrix.sum(axis=0, dtype=np.float64), rel=1e-9, abs=1e-3)
    if kind is not np.float32:
        assert np.array_equal(digital.column_sums(matrix), matrix.sum(axis=0, dtype=np.int64))


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_rows_of_whole_numbers(kind, threads):
    # Plain numpy on 20 000 rows, which are more than one thread's share; -128 has a magnitude that int8 cannot hold
    matrix = np.random.default_rng(1).integers(np.iinfo(kind).min, np.iinfo(kind).max, (20_000, 7), kind, True)
    matrix[0] = np.iinfo(kind).min
    assert np.array_equal(digital.largest(matrix), np.abs(matrix.astype(int)).max(axis=1))
    factors = np.random.default_rng(2).random(20_000, dtype=np.float32)
    scaled = digital.scale_rows(matrix, factors)
    assert np.array_equal(scaled, matrix.astype(np.float32) * factors[:, None])
    assert np.array_equal(digital.reaching(scaled, 60.0), (np.abs(scaled) >= np.float32(60)).sum(axis=1))


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("piece", [64, 20_000])
def test_loads_of_pieces(kind, piece, threads):
    # The largest of the columns' sums of magnitudes, piece by piece, the last one shorter; whole numbers, hence exact
    matrix = np.random.default_rng(3).integers(-127 if kind is np.int8 else 0, 127, (20_030, 5)).astype(kind)
    expected = [
        np.abs(matrix[start : start + piece].astype(int)).sum(axis=0).max() for start in range(0, 20_030, piece)
    ]
    assert digital.loads(matrix, piece).tolist() == expected


@pytest.mark.parametrize("size", [1, 15, 4096, 70_001])
def test_mean_squares(size, threads):
    # 256 terms a lane in single precision: 256 roundings of 6e-8 at most
    values = np.random.default_rng(size).normal(1, 3, size).astype(np.float32)
    assert digital.mean_square(values) == pytest.approx(np.square(values, dtype=np.float64).mean(), rel=256 * 6e-8)


@pytest.mark.parametrize(("kind", "low", "high"), [(np.uint8, 0, 255), (np.int8, -127, 127), (np.int8, -7, 7)])
@pytest.mark.parametrize("size", [3, 16, 70_003])
def test_codes_are_rounded_and_clipped(kind, low, high, size, threads):
    # A power of two times single precision is exact, so that numpy rounds the same number: equal bit by bit
    values = np.random.default_rng(size).normal(0, 3 * high, size).astype(np.float32) / 8
    values[:3] = 2.5 / 8, high / 8, (high + 1) / 8  # a tie, the largest code, and beyond it
    codes, within = digital.encode(values, 8.0, low, high, kind, remember=True)
    scaled = values * np.float32(8)
    assert codes.dtype == kind
    assert np.array_equal(codes, np.clip(np.rint(scaled), low, high))
    assert np.array_equal(within.astype(bool), (scaled > low) & (scaled < high))
    errors = np.arange(1, size + 1, dtype=np.float32)
    kept = errors * within
    digital.mask(errors, within)
    assert np.array_equal(errors, kept)


def test_outputs_are_shifted_in_place(threads):
    # y · 1/4 + offset: halves and quarters are exact
    y, offset = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0.5, 0, -1], np.float32)
    expected = y / 4 + offset
    digital.shift(y, 0.25, offset)
    assert np.array_equal(y, expected)


@pytest.mark.parametrize(("window", "step"), [(2, 2), (3, 2), (2, 1)])
def test_errors_go_to_the_first_largest_of_each_window(window, step, threads):
    # By definition, place after place; few values, so that ties are frequent; sums of whole numbers are exact
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 3, (70, 7, 9, 5)).astype(np.uint8)
    height, width = (7 - window) // step + 1, (9 - window) // step + 1
    error = rng.integers(-9, 10, (70, height, width, 5)).astype(np.float32)
    largest, expected = np.zeros(error.shape, np.uint8), np.zeros(maps.shape, np.float32)
    for sample, y, x, channel in np.ndindex(error.shape):
        part = maps[sample, y * step : y * step + window, x * step : x * step + window, channel]
        largest[sample, y, x, channel] = part.max()
        row, column = np.unravel_index(part.argmax(), part.shape)
        expected[sample, y * step + row, x * step + column, channel] += error[sample, y, x, channel]
    assert np.array_equal(digital.unpool(error, maps, largest, window, step), expected)


def test_pieces_of_columns_add_up_to_the_whole(threads):
    # Whole numbers: exact in any order
    layer = Conv("c", (3, 6, 5), 4, kernel=3, padding=1)
    columns = np.random.default_rng(0).integers(-9, 9, (4 * layer.positions, 27)).astype(np.float32)
    maps = np.zeros((4, 6, 5, 3), np.float32)
    for sample in range(0, 4, 2):
        part = slice(sample * layer.positions, (sample + 2) * layer.positions)
        add_columns(maps[sample : sample + 2], columns[part], layer)
    assert np.array_equal(maps, col2im(columns, layer))


def test_errors_of_a_sum_are_not_shared():
    """What is behind may change its errors in place."""
    part = AddPart()
    ones = np.ones((3, 1, 1, 2), np.float32)
    part.forward(ones, ones, training=True)
    first, second = part.backward(ones.copy())
    first[:] = 0
    assert np.array_equal(second, ones)
