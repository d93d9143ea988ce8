"""Writes in training: the quick kernel beside the specification of cells that differ, and rows that are verified."""

import numpy as np
import pytest

from cimest.config.chip import Chip
from cimest.kernels import laws
from cimest.learning.cells import CellArray
from cimest.learning.tile import AnalogTile
from cimest.learning.writing import ROUNDS_MAX, _read
from cimest.network import linear
from hwlib.devices import load_device
from tests.cimest.learning_cases import bars, trainer
from tests.cimest.test_learning_cells import LAWS, SPREAD

AFFINE = ("nonlinearity_label", "linear", "soft_bounds", "linear_step")
EDGES = np.array([0, 20, 53])
STRAIGHT = {"update": {"law": "linear"}, "states": 64, "spread": {}, "cycle_to_cycle": {"sigma": 0.0}}


@pytest.mark.parametrize("law", AFFINE)
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_the_quick_kernel_is_the_specification_of_cells_that_differ(law, rounding):
    """Same pulses, weights to single precision, in two updates: with ends, spreads, noise, and cells that are stuck."""
    spread = SPREAD if law != "nonlinearity_label" else {"corrupt": 0.05, "stuck_low": 0.03}
    noise = {"sigma": 0.003, "per": "pulse"}
    changes = {"update": {"law": law, **LAWS[law]}, "states": 40, "cycle_to_cycle": noise, "spread": spread}
    rng = np.random.default_rng(0)
    start, amount = rng.uniform(-1, 1, (37, 53)).astype(np.float32), rng.normal(0, 3, (37, 53)).astype(np.float32)
    cells = CellArray(load_device("rram", changes), start, 1, 2, 0, EDGES)
    assert cells.quick
    assert cells.stuck > 0
    weights, written, error = cells.weights.copy(), cells.written.copy(), np.zeros((1, 1), np.float32)
    for time in range(2):
        counts = cells.pulse(amount, rounding, time)
        address = cells.address._replace(step=time)
        expected = laws.cell_update(weights, error, written, amount, cells.law, cells.writing, rounding, address, EDGES)
        np.testing.assert_allclose(cells.weights, weights, atol=5e-6)
        np.testing.assert_array_equal(cells.written, written)
        assert counts.cells_up == expected.cells_up
        np.testing.assert_array_equal(counts.longest_down, expected.longest_down)


def test_a_worn_cell_no_longer_moves():
    """Endurance of 5: the second update of 3 pulses moves, since 3 are below it; the third does not."""
    cells = CellArray(load_device("rram", {"endurance": 5, **STRAIGHT}), np.zeros((4, 53), np.float32), 1, 0, 0, EDGES)
    moved = []
    for time in range(3):
        before = cells.weights.copy()
        cells.pulse(np.full((4, 53), 3.0), "nearest", time)
        moved.append(bool((cells.weights != before).any()))
    assert moved == [True, True, False]
    assert cells.worn == 1


def tile(verify="row", **changes):
    device = load_device("rram", {**STRAIGHT, **changes})
    chip = Chip(device=device, adc={"bits": 10}, array={"rows": 16, "columns": 10}, write={"verify": verify})
    return AnalogTile(linear("fc", 40, 25), chip, 3, 0, 0.5, True, 16)


def test_a_perfect_write_takes_one_round():
    """A straight law without noise does what it should: the states lie on the steps, so nothing is left to correct."""
    checked, plain = tile(), tile("none")
    amount = np.random.default_rng(0).integers(-3, 4, checked.shape).astype(np.float32)
    amount[:5] = 0
    for writer in (checked, plain):
        writer.pulse(amount, "nearest")
    np.testing.assert_array_equal(checked.weights, plain.weights)
    # 35 rows in each of three arrays' columns; a row of 5 cells is all zeros once in 7^5
    blocks = np.add.reduceat(np.abs(amount), [0, 10, 20], axis=1) > 0
    assert checked.row_writes == checked.rows_written == np.count_nonzero(blocks)


