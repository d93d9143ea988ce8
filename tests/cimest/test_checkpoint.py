"""Checkpoints: a run that was stopped goes on bit by bit, and a file that does not fit is refused."""

import numpy as np
import pytest

from cimest.learning import checkpoint
from tests.cimest.learning_cases import experiment, trainer

VARIANTS = [
    {"rule": {"name": "momentum"}},
    {"rule": {"name": "sgd"}, "device": {"update": {"device_to_device": 0.3}}},
]


def outcome(runner):
    """All numbers of a run but the seconds."""
    lines = [[value for key, value in vars(line).items() if key != "seconds"] for line in runner.history]
    return [matrix.tile.weights for matrix in runner.model.matrices], lines, runner.activity()


def assert_same(one, other):
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    assert one[1:] == other[1:]


class Killed(Exception):
    pass


@pytest.mark.parametrize("variant", VARIANTS, ids=["momentum", "sgd"])
@pytest.mark.parametrize("stop", [(2, 1), (3, 7), (5, 12)])
def test_a_run_stopped_anywhere_ends_like_one_that_was_not(tmp_path, variant, stop):
    whole = trainer(epochs=5, **variant)
    whole.run()

    def kill(progress):
        if (progress.epoch, progress.batch) == stop:
            raise Killed

    first = trainer(epochs=5, **variant)
    with pytest.raises(Killed):
        first.run(kill, tmp_path)
    second = trainer(epochs=5, **variant)
    second.run(checkpoints=tmp_path)
    assert_same(outcome(second), outcome(whole))
    assert second.history[0].seconds == first.history[0].seconds  # the first epoch was not run again


def test_a_finished_run_is_not_run_again(tmp_path):
    first = trainer(epochs=2)
    first.run(checkpoints=tmp_path)
    seen = []
    again = trainer(epochs=2)
    again.run(seen.append, tmp_path)
    assert seen == []
    assert_same(outcome(again), outcome(first))


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path):
    trainer(epochs=1).run(checkpoints=tmp_path)
    for other in (trainer(epochs=1, rate=0.1), trainer(epochs=1, seed=1), trainer(epochs=1, stacked=False)):
        with pytest.raises(ValueError, match="another experiment"):
            other.run(checkpoints=tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    trainer(epochs=1).run(checkpoints=tmp_path)
    file = tmp_path / checkpoint.FILE
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="no checkpoint"):
        trainer(epochs=1).run(checkpoints=tmp_path)


def test_a_write_that_fails_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    name = checkpoint.identity(experiment(), True)
    checkpoint.save(tmp_path, name, {"value": 1})

    def full(*arguments, **named):
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save(tmp_path, name, {"value": 2})
    assert checkpoint.load(tmp_path, name) == {"value": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == [checkpoint.FILE]


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {"numbers": [1, 2.5, "three"], "tiles": [{"weights": np.arange(6.0).reshape(2, 3), "none": {}}]}
    checkpoint.save(tmp_path, "me", state)
    back = checkpoint.load(tmp_path, "me")
    assert back["numbers"] == state["numbers"]
    assert np.array_equal(back["tiles"][0]["weights"], state["tiles"][0]["weights"])
    assert back["tiles"][0]["none"] == {}
    assert checkpoint.load(tmp_path / "elsewhere", "me") is None
