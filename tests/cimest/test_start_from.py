"""Weights to go on from: those of a run, with what its digital circuits had learned, or of a file."""

import json

import numpy as np
import pytest

from cimest.config import ConfigError, load
from cimest.explore.functional import key
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
    trainer = build_trainer(load(LENET, [*MLP, *FAST, f"training.start_from={start}", *changes]))
    trainer.prepare()
    return trainer


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


def test_the_chip_may_have_other_words(trained):
    """Words of 6 bits have the same full scale as those of 8; a hundredth of 300 images is three."""
    found = begun(trained, "chip.input_bits=6")
    accuracy = found.test(found.data.test_images, found.data.test_labels)[1]
    assert accuracy == pytest.approx(trained_in(trained).history[-1].test_accuracy, abs=0.03)


def test_cells_beyond_the_range_of_the_typical_one_are_written_at_its_end(trained):
    source = trained_in(trained)
    for part in source.model.matrices:
        part.tile.cells[0].weights[:] = 1.2
    target = build_trainer(source.experiment)
    target.continue_from(source)
    for part in target.model.matrices:
        assert np.abs(part.tile.weights - 1).max() < 1e-6


def test_what_was_learned_outside_serves_in_the_arrays(trained):
    """Under a rule that pulses in the arrays nothing is centred, but offsets that a run has left stay."""
    dataflow = "dataflow={loop_order: image_outer}"
    found = begun(trained, "chip.weight_gradient={unit: in_array}", "training.rule=tiki_taka_v2", dataflow)
    accuracy = found.test(found.data.test_images, found.data.test_labels)[1]
    assert accuracy == pytest.approx(trained_in(trained).history[-1].test_accuracy, abs=0.02)


def test_samples_one_by_one_go_on_from_the_weights_that_are_read(trained):
    """The chain of samples is there before the start: what it changes has to be what is tested."""
    changes = ["chip.weight_gradient={unit: in_array}", "training.rule=sgd", "dataflow={loop_order: image_outer}"]
    changes += ["chip.periphery={kind: whole_vector}", "training.batch=1", "training.epochs=1", "dataset.train=300"]
    found = begun(trained, *changes)
    assert found.chain is not None
    before = [part.tile.weights.copy() for part in found.model.matrices]
    found.prepare = None
    found.run()
    for part, weights in zip(found.model.matrices, before, strict=True):
        assert not np.array_equal(part.tile.weights, weights)
    assert found.history[-1].test_accuracy > 0.7  # 300 samples alone teach random weights less


def test_a_batch_of_one_learns_in_every_layer():
    """Inputs that count from their batch's mean leave nothing of one vector: by itself such a batch has no centring."""
    changes = [*MLP, *FAST, "training.batch=1", "training.epochs=1", "dataset.train=100", "training.rule=sgd"]
    trainer = build_trainer(load(LENET, changes))
    trainer.run()
    assert all(part.tile.written.any() for part in trainer.model.matrices)
    with pytest.raises(ConfigError, match=r"centring.*must be none"):
        load(LENET, [*changes, "training.centring=outputs"])


def test_a_finished_run_needs_its_start_no_more(trained, tmp_path):
    changes = [*MLP, *FAST, f"training.start_from={trained}"]
    run(load(LENET, changes), tmp_path / "a", quiet=True)
    whole = json.loads((tmp_path / "a" / "result.json").read_text())["history"]
    trainer = build_trainer(load(LENET, changes))
    trainer.prepare()
    trainer.history.append(trainer._epoch(None))
    again = build_trainer(load(LENET, changes))
    again.restore(trainer.state())
    again.run()
    assert again.history[-1].test_loss == whole[-1]["test_loss"]
    moved = trained.rename(trained.with_name("moved"))
    try:
        assert trained_in(tmp_path / "a").history[-1].test_loss == whole[-1]["test_loss"]
    finally:
        moved.rename(trained)


def test_a_training_is_another_when_what_it_starts_from_has_changed(tmp_path):
    np.savez(tmp_path / "weights.npz", **weights())
    experiment = load(LENET, [*MLP, f"training.start_from={tmp_path / 'weights.npz'}"])
    before = key(experiment)
    assert key(experiment) == before
    np.savez(tmp_path / "weights.npz", **weights(fc1=np.ones((784, 32), np.float32)))
    assert key(experiment) != before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["training.loss=squared_error"], "scaled for cross_entropy, not squared_error"),
        (["network={name: mlp, hidden: [16]}"], "fc1 784 x 32, fc2 32 x 10; mlp takes fc1 784 x 16"),
    ],
)
def test_a_run_of_another_kind_is_refused(trained, changes, reason):
    with pytest.raises(ValueError, match=reason):
        begun(trained, *changes)


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
