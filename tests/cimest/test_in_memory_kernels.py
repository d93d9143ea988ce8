"""The compiled kernels of in-memory rules against their specification, and both against theory."""

import numpy as np
import pytest

from cimest.kernels import in_memory, in_memory_reference
from cimest.kernels import in_memory_types as types
from cimest.learning import in_memory_cells as cells
from tests.cimest.in_memory_cases import LAWS, NAMES, Layer, challenging, device, rule

ANALOG = types.Periphery(outputs=255, bound=12.0, noise=0.06)


def vectors(count, shape, seed=0):
    """Inputs and errors of both signs with zeros among them."""
    rng = np.random.default_rng(seed)
    x, d = rng.normal(0, 1, (count, shape[0])), rng.normal(0, 1, (count, shape[1]))
    x[rng.random(x.shape) < 0.3] = 0
    return x.astype(np.float32), d.astype(np.float32)


@pytest.mark.parametrize("name", [*NAMES, "sgd"])
@pytest.mark.parametrize("law", ["soft_bounds", "power"])
def test_compiled_and_reference_agree(name, law):
    options = {"strength": 2.0, "pace": 0.3}
    if name in ("chopped_tiki_taka", "agad"):
        options |= {"period": 0, "flip": 0.3}
    if name == "mixed_precision":
        options = {"vectors": 7, "pace": 3.0}
    chosen, kind = rule(name, **options), device(law, up_down=0.1, upper_bound=0.1)
    slow, fast = (Layer(chosen, kind, start=0.1) for _ in range(2))
    x, d = vectors(40, (6, 5))
    slow.learn(in_memory_reference, x, d, 0.1, ANALOG)
    fast.learn(in_memory, x, d, 0.1, ANALOG)
    assert slow.state["counts"][types.CELLS_FAST if name != "mixed_precision" else types.CELLS_SLOW] > 0
    if len(slow.state["fast"]):
        assert slow.state["counts"][types.CELLS_SLOW] > 0
    # The same random bits; single precision of the normal numbers (1e-6) times some forty updates
    assert np.array_equal(slow.state["counts"], fast.state["counts"])
    for entry, value in slow.state.items():
        assert fast.state[entry] == pytest.approx(value, abs=2e-4), entry
    assert fast.visible == pytest.approx(slow.visible, abs=2e-4)


@pytest.mark.parametrize("law", ["soft_bounds", "power"])
def test_more_cells_than_one_block_holds(law):
    # Lines that fire in all slots: 90 x 81 cells of 3 x 31 pulses, of which a block takes BLOCK and a slice SLICE
    shape = (90, 81)
    assert shape[0] * shape[1] > types.BLOCK > types.SLICE
    slow, fast = (Layer(rule("sgd"), device(law, states=200, noise=0.1), shape) for _ in range(2))
    x, d = np.ones((3, shape[0]), np.float32), np.ones((3, shape[1]), np.float32)
    d[:, ::3] = -1
    for kernels, layer in ((in_memory_reference, slow), (in_memory, fast)):
        layer.learn(kernels, x, d, 0.1, gain=40.0)
    assert slow.state["counts"][types.CELLS_FAST] == 3 * shape[0] * shape[1]
    assert np.array_equal(slow.state["counts"], fast.state["counts"])
    assert np.array_equal(slow.state["written"], fast.state["written"])
    # single precision of some hundred steps of 0.01 and of the normal numbers (1e-4 of a deviation of 0.006)
    assert fast.visible == pytest.approx(slow.visible, abs=2e-5)


def test_expected_pulses_are_the_product_of_input_and_error():
    # k = gain · x · d pulses are expected where k of the largest product is below the slots (gokmen2016rpu)
    chosen = rule("tiki_taka", slots=7, every=10_000)
    layer = Layer(chosen, device("linear", states=100_000, noise=0), (4, 3))
    x, d = np.array([1.0, -0.5, 0.25, 0.0], np.float32), np.array([0.8, -0.4, 0.2], np.float32)
    count = 4000
    tile = layer.learn(in_memory, np.tile(x, (count, 1)), np.tile(d, (count, 1)), 0.1, gain=3.0)
    expected = 3.0 * np.abs(np.outer(x, d)) / 0.8
    # a sum of at most 7 coincidences a vector has a variance below its mean: four standard errors of the mean
    assert tile.written[1] / count == pytest.approx(expected, abs=4 * np.sqrt(3.0 / count))
    assert np.array_equal(np.sign(layer.state["fast"][0]), -np.sign(np.outer(x, d)))


