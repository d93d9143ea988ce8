"""The devices in training: one battery over every update law and every preset, then what tells cells apart."""

import numpy as np
import pytest

from cimest.config.chip import Chip
from cimest.kernels import laws, laws_compiled
from cimest.kernels.threads import set_threads
from cimest.kernels.types import Address
from cimest.learning.cells import CellArray, device_states
from cimest.learning.codes import Errors
from cimest.learning.tile import AnalogTile
from cimest.network import Conv, linear
from hwlib.devices import load_device
from hwlib.devices.cell_law import cell_law
from hwlib.devices.cells import draw_cells
from hwlib.devices.device import MissingDatum, device_names
from hwlib.devices.stepwise import apply_law
from tests.cimest.learning_cases import bars, trainer

LAWS = {
    "nonlinearity_label": {"up": 2.0, "down": -3.0, "device_to_device": 0.5},
    "linear": {"low": -0.8, "high": 1.2, "step_up": 1.2, "device_to_device": 0.2},
    "soft_bounds": {"step_down": 0.8, "device_to_device": 0.3, "log_normal": True},
    "linear_step": {"slope_up": 0.3, "slope_down": 0.7, "device_to_device": 0.1},
    "exponential_step": {"amplitude_up": 0.05, "amplitude_down": 0.03, "rate_up": 2.0, "rate_down": 2.5, "shift": 0.1},
    "power_step": {"low": -0.5, "exponent_up": 1.3, "exponent_down": 0.6, "device_to_device": 0.2},
    "piecewise_step": {"nodes_up": (1.5, 1.0, 0.2), "nodes_down": (0.1, 0.5, 1.0, 1.4)},
}
SPREAD = {"lower_bound": 0.2, "upper_bound": 0.2, "up_down": 0.05, "corrupt": 0.05, "stuck_low": 0.03}

UNTRAINABLE = {"sram", "pcm_64core_one", "pcm_64core_two", "pcm_mushroom", "reram_cmo_hfox", "reram_wan2022"}
"""Presets whose publication says how a cell is written and kept, not by which pulses."""


def device_of(law, spread=True):
    spread = SPREAD if spread and law != "nonlinearity_label" else {"corrupt": 0.05, "stuck_low": 0.03}
    noise = {"sigma": 0.003, "per": "pulse"}
    changes = {"update": {"law": law, **LAWS[law]}, "states": 40, "cycle_to_cycle": noise, "spread": spread}
    return load_device("rram", {**changes, "write_noise": 0.01})


SUBJECTS = {
    **{f"law {law}": (lambda law=law: device_of(law)) for law in LAWS},
    **{name: (lambda name=name: load_device(name)) for name in device_names() if name not in UNTRAINABLE},
}
SUBJECT = pytest.mark.parametrize("device", SUBJECTS.values(), ids=SUBJECTS.keys())


def two_steps(device, encoding="reference_column", **changes):
    """A trainer of two epochs of one batch."""
    chip = {"device": device, "array": {"encoding": encoding}}
    return trainer(data=bars(train=20, test=4), epochs=2, batch=20, rate=0.2, chip=chip, **changes)


def cells_of(runner):
    return [cells for matrix in runner.model.matrices for cells in matrix.tile.cells]


@SUBJECT
def test_every_device_trains(device):
    """Finite, within each cell's own range, and moved: two steps at a rate that pulses most cells."""
    runner = two_steps(device())
    before = [cells.weights.copy() for cells in cells_of(runner)]
    runner.run()
    for cells, start in zip(cells_of(runner), before, strict=True):
        assert np.isfinite(cells.visible).all()
        # one step of single precision: weights are float32, ends double
        assert np.all(cells.weights >= np.asarray(cells.law.low) - 1e-6)
        assert np.all(cells.weights <= np.asarray(cells.law.high) + 1e-6)
        assert np.count_nonzero(cells.weights != start) > 0


