"""Voltage lost along the wires in training: the losses of an array, both ways, and what a tile makes of them."""

import numpy as np
import pytest

from cimest.config import ConfigError, load
from cimest.config.chip import Chip
from cimest.kernels import reference
from cimest.kernels.threads import set_threads
from cimest.learning.codes import Errors
from cimest.learning.tile import AnalogTile
from cimest.learning.wires import losses, segment_resistance
from cimest.network import linear
from hwlib.devices import load_device
from hwlib.technology import load_technology
from tests.cimest.learning_cases import bars, trainer
from tests.cimest.test_run import LENET

EXACT = {"wire_resistance": 20.0, "wire_solution": "exact"}
ONE = np.array([0, 30]), np.array([0, 20])


def cells(seed=0):
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, (30, 20))


def tile(number=0, **array):
    chip = Chip(
        device=load_device("rram"),
        array=array,
        adc={"kind": "ideal"},
        weight_gradient={"unit": "digital"},
    )
    return AnalogTile(linear("fc", 40, 25), chip, 3, number, 0.5, True, 16)


def test_exact_losses_are_those_of_all_nodes_of_the_array():
    """Currents of the sparse solution of all nodes, to the solver's tolerance, 1e-6."""
    found, voltages = losses([cells()], 20.0, True, *ONE), np.random.default_rng(1).random((5, 30))
    np.testing.assert_allclose(voltages @ (cells() * found), reference.ir_drop(cells(), voltages, 20.0), rtol=1e-6)
    kept = [(cells() * found)[corner].sum() / cells()[corner].sum() for corner in (np.s_[-5:, :5], np.s_[:5, -5:])]
    assert 1 > kept[0] > kept[1]  # near the ends of both lines less is lost


def test_resistors_work_both_ways():
    """Columns driven where they are read, rows read where they are driven: the same array, turned around."""
    found, errors = losses([cells()], 20.0, True, *ONE), np.random.default_rng(1).random((5, 20))
    turned = np.ascontiguousarray(cells()[::-1, ::-1].T)
    currents = reference.ir_drop(turned, errors[:, ::-1], 20.0)[:, ::-1]
    np.testing.assert_allclose(errors @ (cells() * found).T, currents, rtol=1e-6)


def test_a_fitted_correction_takes_off_most_of_the_loss():
    """Outputs for inputs that it was not fitted to: less than a fifth of the error that no correction leaves."""
    x = np.random.default_rng(2).integers(0, 256, (30, 40)).astype(np.uint8)
    delta = Errors(np.random.default_rng(3).integers(-127, 128, (30, 25)).astype(np.int8), 1.0)
    perfect, exact, fitted = tile(), tile(**EXACT), tile(wire_resistance=20.0)
    for verb, given in (("forward", x), ("backward", delta)):
        plain, true, found = (getattr(reader, verb)(given) for reader in (perfect, exact, fitted))
        assert np.std(found - true) < 0.2 * np.std(plain - true)


def test_a_pair_lies_side_by_side():
    """Two equal cells for each weight are an array of twice the columns: its losses, meant over neighbours."""
    both = losses([cells(), cells()], 20.0, True, *ONE)
    wide = losses([np.repeat(cells(), 2, axis=1)], 20.0, True, ONE[0], np.array([0, 40]))
    np.testing.assert_allclose(both, wide.reshape(30, 20, 2).mean(axis=2), rtol=1e-6)


def test_arrays_are_apart():
    """Four arrays: the second's losses are those of its cells alone."""
    found = losses([cells()], 20.0, True, np.array([0, 16, 30]), np.array([0, 8, 20]))
    alone = losses([cells()[16:, 8:]], 20.0, True, np.array([0, 14]), np.array([0, 12]))
    np.testing.assert_allclose(found[16:, 8:], alone, rtol=1e-6)


def test_the_technology_gives_the_resistance_of_a_segment():
    """Resistance of a metre of minimum wire times the mean of the cell's sides."""
    chip = Chip(device=load_device("rram"), array={"wire_resistance": "technology"})
    tech, device = load_technology(chip.technology), chip.device
    sides = (device.cell_width + device.cell_height) / 2 * tech.node
    assert segment_resistance(chip) == pytest.approx(tech.wire_resistance * sides)


def test_exact_losses_follow_an_update():
    reader, x = tile(**EXACT), np.full((1, 40), 255, np.uint8)
    reader.forward(x)
    reader.pulse(np.full(reader.shape, 20.0), "nearest")
    fresh = tile(**EXACT)
    fresh.pulse(np.full(reader.shape, 20.0), "nearest")
    np.testing.assert_array_equal(reader.forward(x), fresh.forward(x))


@pytest.mark.parametrize("array", [EXACT, {"wire_resistance": 20.0}], ids=["exact", "corrected"])
def test_the_same_on_one_thread_and_after_a_stop(array, tmp_path):
    def make():
        return trainer(data=bars(train=40, test=4), epochs=2, batch=20, rate=0.2, chip={"array": array})

    def in_second_epoch(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    finals = []
    for threads, stop in ((2, None), (1, None), (2, in_second_epoch)):
        before, runner = set_threads(threads), make()
        if stop is not None:
            with pytest.raises(KeyboardInterrupt):
                runner.run(stop, checkpoints=tmp_path)
            runner = make()
        runner.run(checkpoints=tmp_path if stop else None)
        set_threads(before)
        finals.append([matrix.tile.weights for matrix in runner.model.matrices])
    for one, two, three in zip(*finals, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["chip.array={wire_resistance: 2 ohm, wire_solution: exact, rows: 256}"], "solves arrays of up to 16384"),
        (["chip.array.wire_resistance=-1"], "-1 is less than 0"),
        (["chip.array.wire_resistance=2 ohm", "chip.weight_gradient.unit=in_array"], "simulated without it"),
    ],
)
def test_what_cannot_be_is_refused(overrides, reason):
    with pytest.raises(ConfigError, match=reason):
        load(LENET, overrides)