def test_a_pulse_of_each_law_is_that_of_the_device():
    # what hwlib says of one pulse, in 16 bits: half a unit of the largest step, 2 / 20 / 65534
    from hwlib.devices.stepwise import apply_law

    for law in LAWS:
        chosen = rule("mixed_precision", vectors=1)
        typical = device({**LAWS[law], "device_to_device": 0}, noise=0)
        layer = Layer(chosen, typical, start=0.25)
        d = np.array([[1, -1, 0.5, 0, 0]], np.float32)
        layer.learn(in_memory, np.ones((1, 6), np.float32), d, 0.1, gain=2.0)  # -2, 2, -1, 0, 0 pulses
        expected = apply_law(typical.update, typical.states, np.full(5, 0.25), np.array([-2, 2, -1, 0, 0]))
        # a curve has straight lines between 65 points: at most an eighth of its curvature times (1/64)²
        assert layer.visible[0] == pytest.approx(expected, abs=2e-5 if law in ("power", "exponential") else 4e-6), law


def test_noise_of_pulses_has_the_record_s_deviation():
    noisy = device("linear", states=1000, noise=0.5)
    layer = Layer(rule("mixed_precision", vectors=1), noisy, (60, 50))
    layer.learn(in_memory, np.ones((1, 60), np.float32), -np.ones((1, 50), np.float32), 0.1, gain=4.0)
    moved = layer.visible / (2 / 1000)
    spread = 0.5 * np.sqrt(4)  # four pulses, each with half a step
    # cells' steps differ by a tenth; four standard errors of a deviation
    assert moved.std() == pytest.approx(np.hypot(spread, 4 * 0.1), rel=4 / np.sqrt(2 * moved.size))
    assert moved.mean() == pytest.approx(4, abs=4 * np.hypot(spread, 0.4) / np.sqrt(moved.size))


def test_symmetry_points_by_hand_and_by_alternating_pulses():
    # Soft bounds with steps (1 + r) and (1 - r) and ends h and -l balance at 2 r / ((1 + r) / h + (1 - r) / l)
    # (rasch2024fast, eq. 8)
    kind = device({"law": "soft_bounds", "low": -0.8, "high": 1.2}, noise=0, up_down=0.2)
    drawn = cells.draw(kind, 0, 0, 0, (8, 8))
    found = cells.symmetry_points(cells.one_pulse(drawn, (8, 8)))
    # the ratio of the affine steps' starts gives each cell's r back: start = step · end-independent factor
    one = cells.one_pulse(drawn, (8, 8))
    up, down = cells.steps(one, found)
    assert up == pytest.approx(down, rel=1e-4)
    # pairs lead to the point between the two steps of a pair: half a step away, which is 1 / 20 here
    after = cells.alternated(one, 400, 0.0, 0, 0, 1)
    assert np.abs(after - found).max() < 0.75 * 2 / kind.states


def test_cells_without_a_crossing_or_with_constant_steps_are_counted_from_their_middle():
    kind = device("linear", noise=0, up_down=0.05)
    found = cells.symmetry_points(cells.one_pulse(cells.draw(kind, 0, 0, 0, (5, 5)), (5, 5)))
    assert np.all(found == 0)


def test_sixteen_bits_hold_what_differs_between_cells():
    kind = challenging()
    exact = cells.one_pulse(cells.draw(kind, 0, 0, 0, (50, 40)), (50, 40))
    codes, scales = cells.packed(exact)
    again = (codes * scales).T.reshape(exact.numbers.shape)
    # half a unit of 2^-15 of the largest: some thousandths of a per cent of a typical step
    largest = np.abs(exact.numbers.reshape(6, -1)).max(axis=1)[:, None, None]
    assert np.all(np.abs(again - exact.numbers) <= largest * 2.0**-16 * 1.01)
