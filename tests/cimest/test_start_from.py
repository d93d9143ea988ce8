"""Weights to go on from: those of a run, with what its digital circuits had learned, or of a file."""

import json

import numpy as np
import pytest

from cimest.config import ConfigError, load
from cimest.pricing import build_network
from cimest.run import build_trainer, run, trained_in
from tests.cimest.test_run import LENET

MLP = ["network={name: mlp, hidden: [32]}", "chip.adc={kind: ideal}", "chip.backward_adc={kind: ideal}"]
FAST = ["dataset.train=1500", "dataset.test=300", "training.epochs=2", "training.batch=25", "chip.device=ideal"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of a run."""
    out = tmp_path_factory.mktemp("trained")
    run(load(LENET, [*MLP, *FAST, "chip.weight_gradient={unit: digital}"]), out, quiet=True)
    return out


def begun(start, *changes):
    return build_trainer(load(LENET, [*MLP, *FAST, f"training.start_from={start}", *changes]))


@pytest.mark.parametrize("change", ["seed=5", "chip.array={rows: 64, columns: 64}"])
def test_a_run_goes_on_with_what_another_has_learned(trained, change):
    source, found = trained_in(trained), begun(trained, change)
    samples = found.data.test_images[:50]
    before = source.model.outputs(samples)
    # a weight lies at most half a state, 1/255, from where it was, and 784 inputs differ independently
    assert np.abs(found.model.outputs(samples) - before).max() < 0.1 * np.abs(before).max()
    labels = found.data.test_labels
    assert found.test(found.data.test_images, labels)[1] == pytest.approx(source.history[-1].test_accuracy, abs=0.02)
    assert source.history[-1].test_accuracy > 0.8  # chance is 0.1


def test_what_was_learned_outside_serves_in_the_arrays(trained):
    """Under a rule that pulses in the arrays nothing is centred, but offsets that a run has left stay."""
    dataflow = "dataflow={loop_order: image_outer}"
    found = begun(trained, "chip.weight_gradient={unit: in_array}", "training.rule=tiki_taka_v2", dataflow)
    accuracy = found.test(found.data.test_images, found.data.test_labels)[1]
    assert accuracy == pytest.approx(trained_in(trained).history[-1].test_accuracy, abs=0.02)


def test_a_kill_after_a_start_resumes_from_the_checkpoint(trained, tmp_path):
    changes = [*MLP, *FAST, f"training.start_from={trained}"]
    run(load(LENET, changes), tmp_path / "a", quiet=True)
    whole = json.loads((tmp_path / "a" / "result.json").read_text())["history"]
    trainer = build_trainer(load(LENET, changes))
    trainer.history.append(trainer._epoch(None))
    again = build_trainer(load(LENET, changes))
    again.restore(trainer.state())
    again.run()
    assert again.history[-1].test_loss == whole[-1]["test_loss"]


def weights(**changes):
    """Of every layer of the network, zero but in one place."""
    layers = build_network(load(LENET, MLP)).matrices
    found = {layer.name: np.zeros((layer.fan_in, layer.fan_out), np.float32) for layer in layers}
    for values in found.values():
        values[0, 0] = 1.0
    return {**found, **changes}


def test_weights_of_a_file_are_written_as_the_nearest_state(tmp_path):
    given = {name: np.random.default_rng(0).uniform(-1, 1, values.shape) for name, values in weights().items()}
    np.savez(tmp_path / "weights.npz", **given)
    for matrix in begun(tmp_path / "weights.npz").model.matrices:
        error = np.abs(matrix.tile.weights - given[matrix.layer.name])
        assert error.max() <= 1 / (matrix.tile.chip.device.states - 1) + 1e-6  # half a state of the range of 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"other": np.ones((2, 2), np.float32)}, "other 2 x 2; mlp takes"),
        ({"fc1": np.full((784, 32), 2.0, np.float32)}, "largest weight of fc1 is 2"),
        ({"fc1": np.full((784, 32), np.nan, np.float32)}, "largest weight of fc1 is nan"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, given, reason):
    assert {*weights()} == {"fc1", "fc2"}
    np.savez(tmp_path / "weights.npz", **weights(**given))
    with pytest.raises(ValueError, match=reason):
        begun(tmp_path / "weights.npz")


def test_a_path_that_leads_nowhere_is_a_mistake_in_the_file(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        load(LENET, [f"training.start_from={tmp_path / 'none'}"])
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        begun(tmp_path)  # a folder without a run
