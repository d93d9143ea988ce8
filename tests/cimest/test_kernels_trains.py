"""Updates by pulse trains: by hand, the compiled version by the specification, and both against pulse by pulse."""

import numpy as np
import pytest
from scipy import stats

from cimest.kernels import compiled, random, reference
from cimest.kernels.types import Address
from hwlib.devices.update_law import Steps

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])


def update(kernel, weights, rows, columns, slots, steps, sigma=0.0, per_pulse=True, step=0, bounds=(-1.0, 1.0)):
    weights, written = weights.copy(), np.zeros(weights.shape, dtype=np.int32)
    rows, columns = (np.atleast_2d(np.asarray(lines, dtype=np.float32)) for lines in (rows, columns))
    slots = np.broadcast_to(slots, len(rows)).astype(np.int64)
    counts = kernel(weights, rows, columns, slots, steps, sigma, per_pulse, Address(5, step, 1), written, bounds)
    return weights, counts, written


@BOTH
def test_lines_that_always_fire_by_hand(kernels):
    # Four slots; rows +1, 0, -1; columns +1, -1: cells get 4 pulses, up where signs agree, of 0.1 each. Lines: two rows
    # and two columns with 4 pulses.
    w, counts, written = update(
        kernels.outer_product_update, np.zeros((3, 2), np.float32), [1, 0, -1], [1, -1], 4, Steps(0.1, 0.0, 0.1, 0.0)
    )
    assert w.ravel().tolist() == pytest.approx([0.4, -0.4, 0, 0, -0.4, 0.4], abs=1e-7)  # single precision
    assert counts == (2, 2, 8, 8, 8, 8)
    assert written.tolist() == [[4, 4], [0, 0], [4, 4]]


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("per_pulse", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (31, 45), (20, 64)])
def test_compiled_trains_equal_the_specification(shape, per_pulse, each):
    # The same random numbers, hence the same pulses; the law in double and single precision, 6e-8 for each of three
    # vectors and a few operations
    rng = np.random.default_rng(0)
    steps = Steps(*(rng.uniform(0.01, 0.03, shape) if each else 0.02 for _ in range(4)))
    bounds = (-rng.uniform(0.5, 1, shape), rng.uniform(0.5, 1, shape)) if each else (-1.0, 1.0)
    w = rng.uniform(-0.5, 0.5, shape).astype(np.float32)
    lines = rng.normal(0, 0.5, (3, shape[0])), rng.normal(0, 0.5, (3, shape[1]))
    arguments = (w, *lines, [31, 7, 32], steps, 0.01, per_pulse, 3, bounds)
    expected, counts, written = update(reference.outer_product_update, *arguments)
    result, count, total = update(compiled.outer_product_update, *arguments)
    assert np.abs(result - expected).max() < 1e-6
    assert np.array_equal(total, written)
    assert count == counts


def test_coincidences_have_the_binomial_distribution():
    # A cell's pulses are binomial (slots, p q) over steps; cells of one line share its train, so one cell of 800 steps:
    # mean and variance within four standard errors
    n, p, q, slots = 800, 0.7, 0.6, 20
    counts = np.array(
        [
            update(
                compiled.outer_product_update, np.zeros((1, 1), np.float32), p, -q, slots, Steps(0, 0, 0, 0), step=k
            )[2]
            for k in range(n)
        ]
    )
    mean, variance = slots * p * q, slots * p * q * (1 - p * q)
    assert abs(counts.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(counts.var() / variance - 1) < 4 * np.sqrt(2 / n)


def test_vectors_of_a_batch_are_updates_one_after_the_other():
    rng = np.random.default_rng(1)
    w, steps = rng.uniform(-0.5, 0.5, (8, 40)).astype(np.float32), Steps(0.02, 0.02, 0.01, 0.01)
    x, d = rng.normal(0, 0.5, (4, 8)), rng.normal(0, 0.5, (4, 40))
    batch, *_ = update(compiled.outer_product_update, w, x, d, 31, steps, 0.01)
    for k in range(4):
        w, *_ = update(compiled.outer_product_update, w, x[k], d[k], 31, steps, 0.01, step=k)
    assert np.array_equal(batch, w)


@pytest.mark.parametrize(
    "steps", [Steps(0.01, 0.0, 0.01, 0.0), Steps(0.02, 0.02, 0.02, 0.02)], ids=["constant", "soft"]
)
def test_whole_trains_have_the_distribution_of_pulse_by_pulse(steps):
    # 16 384 cells with the same 12 to 16 coincidences of noise 0.005 a pulse: mean and deviation within four standard
    # errors, and the statistic of Kolmogorov and Smirnov below its 0.1 % point, 1.95 sqrt(2 / n). With soft bounds a
    # step loses 2 % of its size where noise has moved a cell by 0.02: the deviation differs by some 2 % more.
    shape, slots = (128, 128), 16
    w = np.zeros(shape, np.float32)
    lines = np.ones(shape[0]), np.ones(shape[1])
    whole, counts, _ = update(compiled.outer_product_update, w, *lines, slots, steps, 0.0025, step=1)
    single, others, _ = update(reference.pulse_by_pulse, w, *lines, slots, steps, 0.0025, step=2)
    assert counts == others
    n, soft = w.size, 0.15 * (steps.r_up > 0)
    assert abs(whole.mean() - single.mean()) < 4 * single.std() * np.sqrt(2 / n)
    assert abs(whole.std() / single.std() - 1) < 4 * np.sqrt(1 / n) + soft
    a, b = ((values - values.mean()).ravel() / values.std() for values in (whole, single))
    assert stats.ks_2samp(a, b).statistic < 1.95 * np.sqrt(2 / n)
    if not soft:
        assert stats.ks_2samp(whole.ravel(), single.ravel()).statistic < 1.95 * np.sqrt(2 / n)


def test_noise_of_trains_grows_with_the_root_of_the_pulses():
    # 9 pulses of sigma 0.01 of the range 2: 0.06; four standard errors of 10 000 draws
    w, *_ = update(
        compiled.outer_product_update, np.zeros((100, 100), np.float32), np.ones(100), np.ones(100), 9,
        Steps(1e-9, 0.0, 1e-9, 0.0), 0.01,
    )  # fmt: skip
    assert abs(w.std() / 0.06 - 1) < 4 / np.sqrt(2 * w.size)


def test_trains_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(3)
    w, results = rng.uniform(-0.5, 0.5, (37, 70)).astype(np.float32), []
    x, d = rng.normal(0, 0.5, (5, 37)), rng.normal(0, 0.5, (5, 70))
    before = compiled.set_threads(1)
    for count in (1, 2, 3):
        compiled.set_threads(count)
        results.append(update(compiled.outer_product_update, w, x, d, 31, Steps(0.02, 0.02, 0.01, 0.01), 0.01))
    compiled.set_threads(before)
    for other in results[1:]:
        assert np.array_equal(other[0], results[0][0])
        assert other[1] == results[0][1]


def test_streams_of_trains_are_not_those_of_noise():
    assert len({random.ROW_TRAIN, random.COLUMN_TRAIN, random.NOISE, random.ROUNDING}) == 4
