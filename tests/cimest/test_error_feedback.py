"""Error feedback and the switches of momentum, by hand, and what their digital matrices cost."""

import numpy as np
import pytest

from cimest.config import load
from cimest.network import linear
from cimest.pricing import price_experiment
from cimest.rules import RULES
from tests.cimest.designs import experiment

SHAPE = (2, 3)


class Recorder:
    """A tile whose gradient is given, and which remembers the pulses that it is told to fire."""

    pulses_per_weight = 32.0

    def __init__(self, *gradients):
        self.gradients, self.fired = [np.full(SHAPE, value, dtype=np.float32) for value in gradients], []

    def weight_gradient(self, x, delta):
        return self.gradients.pop(0)

    def pulse(self, amount, rounding):
        self.fired.append(float(amount[0, 0]))


def run(rule, *gradients, rate=0.0125):
    """Pulses of each step, and the state after the last."""
    tile, state = Recorder(*gradients), rule.init(SHAPE)
    for _ in gradients:
        state = rule.step(tile, state, None, None, rate)
    return tile.fired, state


def test_steps_are_collected_until_they_are_a_pulse():
    # The largest of equal gradients is normalised to 1 (a power of two): a step is -0.0125 · 32 = -0.4 pulses.
    # Collected: 0.4, 0.8, 1.2 -> one fired, 0.2 kept, 0.6, 1.0 -> one fired, 0 kept; and back again by +0.4.
    rule = RULES.get("error_feedback")(normalise="max", bits=24)
    fired, state = run(rule, 1, 1, 1, 1, 1, -1)
    # the residual is short of a pulse by 5 steps of half of 2^-23 each at most, so the fifth may come one step later
    assert fired[:4] == [0, 0, -1, 0]
    assert sum(fired) + state["residual"][0, 0] == pytest.approx(-4 * 0.4, abs=6 * 2.0**-24)


def test_opposite_steps_cancel_before_they_are_fired():
    fired, state = run(RULES.get("error_feedback")(normalise="max"), *[1, -1] * 20)
    assert not np.any(fired)
    assert abs(state["residual"][0, 0]) < 0.5


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_residual_fits_its_word(bits):
    # a sign and bits - 1 places: multiples of 2^(1 - bits) below one
    rng = np.random.default_rng(0)
    _, state = run(RULES.get("error_feedback")(bits=bits), *rng.normal(size=9))
    places = state["residual"] * 2.0 ** (bits - 1)
    assert np.array_equal(places, np.rint(places))
    assert np.abs(state["residual"]).max() < 1


def test_both_matrices_by_hand():
    # V is 0.5 G, then 0.75 G: normalised to 1 and 1 (0.75 over the nearest power of two is 0.75 / 0.5 or 1, that of
    # log2 0.75 = -0.415 is 1), so the second step is -0.3 pulses instead of -0.4.
    rule = RULES.get("error_feedback")(gamma=0.5, normalise="max", bits=16)
    _, state = run(rule, 1, 1)
    assert state["average"][0, 0] == pytest.approx(0.75)
    assert state["residual"][0, 0] == pytest.approx(-0.7, abs=2 * 2.0**-16)


def test_the_largest_average_so_far_sets_the_scale():
    # gamma 0, so V is G: 4 normalises to 1, and 1 after it to 1 / 4 under running_max, to 1 under max.
    fired = {
        measure: run(RULES.get("momentum")(gamma=0.0, normalise=measure, rounding="nearest"), 4, 1)[0]
        for measure in ("max", "running_max")
    }
    assert fired["max"] == pytest.approx([-0.4, -0.4])
    assert fired["running_max"] == pytest.approx([-0.4, -0.1])


def test_the_scale_of_the_update_before():
    # gamma 0, so V is G: 1 has its own scale, as nothing was before; 4 over that of 1 is clipped at the square root of
    # two; then 4 and 1 over that of 4
    rule = RULES.get("momentum")(gamma=0.0, normalise="max", rounding="nearest", scale="previous")
    assert run(rule, 1, 4, 4, 1)[0] == pytest.approx([-0.4, -0.4 * 2**0.5, -0.4, -0.1])
    after_zero = run(rule, 1, 0, 4)[0]
    assert after_zero == pytest.approx([-0.4, 0.0, -0.4])  # zeros have no scale
    chip, layer = experiment().chip, linear("fc", 4, 5)
    for scale, reads in (("previous", 1), ("own", 2)):  # V is read once more when its own scale is known
        rows = RULES.get("momentum")(scale=scale).actions(layer, chip, 10)
        memory = {row.action: row.count for row in rows if row.part == "dram"}
        assert memory == {"read": reads * 20 * 12 / 10, "write": 20 * 12 / 10}


def test_gradients_normalised_before_they_are_averaged():
    # 4 and 1 both become 1: V is 0.5, then 0.75; not normalised again, it fires 0.4 times as much
    rule = RULES.get("momentum")(gamma=0.5, normalise="max", normalised="gradient")
    assert run(rule, 4, 1)[0] == pytest.approx([-0.2, -0.3])


def test_an_epoch_resets_momentum_only_if_told_to():
    for reset, expected in (("epoch", 0.0), ("never", 0.1)):
        rule = RULES.get("momentum")(reset=reset, bits=24)
        _, state = run(rule, 1)
        assert rule.start_epoch(state)["average"][0, 0] == pytest.approx(expected, rel=1e-5)


def price(tmp_path, rule):
    path = tmp_path / "experiment.yaml"
    path.write_text(
        "network: lenet5\ndataset: mnist_subset\n"
        "chip: {technology: 22nm, device: fefet_32_states}\n"
        f"training: {{rule: {rule}, batch: 50}}\n"
    )
    return price_experiment(load(path))


def moved(priced):
    """Bits of the digital matrices to and from DRAM in the update, per weight and batch."""
    rows = [row for row in priced.actions if row.part == "dram" and row.pass_ == "weight_update"]
    return 50 * sum(row.count for row in rows) / priced.network.weights


def test_one_matrix_moves_its_word_twice_and_two_matrices_move_two(tmp_path):
    plain = moved(price(tmp_path, "sgd"))
    one = moved(price(tmp_path, "{name: error_feedback, bits: 10}"))
    both = moved(price(tmp_path, "{name: error_feedback, bits: 10, gamma: 0.9}"))
    assert one - plain == pytest.approx(20)  # each word is read and written once a batch
    assert both - plain == pytest.approx(50)  # the average is read again when its scale is known


def test_on_chip_the_matrix_leaves_the_dram_alone(tmp_path):
    plain = price(tmp_path, "sgd")
    kept = price(tmp_path, "{name: error_feedback, storage: sram}")
    assert moved(kept) == moved(plain)
    assert kept.parts["residual_memory"].component.size == 12 * kept.network.weights
