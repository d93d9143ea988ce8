"""One battery over all training rules, and what tells each of them apart."""

import numpy as np
import pytest

from cimest.rules import RULES
from cimest.rules.in_memory import InMemory
from cimest.rules.normalise import exponent, normalised


class Quadratic:
    """A tile without errors whose gradient leads to a target: the loss is half the squared distance."""

    pulses_per_weight = 50.0

    def __init__(self, seed=0, noise=0.0):
        self.rng = np.random.default_rng(seed)
        self.weights = np.zeros((6, 5), dtype=np.float32)
        self.target = self.rng.uniform(-0.8, 0.8, (6, 5)).astype(np.float32)
        self.noise = noise
        self.roundings = []

    def weight_gradient(self, x, delta):
        noise = self.rng.normal(0, self.noise, self.target.shape) if self.noise else 0
        return (self.weights - self.target + noise).astype(np.float32)

    def pulse(self, amount, rounding):
        self.roundings.append(rounding)
        self.weights = np.clip(self.weights + np.rint(amount) / self.pulses_per_weight, -1, 1).astype(np.float32)

    @property
    def distance(self):
        return float(np.sqrt(np.mean((self.weights - self.target) ** 2)))


def train(rule, tile, steps, state=None, rate=0.2):
    state = rule.init(tile.target.shape) if state is None else state
    for _ in range(steps):
        state = rule.step(tile, state, None, None, rate)
    return state


# rules that form no gradient act through another verb of the tile: test_in_memory_rules.py holds their battery
RULE = pytest.mark.parametrize("name", [name for name in RULES.names() if not issubclass(RULES.get(name), InMemory)])


@RULE
def test_a_quadratic_falls(name):
    tile = Quadratic()
    before = tile.distance
    train(RULES.get(name)(), tile, 40)
    assert tile.distance < 0.4 * before  # normalised steps never shrink, hence no closer than about their own size


@RULE
def test_the_first_pulses_go_against_the_gradient(name):
    tile = Quadratic()
    train(RULES.get(name)(), tile, 1)
    moved = tile.weights != 0
    assert moved.any()
    assert np.all(np.sign(tile.weights[moved]) == np.sign(tile.target[moved]))


@RULE
def test_no_gradient_no_pulses(name):
    tile = Quadratic()
    tile.target = tile.weights.copy()
    train(RULES.get(name)(), tile, 3)
    assert not tile.weights.any()


@RULE
def test_a_rule_is_deterministic_and_goes_on_from_its_state(name):
    rule, whole, parts = RULES.get(name)(), Quadratic(noise=0.1), Quadratic(noise=0.1)
    last = train(rule, whole, 10)
    state = train(rule, parts, 4)
    saved = {key: value.copy() for key, value in state.items()}
    assert all(isinstance(value, np.ndarray) for value in state.values())
    again = train(rule, parts, 6, saved)
    assert np.array_equal(whole.weights, parts.weights)
    assert all(np.array_equal(last[key], again[key]) for key in last)


@RULE
def test_a_larger_learning_rate_fires_more_pulses(name):
    small, large = Quadratic(), Quadratic()
    train(RULES.get(name)(), small, 1, rate=0.05)
    train(RULES.get(name)(), large, 1, rate=0.1)
    assert np.abs(large.weights).sum() > 1.5 * np.abs(small.weights).sum()  # twice, but for rounding


@pytest.mark.parametrize("name", ["sgd", "momentum"])
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_the_chosen_rounding_reaches_the_tile(name, rounding):
    tile = Quadratic()
    train(RULES.get(name)(rounding=rounding), tile, 1)
    assert tile.roundings == [rounding]


def test_momentum_averages_by_hand():
    # V is 0.1 G after one step and 0.9 · 0.1 G + 0.1 G = 0.19 G after two, with G constant where nothing moves;
    # half a step of a 24-bit word is far below 1e-6 of the largest value
    tile = Quadratic()
    tile.pulse = lambda amount, rounding: None
    gradient = tile.weight_gradient(None, None)
    rule = RULES.get("momentum")(gamma=0.9, bits=24)
    state = rule.step(tile, rule.init(gradient.shape), None, None, 0.1)
    assert state["average"] == pytest.approx(0.1 * gradient, rel=1e-5)
    assert rule.step(tile, state, None, None, 0.1)["average"] == pytest.approx(0.19 * gradient, rel=1e-5)


def test_momentum_without_memory_is_plain_descent():
    plain, rule = Quadratic(), Quadratic()
    train(RULES.get("sgd")(), plain, 5)
    train(RULES.get("momentum")(gamma=0.0, bits=24), rule, 5)
    assert np.array_equal(plain.weights, rule.weights)


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_the_average_fits_its_word(bits):
    tile = Quadratic(noise=0.3)
    average = train(RULES.get("momentum")(bits=bits), tile, 7)["average"]
    levels = np.unique(np.abs(average[average != 0]))
    steps = levels / 2.0 ** (exponent(average, "max") + 2 - bits)
    assert np.array_equal(steps, np.rint(steps))
    assert steps.max() < 2 ** (bits - 1)  # one of the bits is the sign


def test_momentum_fires_fewer_pulses_for_a_gradient_that_is_all_noise():
    # Averages of independent gradients are smoother in time; normalised to the same size, they change sign less
    # often, so the weights of a tile without a slope wander, while plain descent fires pulses back and forth.
    signs = {}
    for name in ("sgd", "momentum"):
        tile, fired = Quadratic(seed=3, noise=1.0), []
        tile.target *= 0
        tile.pulse = lambda amount, rounding, fired=fired: fired.append(np.sign(amount))
        train(RULES.get(name)(), tile, 60)
        signs[name] = np.mean(np.array(fired[1:]) != np.array(fired[:-1]))
    assert abs(signs["sgd"] - 0.5) < 4 * np.sqrt(0.25 / (59 * 30))  # four standard errors of independent signs
    # neighbouring values of such an average correlate by gamma: signs differ with probability arccos(0.9) / pi = 0.14
    assert signs["momentum"] == pytest.approx(np.arccos(0.9) / np.pi, abs=0.06)


def test_normalisation_by_hand():
    # Largest 0.7: the nearest power of two is 0.5 = 2^-1, so values double
    values = np.array([0.7, -0.1, 0.0], dtype=np.float32)
    assert exponent(values, "max") == -1
    assert normalised(values, "max") == pytest.approx([1.4, -0.2, 0.0], rel=1e-6)
    # Root mean square 3 / sqrt(9) = 1, times four: values are divided by 4, and 3 stays below the bound
    values = np.array([3.0, *[0.0] * 8], dtype=np.float32)
    assert exponent(values, "rms") == 2
    assert normalised(values, "rms")[0] == pytest.approx(0.75)
    # Root mean square 10 / sqrt(100) = 1 again, but 10 / 4 is beyond sqrt(2)
    values = np.array([10.0, *[0.0] * 99], dtype=np.float32)
    assert normalised(values, "rms")[0] == pytest.approx(np.sqrt(2))
    assert exponent(np.zeros(3, dtype=np.float32), "rms") is None