@SUBJECT
def test_the_same_on_one_thread_and_after_a_stop(device, tmp_path):
    def final(threads, checkpoints=None, stop=None):
        before = set_threads(threads)
        runner = two_steps(device())
        if stop is not None:
            with pytest.raises(KeyboardInterrupt):
                runner.run(stop, checkpoints=tmp_path)
            runner = two_steps(device())
        runner.run(checkpoints=checkpoints)
        set_threads(before)
        return [cells.visible for cells in cells_of(runner)]

    def in_second_epoch(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    whole, other, resumed = final(2), final(1), final(2, tmp_path, in_second_epoch)
    for one, two, three in zip(whole, other, resumed, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@SUBJECT
def test_pulses_up_raise_weights_and_pulses_down_lower_them(device):
    """Mean over 3 000 cells of what 3 pulses do, from the middle: its sign; noise of the mean is 55 times smaller."""
    chosen = device()
    moved = {}
    for direction in (3, -3):
        cells = CellArray(chosen, np.zeros((60, 50), dtype=np.float32), 1, 0, 0, np.array([0, 50]))
        before = cells.weights.copy()
        cells.pulse(np.full((60, 50), direction), "nearest", 0)
        moved[direction] = float((cells.weights - before).mean(dtype=float))
    assert moved[3] > 0
    assert moved[-3] < 0


@pytest.mark.parametrize("name", sorted(UNTRAINABLE))
def test_a_device_without_pulses_is_refused_with_its_reason(name):
    with pytest.raises(MissingDatum, match=f"device {name} has no (update|states)"):
        two_steps(load_device(name))


# Kernel


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_the_compiled_update_is_the_specification(law, rounding):
    """Same pulses and counts; weights to single precision after two updates, the second past the endurance of some."""
    device, shape = device_of(law), (37, 53)
    differing = cell_law(device, draw_cells(device, shape, np.random.default_rng(1)))
    rng, found = np.random.default_rng(0), []
    low, high = np.broadcast_to(differing.low, shape), np.broadcast_to(differing.high, shape)
    start = (low + (high - low) * rng.random(shape)).astype(np.float32)
    amount = rng.normal(0, 3, shape).astype(np.float32)
    writing = laws.Writing(0.003, True, 0.01, endurance=4)
    for module in (laws, laws_compiled):
        state = start.copy(), np.zeros(shape, np.float32), np.zeros(shape, np.int32)
        counts = [
            module.cell_update(*state, amount, differing, writing, rounding, Address(1, step, 2), np.array([0, 20, 53]))
            for step in range(2)
        ]
        found.append((*state, counts))
    (w, error, written, counts), (w2, error2, written2, counts2) = found
    np.testing.assert_allclose(w2, w, atol=3e-7)
    np.testing.assert_allclose(error2, error, atol=3e-7)
    np.testing.assert_array_equal(written2, written)
    for one, two in zip(counts, counts2, strict=True):
        assert (one.cells_up, one.cells_down, one.pulses_up, one.pulses_down) == (
            two.cells_up, two.cells_down, two.pulses_up, two.pulses_down,
        )  # fmt: skip
        np.testing.assert_array_equal(one.longest_up, two.longest_up)
        np.testing.assert_array_equal(one.longest_down, two.longest_down)


@pytest.mark.parametrize("law", LAWS)
def test_like_cells_without_noise_follow_the_law(law):
    """Five pulses up and three down by the record's own function; 1e-6 for single precision."""
    options = {**LAWS[law], "device_to_device": 0.0}
    device = load_device("rram", {"update": {"law": law, **options}, "states": 40, "cycle_to_cycle": {"sigma": 0}})
    cells = CellArray(device, np.zeros((6, 4), dtype=np.float32), 1, 0, 0, np.array([0, 4]))
    expected = cells.weights.astype(float)
    for pulses in (5, -3):
        cells.pulse(np.full((6, 4), pulses), "nearest", 0)
        expected = apply_law(device.update, device.states, expected, np.full((6, 4), pulses))
    np.testing.assert_allclose(cells.weights, expected, atol=1e-6)


# What cells do beside moving


def array(shape=(40, 50), start=0.0, seed=1, **changes):
    device = load_device("rram", {"cycle_to_cycle": {"sigma": 0}, **changes})
    return CellArray(device, np.full(shape, start, dtype=np.float32), seed, 0, 0, np.array([0, shape[1]]))


def test_stuck_cells_stay_where_they_are_stuck():
    """2 000 cells, 20 % at each end and 20 % anywhere: shares to four standard errors of 0.009."""
    cells = array(spread={"corrupt": 0.2, "stuck_low": 0.2, "stuck_high": 0.2})
    assert cells.stuck == pytest.approx(0.6, abs=0.044)
    before = cells.weights.copy()
    assert np.mean(before == -1) == pytest.approx(0.2, abs=0.036)
    assert np.mean(before == 1) == pytest.approx(0.2, abs=0.036)
    cells.pulse(np.full(before.shape, 4), "nearest", 0)
    assert np.mean(cells.weights == before) == pytest.approx(cells.stuck)


def test_worn_cells_get_pulses_but_do_not_move():
    cells = array(endurance=5)
    for time in range(2):  # 3 pulses, then 3 more: the sixth is beyond, but an update is taken whole
        cells.pulse(np.full((40, 50), 3), "nearest", time)
    assert cells.worn == 1
    before = cells.weights.copy()
    counts = cells.pulse(np.full((40, 50), 2), "nearest", 2)
    assert counts.pulses_up == 2 * before.size
    np.testing.assert_array_equal(cells.weights, before)


def test_write_noise_is_drawn_at_each_write_and_does_not_accumulate():
    """2 000 cells: 0.02 of the range 2 is 0.04, to four standard errors of 1.6 %; unwritten cells keep theirs.

    The first writing is one too (rasch2021toolkit shows it for the first readout).
    """
    cells = array(write_noise=0.02)
    first = cells.error.copy()
    assert np.std(cells.visible - cells.weights) == pytest.approx(0.04, rel=0.064)
    amount = np.ones((40, 50))
    for time in range(6):
        cells.pulse(amount * (-1) ** time, "nearest", time)
    assert np.std(cells.visible - cells.weights) == pytest.approx(0.04, rel=0.064)
    assert abs(np.corrcoef(first.ravel(), cells.error.ravel())[0, 1]) < 0.09  # four standard errors
    before = cells.error.copy()
    amount[:20] = 0
    cells.pulse(amount, "nearest", 7)
    np.testing.assert_array_equal(cells.error[:20], before[:20])
    assert not np.any(cells.error[20:] == before[20:])


def test_programming_error_at_the_start_by_hand():
    """A deviation of 0.2 uS where the range is 99 % of 1 / 240 kohm: 2 · 0.2 / 4.125 in weights, to 6.4 %."""
    cells = array(programming={"sigma": ["0.2 uS"], "largest": 1 / 240e3})
    width = 1 / 240e3 - 1 / 24e6
    assert np.std(cells.weights) == pytest.approx(2 * 0.2e-6 / width, rel=0.064)


DRIFT = {
    "start": "1 s",
    "exponent_mean": {"form": "polynomial", "coefficients": [0.1]},
    "exponent_sigma": {"form": "polynomial", "coefficients": [0.0]},
}


def test_drift_counts_from_the_last_write():
    """Conductances fall by (t + 1 s)^-0.1; a cell written on the way starts anew, and in two waits as in one."""
    one, two = array(drift=DRIFT, start=0.5), array(drift=DRIFT, start=0.5)
    g = one._conductance(one.weights)
    one.wait(99.0)
    np.testing.assert_allclose(one._conductance(one.weights), g * 100**-0.1, rtol=1e-5)  # single precision
    two.wait(9.0)
    two.wait(90.0)
    np.testing.assert_allclose(two.weights, one.weights, rtol=1e-5)
    amount = np.zeros((40, 50))
    amount[0] = 1
    two.pulse(amount, "nearest", 0)
    g = two._conductance(two.weights)
    two.wait(9.0)
    fallen = two._conductance(two.weights) / g
    np.testing.assert_allclose(fallen[0], 10**-0.1, rtol=1e-5)
    np.testing.assert_allclose(fallen[1:], (109 / 100) ** -0.1, rtol=1e-5)


def test_drift_during_training_is_resumed(tmp_path):
    """Ages are part of the state: two epochs with a stop equal two without."""

    def runner():
        made = two_steps(load_device("rram", {"drift": DRIFT}))
        made.batch_time = 5.0
        return made

    whole, first, second = runner(), runner(), runner()
    whole.run()
    first.history = []
    first.history.append(first._epoch(None))
    second.restore(first.state())
    second.run()
    for one, two in zip(cells_of(whole), cells_of(second), strict=True):
        np.testing.assert_array_equal(one.weights, two.weights)
        np.testing.assert_array_equal(one.age, two.age)
    still = two_steps(load_device("rram"))
    still.run()
    assert not np.array_equal(cells_of(still)[0].weights, cells_of(whole)[0].weights)


def test_read_noise_counts_from_where_drift_starts():
    """1/f noise of a fresh cell: Q sqrt(ln((20 s + 1 us) / 2 us)) of its conductance, as weight programming has it."""
    noise = {"coefficient": {"form": "polynomial", "coefficients": [0.01]}, "read_time": "1 us"}
    cells = array(drift={**DRIFT, "start": "20 s"}, read_noise=noise, start=0.5)
    expected = cells._conductance(cells.weights) * 0.01 * np.sqrt(np.log((20 + 1e-6) / 2e-6))
    wide = (cells.device.conductance_max - cells.device.conductance_min) / 2
    np.testing.assert_allclose(np.sqrt(cells.read_variance()), expected / wide, rtol=1e-6)


def test_cells_that_cannot_move_do_not_move_by_noise_either():
    """At a spread of 100 % of the step some 16 % of cells have none in a direction; nothing is added to those."""
    cells = array(update={"law": "linear", "device_to_device": 1.0}, cycle_to_cycle={"sigma": 0.01, "per": "pulse"})
    dead = np.asarray(cells.law.steps.s_up) <= 0
    assert 0.05 < dead.mean() < 0.3
    before = cells.weights.copy()
    cells.pulse(np.full(before.shape, 3.0), "nearest", 0)
    np.testing.assert_array_equal(cells.weights[dead], before[dead])
    assert np.mean(cells.weights != before) > 0.6


# Encodings


def pair_tile(update="one_sided", **changes):
    device = load_device("ideal", {"states": 20, **changes})
    chip = Chip(device=device, array={"encoding": "differential_pair", "pair_update": update, "refresh_every": 2})
    return AnalogTile(linear("fc", 30, 12), chip, 3, 0, 0.5, True, 32)


@pytest.mark.parametrize("update", ["one_sided", "push_pull"])
def test_a_pair_moves_as_far_as_the_rule_asks(update):
    """A rule asks for v / 2 · states pulses to move a weight by v: here 0.2, from -0.3 to 0.3 where nothing is full."""
    tile = pair_tile(update)
    before = tile.weights.copy()
    tile.pulse(np.full(tile.shape, 0.2 * tile.pulses_per_weight), "nearest")
    inside = np.abs(before) < 0.3
    np.testing.assert_allclose((tile.weights - before)[inside], 0.2, atol=1e-6)


def test_one_sided_pairs_are_only_pulsed_up_and_the_cells_are_counted():
    tile = pair_tile()
    up = np.zeros(tile.shape)
    up[:10], up[10:20] = 2, -3
    plus, minus = (cells.weights.copy() for cells in tile.cells)
    tile.pulse(up, "nearest")
    counts = tile.take_counts()
    assert (counts.cells_up, counts.cells_down, counts.pulses_up) == (240, 0, 120 * 2 + 120 * 3)
    np.testing.assert_array_equal(tile.cells[0].weights[10:], plus[10:])
    np.testing.assert_array_equal(tile.cells[1].weights[:10], minus[:10])
    assert counts.longest_up.max() == 3


def test_push_pull_rounds_once_for_both_cells():
    tile = pair_tile("push_pull")
    before = [cells.weights.copy() for cells in tile.cells]
    tile.pulse(np.full(tile.shape, 0.5), "stochastic")
    plus, minus = (cells.weights - start for cells, start in zip(tile.cells, before, strict=True))
    np.testing.assert_allclose(plus, -minus, atol=1e-6)
    assert 0.3 < np.mean(plus > 0) < 0.7  # 360 cells at a half: 0.5 within four standard errors of 0.026, and more


def test_full_pairs_are_refreshed_and_keep_their_weight():
    """Both cells at 0.9 and 0.8 of the range: after the refresh 0.1 and 0, by pulses of a twentieth."""
    tile = pair_tile()
    tile.cells[0].weights[:] = 2 * 0.9 - 1
    tile.cells[1].weights[:] = 2 * 0.8 - 1
    nothing = np.zeros(tile.shape)
    tile.pulse(nothing, "nearest")
    assert tile.refreshed == 0
    tile.pulse(nothing, "nearest")
    assert tile.refreshed == 360
    np.testing.assert_allclose(tile.cells[0].weights, 2 * 0.1 - 1, atol=1e-6)
    np.testing.assert_allclose(tile.cells[1].weights, -1, atol=1e-6)
    counts = tile.take_counts()
    assert (counts.pulses_down, counts.pulses_up) == (720, 720)  # a reset of each cell; two pulses of one of them


def test_a_reset_cell_reads_wrong_anew():
    """0.01 of the range 2 is 0.02 of each cell that was reset; the one that gets pulses afterwards draws again."""
    tile = pair_tile(write_noise=0.01)
    tile.cells[0].weights[:], tile.cells[1].weights[:] = 0.8, 0.6
    before = [cells.error.copy() for cells in tile.cells]
    for _ in range(2):
        tile.pulse(np.zeros(tile.shape), "nearest")
    assert tile.refreshed == 360
    for cells, old in zip(tile.cells, before, strict=True):
        assert not np.any(cells.error == old)
        assert np.std(cells.error) == pytest.approx(0.02, rel=0.15)  # 360 cells: four standard errors


def test_pairs_are_refreshed_by_updates_and_not_by_clipping():
    """Every second update, which is what is priced; pulses that bring outliers back belong to their update."""
    tile = pair_tile()
    tile.cells[0].weights[0] = 1.0  # far from the others
    for _ in range(3):
        tile.keep_within(1.0)
    assert tile.take_counts().pulses_up > 0
    assert (tile.updates, tile.refreshed) == (0, 0)


@pytest.mark.parametrize("update", ["one_sided", "push_pull"])
def test_pairs_learn(update):
    chip = {"array": {"encoding": "differential_pair", "pair_update": update}}
    assert trainer(chip=chip).run()[-1].test_accuracy > 0.9  # as with a reference column


def test_a_phase_change_pair_learns():
    """The cells of Nandakumar et al. 2020, which pulses only raise and a reset empties: 0.9 as above."""
    device = load_device("pcm_nandakumar2020")
    chip = {"device": device, "array": {"encoding": "differential_pair"}}
    assert trainer(chip=chip).run()[-1].test_accuracy > 0.9


# Groups


def test_groups_see_their_own_channels_only():
    """Two groups against two layers of half the size, in whole numbers: exact converters, so equal to rounding."""
    layer = Conv("conv", (4, 1, 1), 6, kernel=1, groups=2)
    chip = Chip(device=load_device("ideal"), adc={"kind": "ideal"}, backward_adc={"kind": "ideal"},
                weight_gradient={"unit": "digital"})  # fmt: skip
    tile = AnalogTile(layer, chip, 3, 0, 0.5, True, 32)
    rng = np.random.default_rng(0)
    x, codes = rng.integers(0, 256, (9, 4)).astype(np.uint8), rng.integers(-60, 61, (9, 6)).astype(np.int8)
    w = tile.weights.astype(float)
    halves = [x[:, 2 * g : 2 * g + 2] @ w[:, 3 * g : 3 * g + 3] for g in range(2)]
    np.testing.assert_allclose(tile.forward(x), np.concatenate(halves, axis=1), rtol=1e-5)
    back = [codes[:, 3 * g : 3 * g + 3] @ w[:, 3 * g : 3 * g + 3].T for g in range(2)]
    np.testing.assert_allclose(tile.backward(Errors(codes, 0.5)), 0.5 * np.concatenate(back, axis=1), rtol=1e-5)
    centred = x - x.mean(axis=0)
    product = [centred[:, 2 * g : 2 * g + 2].T @ codes[:, 3 * g : 3 * g + 3] for g in range(2)]
    found = tile.weight_gradient(x, Errors(codes, 1.0))
    np.testing.assert_allclose(found, np.concatenate(product, axis=1), rtol=1e-5, atol=1e-3)


def test_states_of_a_device_are_where_its_pulses_lead():
    """Power step with exponents 1 from the low end: the distance to the top shrinks by 2 / states · 1/2 each time."""
    device = load_device("rram", {"update": {"law": "power_step", "exponent_up": 1, "exponent_down": 1}, "states": 10})
    up = 1 - 2 * 0.9 ** np.arange(11)  # w = 1 - 2 u, and u loses a tenth of itself with each pulse
    np.testing.assert_allclose(device_states(device), np.unique(np.concatenate([up, -up])), atol=1e-12)


def test_cells_within_a_code_of_an_end_are_at_it():
    """Ends in codes of 16 bits are half a unit of 1 / 32767 off, so that weights stay 1.5e-5 away from them."""
    cells = CellArray(load_device("ideal"), np.zeros((2, 2), np.float32), 0, 0, 0, np.array([0, 2]))
    cells.weights[:] = [[1 - 1.5e-5, -1 + 1.5e-5], [0.999, 0.0]]
    assert cells.saturated(one_sided=False) == 0.5
    assert cells.saturated(one_sided=True) == 0.25


def test_cells_at_ends_of_their_own_are_all_counted():
    """Driven up by more pulses than a range has, every cell is at an end; half of the ends round down in singles."""
    spread, noise = {"upper_bound": 0.2}, {"sigma": 0.0}
    changes = {"update": {"law": "linear"}, "states": 8, "spread": spread, "cycle_to_cycle": noise}
    device = load_device("rram", changes)
    made = CellArray(device, np.zeros((40, 40), np.float32), 0, 0, 0, np.array([0, 40]))
    made.pulse(np.full((40, 40), 50.0, np.float32), "nearest", 1)
    assert made.saturated(False) == 1.0


def test_a_device_that_does_not_move_in_the_middle_is_refused():
    still = {"law": "piecewise_step", "nodes_up": (1.0, 0.0, 0.0), "nodes_down": (0.0, 0.0, 1.0)}
    chip = Chip(device=load_device("rram", {"update": still, "states": 20}))
    tile = AnalogTile(linear("fc", 4, 4), chip, 0, 0, 0.5, True, 32)
    with pytest.raises(ValueError, match="pulses do not move a cell that is in the middle of its range"):
        assert tile.pulses_per_weight
