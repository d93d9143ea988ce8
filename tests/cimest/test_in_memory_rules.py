"""One battery over the rules that update in the arrays and over all update laws, and what tells the rules apart."""

import numpy as np
import pytest

from cimest.kernels import in_memory, in_memory_reference
from cimest.kernels import in_memory_types as types
from cimest.learning.in_memory import in_array
from cimest.rules import RULES
from tests.cimest.in_memory_cases import LAWS, NAMES, Layer, challenging, device, rule

SHAPE = (12, 8)
ALL = pytest.mark.parametrize("name", [*NAMES, "sgd"])
RATE = {"sgd": 0.01, "mixed_precision": 0.3}
"""Learning rates; 1.0 for the others, whose `pace` is 0.01."""


def options(name):
    """Settings for a tile of a few rows: strong trains, as for a short read sweep."""
    if name == "sgd":
        return {}
    if name == "mixed_precision":
        return {"vectors": 20, "pace": 0.1}
    small = {"strength": 0.5, "pace": 0.001}
    if name in ("chopped_tiki_taka", "agad"):
        small["period"] = 20  # a phase must be longer than the fast array's memory, and a sweep is six vectors here
    return {**small, "gamma": 0.3, "arrays": 2} if name == "multi_tile" else small


def target(seed=0):
    return np.random.default_rng(seed).uniform(-0.4, 0.4, SHAPE).astype(np.float32)


def learn(layer, wanted, vectors, seed=0, rate=None):
    """Vectors one after another whose errors lead to wanted weights: half the squared distance of the outputs."""
    rng = np.random.default_rng(seed)
    name = next((name for name in NAMES if type(layer.rule) is RULES.get(name)), "sgd")
    for x in rng.uniform(-1, 1, (vectors, 1, SHAPE[0])).astype(np.float32):
        layer.learn(in_memory, x, x @ (layer.visible - wanted), rate or RATE.get(name, 1.0))
    return layer


def distance(layer, wanted):
    return float(np.sqrt(np.mean((layer.visible - wanted) ** 2)))


@ALL
@pytest.mark.parametrize("law", LAWS)
def test_a_quadratic_falls_under_every_law(name, law):
    layer = Layer(rule(name, **options(name)), device(law, states=40, noise=0.3), SHAPE)
    wanted = target()
    before = distance(layer, wanted)
    learn(layer, wanted, 3000)
    # 40 states are a step of 0.05; three steps are left by the coarsest rule, plain descent with its noise
    assert distance(layer, wanted) < min(0.15, 0.7 * before)


@ALL
def test_the_first_pulses_go_against_the_gradient(name):
    layer = Layer(rule(name, **options(name)), device(noise=0), SHAPE)
    x, d = np.ones((20, SHAPE[0]), np.float32), np.tile(np.array([1, -1] * 4, np.float32), (20, 1))
    layer.learn(in_memory, x, d, 1.0)
    changed = layer.state["fast"][-1] if len(layer.state["fast"]) else layer.visible
    assert np.all(changed[:, 0::2] <= 0)
    assert np.all(changed[:, 1::2] >= 0)
    assert np.any(changed != 0)


@ALL
def test_no_error_no_pulses(name):
    layer = Layer(rule(name, **options(name)), device(), SHAPE, start=0.2)
    layer.learn(in_memory, np.ones((30, SHAPE[0]), np.float32), np.zeros((30, SHAPE[1]), np.float32), 1.0)
    assert not layer.state["written"].any()
    assert np.all(layer.visible == np.float32(0.2))


@ALL
def test_it_is_deterministic_and_goes_on_from_its_state(name):
    wanted = target()
    whole, parts = (Layer(rule(name, **options(name)), device(), SHAPE) for _ in range(2))
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (60, SHAPE[0])).astype(np.float32)
    d = (x @ -wanted).astype(np.float32)
    whole.learn(in_memory, x, d, 1.0)
    parts.learn(in_memory, x[:23], d[:23], 1.0)
    assert all(isinstance(value, np.ndarray) for value in parts.state.values())
    again = Layer(rule(name, **options(name)), device(), SHAPE)
    again.state = {key: value.copy() for key, value in parts.state.items()}
    again.visible[...] = parts.visible
    again.learn(in_memory, x[23:], d[23:], 1.0)
    assert np.array_equal(again.visible, whole.visible)
    assert all(np.array_equal(again.state[key], whole.state[key]) for key in whole.state)


@ALL
@pytest.mark.parametrize("law", ["soft_bounds", "linear", "label", "exponential"])
def test_every_cell_stays_within_its_own_range(name, law):
    kind = device(law, noise=1.0) if law == "label" else device(law, noise=1.0, lower_bound=0.3, upper_bound=0.3)
    layer = Layer(rule(name, **options(name)), kind, SHAPE)
    learn(layer, np.where(target() > 0, 3.0, -3.0).astype(np.float32), 300, rate=3.0)
    arrays = np.concatenate([layer.state["slow"][None], layer.state["fast"]])
    numbers = layer.update.codes.astype(np.float32) * layer.update.scales[:, None]
    low, high = numbers[..., types.LOW].reshape(arrays.shape), numbers[..., types.HIGH].reshape(arrays.shape)
    assert np.all((arrays >= low) & (arrays <= high))


@ALL
def test_the_visible_weights_are_the_weighted_sum_of_the_arrays(name):
    layer = learn(Layer(rule(name, **options(name)), device(), SHAPE), target(), 300)
    arrays = np.concatenate([layer.state["slow"][None], layer.state["fast"]])
    expected = np.tensordot(np.array(layer.rule.shares), arrays, 1)
    assert layer.visible == pytest.approx(expected, abs=1e-4)  # some thousand sums in single precision


