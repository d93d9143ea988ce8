"""Training for weights that are programmed elsewhere: weight noise, clipped weights, weights held in place of cells."""

import numpy as np
import pytest

from cimest.caveats import warnings
from cimest.config.chip import Chip
from cimest.learning.codes import Errors
from cimest.learning.tile import AnalogTile
from cimest.network import linear
from hwlib.devices import load_device
from tests.cimest.learning_cases import experiment, trainer

AWARE = {"weight_noise": 0.1, "clip": 2.0}


def tile(device="ideal", changes=None, **chip):
    chip = {"adc": {"kind": "ideal"}, **chip}
    return AnalogTile(linear("fc", 200, 50), Chip(device=load_device(device, changes), **chip), 3, 0, 0.5, True, 32)


def codes(vectors=5):
    return np.random.default_rng(0).integers(0, 256, (vectors, 200)).astype(np.uint8)


def test_held_weights_are_read_and_cells_come_back():
    """By definition: products with the held weights, exact to single precision; then those of before."""
    reader, x = tile(), codes()
    before = reader.forward(x)
    held = np.random.default_rng(1).normal(size=reader.shape)
    reader.hold(held)
    assert reader.forward(x) == pytest.approx(x @ held, rel=1e-5, abs=1e-2)
    delta = Errors(np.ones((5, 50), dtype=np.int8), 0.5)
    assert reader.backward(delta)[0] == pytest.approx(0.5 * held.sum(axis=1), rel=1e-5, abs=1e-4)
    reader.hold(None)
    assert np.array_equal(reader.forward(x), before)


def test_held_weights_have_no_read_noise_of_the_cells():
    noisy = {
        "read_noise": {
            "coefficient": {"form": "polynomial", "coefficients": [0.1]},
            "read_time": 1e-6,
            "spectrum": "white",
        }
    }
    noisy |= {"sources": {**load_device("ideal").sources, "read_noise": "own_choice"}}
    reader, x = tile(changes=noisy), codes()
    assert not np.array_equal(reader.forward(x), reader.forward(x))
    reader.hold(reader.weights)
    assert np.array_equal(reader.forward(x), reader.forward(x))


def test_noise_has_the_size_that_is_asked_for_and_is_fresh():
    """10 000 weights: their deviation is known to 0.7 %, four times that; two draws do not correlate beyond 4 %."""
    reader = tile()
    drawn = []
    for _ in range(2):
        reader.disturb(0.1)
        drawn.append(reader.readout.held - reader.weights)
    largest = np.abs(reader.weights).max()
    for noise in drawn:
        assert noise.std() == pytest.approx(0.1 * largest, rel=0.03)
        assert abs(noise.mean()) < 4 * 0.1 * largest / 100
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1]) < 0.04


def test_weights_are_pulsed_back_to_the_limit():
    """Uniform weights end at sqrt(3) = 1.73 deviations; those beyond one come back, to the next state beside it."""
    reader = tile()
    before = reader.weights.copy()
    limit = before.std()
    reader.keep_within(1.0)
    state = 2 / reader.chip.device.states
    assert np.abs(reader.weights).max() < limit + state
    inside = np.abs(before) < limit
    assert np.array_equal(reader.weights[inside], before[inside])
    moved = reader.take_counts()
    assert moved.pulses_up + moved.pulses_down == pytest.approx(
        (np.abs(before) - limit)[~inside].sum() / state, rel=0.01
    )
    reader.keep_within(10.0)
    assert reader.take_counts().pulses_up == 0


def test_noise_changes_training_and_tests_are_without_it():
    """Two tests of one network agree; weights stay within the limit but for the last states; the run learns."""
    aware, blind = (trainer(epochs=3, device={"update": {"law": "linear"}}, **changes) for changes in (AWARE, {}))
    for runner in (aware, blind):
        runner.run()
    assert aware.test(aware.data.test_images, aware.data.test_labels) == aware.test(
        aware.data.test_images, aware.data.test_labels
    )
    assert aware.history[-1].loss != blind.history[-1].loss
    assert aware.history[-1].test_accuracy > 0.5  # chance is 0.25
    for matrix in aware.model.matrices:
        weights = matrix.tile.weights
        assert matrix.tile.readout.held is None
        # the deviation of the batch before was a little larger, and a step is one of the device's states
        assert np.abs(weights).max() < 1.05 * AWARE["clip"] * weights.std() + 2 / matrix.tile.chip.device.states


def test_a_run_with_noise_goes_on_where_it_stopped(tmp_path):
    whole, first, second = (trainer(epochs=2, **AWARE) for _ in range(3))
    whole.run()

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(stop, tmp_path)
    second.run(checkpoints=tmp_path)
    for one, other in zip(whole.model.matrices, second.model.matrices, strict=True):
        assert np.array_equal(one.tile.weights, other.tile.weights)


def test_what_is_programmed_later_leaves_the_checkpoint_valid(tmp_path):
    """The section `programming` is about what comes after the training."""
    first = trainer(epochs=1)
    first.run(checkpoints=tmp_path)
    second = trainer(epochs=1)
    second.experiment = first.experiment.model_copy(
        update={"programming": first.experiment.programming.model_copy(update={"pairs": 3})}
    )
    second.resume(tmp_path)
    assert len(second.history) == 1


@pytest.mark.parametrize(("changes", "said"), [(AWARE, True), ({}, False)])
def test_a_result_says_what_is_not_priced(changes, said):
    from cimest.pricing import price_experiment

    chosen = experiment(**changes)
    found = warnings(chosen, price_experiment(chosen))
    assert any("weight_noise" in text for text in found) == said