def test_noisy_writes_are_corrected_to_half_a_step():
    """Noise of two steps a write: unverified weights are off by that, verified ones by half a step and a code."""
    noise = {"cycle_to_cycle": {"sigma": 2 / 63, "per": "write"}}
    off = {}
    for verify in ("none", "row"):
        writer = tile(verify, **noise)
        start = writer.weights.copy()
        amount = np.random.default_rng(0).integers(-8, 9, writer.shape).astype(np.float32)
        writer.pulse(amount, "nearest")
        wanted = np.clip(start + amount / writer.pulses_per_weight, -1, 1)
        off[verify] = (np.abs(writer.weights - wanted) * writer.pulses_per_weight)[amount != 0]
        if verify == "row":
            assert 1 < writer.row_writes / writer.rows_written <= ROUNDS_MAX
    assert np.mean(off["none"] > 0.6) > 0.5
    assert np.mean(off["row"] > 0.6) < 0.2  # a row of ten noisy cells is given up after eight rounds


def test_read_backs_go_through_the_forward_converter():
    """Ideal: as they are. 3 bits: to half of a seventh of the range. Noise and offset: their deviation in steps."""
    step = 2 / 7
    steps = {}
    for name, adc in {
        "ideal": {"kind": "ideal", "bits": 3},
        "plain": {"kind": "sar", "bits": 3},
        "offset": {"kind": "sar", "bits": 3, "offset": 1.0},
        "noise": {"kind": "sar", "bits": 3, "noise": 1.0},
    }.items():
        chip = Chip(device=load_device("rram", STRAIGHT), adc=adc, array={"rows": 16, "columns": 10})
        reader = AnalogTile(linear("fc", 40, 25), chip, 3, 0, 0.5, True, 16)
        (once,), (twice,) = _read(reader), _read(reader)
        steps[name] = (once - reader.weights) / step
        assert np.array_equal(once, twice) == (name != "noise")
    assert not steps["ideal"].any()
    assert 0.4 < np.abs(steps["plain"]).max() <= 0.5 + 1e-5
    # Roundings add 1/12 to a variance of one; 1 000 reads, or the offsets of 75 converters, to four standard errors
    assert np.var(steps["noise"]) == pytest.approx(13 / 12, rel=0.2)
    assert np.var(steps["offset"]) == pytest.approx(13 / 12, rel=0.66)


def test_read_noise_of_cells_is_in_read_backs():
    reader = tile(read_noise={"coefficient": {"form": "polynomial", "coefficients": [0.05]}, "read_time": "1 us",
                              "spectrum": "white"})  # fmt: skip
    (once,) = _read(reader)
    expected = np.sqrt(np.mean(reader.cells[0].read_variance()))
    assert np.std(once - reader.weights) == pytest.approx(expected, rel=0.09)  # 1 000 cells: four standard errors


def test_rows_of_stuck_cells_are_given_up():
    writer = tile(spread={"corrupt": 1.0})
    writer.pulse(np.full(writer.shape, 20.0), "nearest")
    assert writer.row_writes <= ROUNDS_MAX * writer.rows_written
    assert writer.row_writes > 4 * writer.rows_written


@pytest.mark.parametrize("array", [{}, {"encoding": "differential_pair"}], ids=["reference", "pair"])
def test_verified_training_goes_on_after_a_stop(array, tmp_path):
    def make():
        noisy = {"cycle_to_cycle": {"sigma": 0.02, "per": "write"}}
        return trainer(
            data=bars(train=40, test=4), epochs=2, rate=0.2, device=noisy,
            chip={"write": {"verify": "row"}, "array": array},
        )  # fmt: skip

    def in_second_epoch(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    whole, first, second = make(), make(), make()
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        first.run(in_second_epoch, checkpoints=tmp_path)
    second.run(checkpoints=tmp_path)
    assert second.activity() == whole.activity()
    for one, other in zip(whole.model.matrices, second.model.matrices, strict=True):
        np.testing.assert_array_equal(one.tile.weights, other.tile.weights)
    assert all(layer.write_rounds > 1 for layer in whole.activity().layers.values())