@ALL
def test_pulses_are_counted_cell_by_cell(name):
    layer = learn(Layer(rule(name, **options(name)), device(), SHAPE), target(), 200)
    counts, written = layer.state["counts"], layer.state["written"]
    fast = counts[types.UP_FAST] + counts[types.DOWN_FAST]
    slow = counts[types.UP_SLOW] + counts[types.DOWN_SLOW]
    assert fast + slow == written.sum()
    if layer.rule.levels == 2:
        assert (slow, fast) == (written[0].sum(), written[1].sum())


def test_one_regression_of_each_family_member_by_hand():
    # One row is read after each vector; the fast array holds 0.25 in it without noise. Rate 0.4 · 10 steps of 0.1 to a
    # weight: H = 4 · 0.25 = 1 fires one pulse of 0.1 (its size at weight 0 under soft bounds) and keeps a tenth.
    kind = device(states=20, noise=0)
    kind = kind.model_copy(update={"update": kind.update.model_copy(update={"device_to_device": 0.0})})
    for name, after in (("tiki_taka_v2", 0.1), ("residual_v2", 0.0)):
        layer = Layer(rule(name, reads=1, pace=1.0), kind, (1, 1))
        layer.state["fast"][...] = 0.25
        layer.learn(in_memory, np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32), 0.4 + 1e-6)
        assert layer.state["slow"][0, 0] == pytest.approx(0.1, rel=1e-3)
        assert layer.state["hidden"][0, 0] == pytest.approx(after, abs=1e-3)


def test_agad_counts_readings_from_the_phase_before():
    # The fast array reads a constant 0.5, an error of the reference: it moves no weight after the first phase
    kind = device(states=20, noise=0)
    layer = Layer(rule("agad", reads=1, pace=1.0, period=4, tail=1.0), kind, (1, 3))
    layer.state["fast"][...] = 0.5
    layer.learn(in_memory, np.zeros((40, 1), np.float32), np.zeros((40, 3), np.float32), 1.0)
    assert not layer.state["written"].any()
    plain = Layer(rule("tiki_taka_v2", reads=1, pace=1.0), kind, (1, 3))
    plain.state["fast"][...] = 0.5
    plain.learn(in_memory, np.zeros((40, 1), np.float32), np.zeros((40, 3), np.float32), 1.0)
    assert plain.state["written"][0].min() > 10


def test_mixed_precision_keeps_what_is_not_yet_a_whole_step():
    kind = device("linear", noise=0)
    kind = kind.model_copy(update={"update": kind.update.model_copy(update={"device_to_device": 0.0})})
    # 4 · 0.6 = 2.4 steps: two are written, 0.4 stays. 12 bits over ±32 pulses are 64ths: 154 of them for 2.4
    for bits, stays in ((24, 0.4), (12, 154 / 64 - 2)):
        layer = Layer(rule("mixed_precision", vectors=4, bits=bits), kind, (1, 1))
        one = np.ones((4, 1), np.float32)
        layer.learn(in_memory, one, -one, 0.1, gain=0.6)
        assert layer.visible[0, 0] == pytest.approx(0.2, rel=1e-4)
        assert layer.state["hidden"][0, 0] == pytest.approx(stays, abs=1e-5)


def test_products_far_below_a_word_of_mixed_precision_add_up():
    # 1 000 products of 0.002 pulses, a quarter of half a word's step, are two whole pulses
    kind = device("linear", noise=0)
    for kernels in (in_memory, in_memory_reference):
        layer = Layer(rule("mixed_precision", vectors=1000), kind, (1, 1))
        one = np.ones((1000, 1), np.float32)
        layer.learn(kernels, one, -one, 0.1, gain=0.002)
        assert layer.state["counts"][types.UP_SLOW] == 2


def test_options_that_do_nothing_are_refused():
    for options in ({"reads": 7}, {"reference_error": 0.3}, {"strength": 2}, {"slots": 5}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            rule("mixed_precision", **options)


def test_only_rules_without_a_gradient_update_in_the_arrays():
    with pytest.raises(ValueError, match="Momentum needs the gradient"):
        in_array(RULES.get("momentum")())
    with pytest.raises(ValueError, match="train_length"):
        in_array(RULES.get("sgd")(), 100)
    assert in_array(RULES.get("sgd")()).levels == 1
    assert all(in_array(rule(name)).levels >= 1 for name in NAMES)


def test_finding_the_balance_points_takes_pulses():
    exact, found = (Layer(rule("tiki_taka_v2", reference=how), challenging()) for how in ("exact", "alternating"))
    assert exact.rule.reference_pulses_of_a_cell == 0
    assert found.rule.reference_pulses_of_a_cell == 400
    between = found.update.references[1] - exact.update.references[1]
    # noise of 0.3 steps a pulse around a decay of two steps a pair: below two steps of 0.1
    assert np.median(np.abs(between)) < 0.1


def test_alternating_pulses_find_balance_points_without_a_bias():
    # The last pulse alone would leave all cells half a step of 0.1 too low; what is left is of the second order in it
    exact, found = (
        Layer(rule("tiki_taka_v2", reference=how), device(noise=0), (40, 30)) for how in ("exact", "alternating")
    )
    between = found.update.references[1] - exact.update.references[1]
    assert abs(between.mean()) < 0.1 * 0.1 / 2


def test_an_error_of_the_reference_has_the_asked_deviation():
    layer = Layer(rule("tiki_taka_v2", reference_error=0.2), challenging(), (60, 50))
    exact = Layer(rule("tiki_taka_v2"), challenging(), (60, 50))
    error = layer.update.references[1] - exact.update.references[1]
    assert error.std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * error.size))
