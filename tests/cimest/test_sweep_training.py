"""Accuracy in the loop: what needs a training of its own, and that none is lost, repeated or different elsewhere."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from cimest.cli.main import main
from cimest.config import Experiment, load
from cimest.config.loader import resolved
from cimest.explore.functional import NEUTRAL, NEUTRAL_CHOICES, WHILE_ZERO, functional, key
from cimest.explore.study import run_sweep
from cimest.explore.sweep import Stop, read_sweep
from cimest.explore.training import hopeless, read_record, train
from cimest.explore.workers import Cluster, Here, Pool
from cimest.run import build_trainer
from hwlib.devices import Device
from tests.cimest.test_sweep import write

ROOT = Path(__file__).parents[2]
AXES = """
axes:
  chip.adc.bits: [4, 8]
  chip.technology: [22nm, 65nm]
  chip.global_buffer.size: [64 KiB, 1 MiB]
accuracy: {repeats: 2}
"""


def small(tmp_path, **changes):
    """The experiment of the sweep tests."""
    write(tmp_path, "")
    return load(tmp_path / "chip.yaml", [f"{path}={value}" for path, value in changes.items()])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training.rule": "sgd", "chip.weight_gradient.unit": "digital"},
        {"chip.mapping": "kernel_position", "chip.adc.noise": "0.5", "dataflow": "naive", "network": "lenet5"},
        {"chip.adc.range": "full", "chip.weight_gradient.adc_range": "full", "chip.adc.kind": "flash"},
    ],
)
def test_training_never_reads_what_is_neutral(tmp_path, monkeypatch, changes):
    """Every field of the experiment that training reads is noted; none of them may be declared neutral."""
    experiment = small(tmp_path, **{"training.epochs": 1, **changes})
    sections = {}

    def note(section, path):
        sections[id(section)] = path
        for name, value in section.__dict__.items():
            if isinstance(value, BaseModel):
                note(value, f"{path}.{name}" if path else name)

    note(experiment, "")
    read = set()
    for model in (type(experiment).__mro__[1], Device):  # the sections' base, and the device
        original = model.__getattribute__

        def watched(self, name, original=original):
            if id(self) in sections and name in type(self).model_fields:
                read.add(f"{sections[id(self)]}.{name}".lstrip("."))
            return original(self, name)

        monkeypatch.setattr(model, "__getattribute__", watched)
    trainer = build_trainer(experiment)
    trainer.run()
    trainer.activity()
    assert "chip.adc.bits" in read  # the watch works
    inside = {other for other in read if any(other == path or other.startswith(f"{path}.") for path in NEUTRAL)}
    assert not inside


def test_neutral_changes_have_the_same_key_and_others_have_not(tmp_path):
    start = key(small(tmp_path))
    for path, value in {
        "chip.technology": "65nm",
        "chip.global_buffer.size": "16 KiB",
        "chip.adc.columns_per_adc": 4,
        "chip.dram.kind": "gddr5",
        "dataflow.overlap": "false",
        "dataflow.activations": "dram",
    }.items():
        assert key(small(tmp_path, **{path: value})) == start, path
    differing = small(tmp_path, **{"chip.adc.offset": 0.5})
    assert key(differing) != key(small(tmp_path, **{"chip.adc.offset": 0.5, "chip.adc.columns_per_adc": 4}))
    for path, value in {
        "chip.adc.bits": 5,
        "chip.backward_adc.bits": 5,
        "chip.array.rows": 32,
        "chip.device.states": 32,
        "training.rule": "sgd",
        "dataflow.loop_order": "image_outer",
        "seed": 1,
    }.items():
        assert key(small(tmp_path, **{path: value})) != start, path


def test_what_is_neutral_under_a_condition_trains_alike(tmp_path):
    """Choices of the schedule, and who shares a converter while all converters are alike: equal to the bit."""
    assert set(NEUTRAL_CHOICES) == {"accumulate", "activations", "overlap", "early", "room"}
    changes = {"dataflow.overlap": "false", "dataflow.activations": "dram", "dataflow.gradient.accumulate": "dram"}
    changes |= {"dataflow.gradient.early": "false", "dataflow.gradient.room": "own"}
    shared = {"chip.adc.columns_per_adc": 4, "chip.backward_adc.columns_per_adc": 2}
    shared |= {"chip.weight_gradient.columns": 64, "chip.weight_gradient.columns_per_adc": 4}
    assert set(shared) == set(WHILE_ZERO)
    histories = []
    for experiment in (small(tmp_path), small(tmp_path, **changes, **shared)):
        trainer = build_trainer(experiment)
        trainer.run()
        histories.append([(epoch.loss, epoch.pulses, epoch.test_accuracy) for epoch in trainer.history])
    assert histories[0] == histories[1]


def test_one_training_for_each_functional_configuration(tmp_path):
    """8 points, 2 precisions, 2 seeds: 4 trainings; a second sweep of the same folder runs none."""
    sweep = read_sweep(write(tmp_path, AXES))
    study = run_sweep(sweep, tmp_path / "out")
    counts = {
        "distinct": 4,
        "done": 4,
        "run_now": 4,
        "left_out": 0,
        "failed": 0,
        "given_up": 0,
        "starts": 4,
        "epochs": 8,
    }
    assert {name: study.summary["trainings"][name] for name in counts} == counts
    accuracy = study.dataset["accuracy"].to_numpy()
    assert (accuracy == accuracy[:, :1, :1]).all()
    assert np.isfinite(study.dataset["accuracy_std"].to_numpy()).all()
    again = run_sweep(sweep, tmp_path / "out")
    assert again.summary["trainings"]["run_now"] == 0
    assert again.dataset.identical(study.dataset)


def test_a_point_is_priced_with_its_own_activity(tmp_path):
    """As `cimest run` prices it: with what was measured, here of one seed."""
    from cimest.explore.cost import figures
    from cimest.pricing import price_experiment

    text = "axes: {chip.adc.bits: [4, 8]}\naccuracy: {repeats: 1}"
    study = run_sweep(read_sweep(write(tmp_path, text)), tmp_path / "out")
    experiment = small(tmp_path, **{"chip.adc.bits": 4})
    trainer = build_trainer(experiment)
    trainer.run()
    priced = figures(experiment, price_experiment(experiment, trainer.activity()), False)
    assert float(study.dataset["energy_system_j"][0]) == pytest.approx(priced["energy_system_j"], rel=1e-12)
    assert float(study.dataset["accuracy"][0]) == trainer.history[-1].test_accuracy


def test_a_pool_finds_the_same(tmp_path):
    sweep = read_sweep(write(tmp_path, AXES))
    here = run_sweep(sweep, tmp_path / "here", Here())
    pool = run_sweep(sweep, tmp_path / "pool", Pool(2))
    assert pool.dataset.identical(here.dataset)


def test_a_killed_sweep_goes_on(tmp_path):
    """SIGKILL as soon as two trainings are done: the same result, every epoch needed computed once or taken up."""
    path = write(tmp_path, AXES.replace("[4, 8]", "[4, 6, 8]"))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cimest", "sweep", str(path), "--out", str(out), "--workers", "1", "--quiet"]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(list((out / "trainings").glob("*.json"))) < 2:
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {file.name: file.read_bytes() for file in (out / "trainings").glob("*.json")}
    study = run_sweep(read_sweep(path), out)
    assert study.summary["trainings"]["run_now"] == 6 - len(kept)
    assert study.summary["trainings"]["epochs"] == 12
    assert all((out / "trainings" / name).read_bytes() == content for name, content in kept.items())
    whole = run_sweep(read_sweep(path), tmp_path / "whole")
    assert study.dataset.identical(whole.dataset)


def test_a_training_takes_up_its_checkpoint(tmp_path):
    """One epoch is there already: the record says that the second start began after it."""
    experiment = small(tmp_path)
    name, folder = key(experiment), tmp_path / "trainings"
    trainer = build_trainer(experiment)

    def stop(step):
        if step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(stop, checkpoints=folder / name)
    record = train(resolved(experiment), name, str(folder), None)
    assert [attempt["from_epoch"] for attempt in record["attempts"]] == [1]
    trainer = build_trainer(experiment)
    trainer.run()
    assert [epoch["test_accuracy"] for epoch in record["history"]] == [epoch.test_accuracy for epoch in trainer.history]
    assert not (folder / name).exists()
    assert read_record(folder, name) == json.loads(json.dumps(record))


def test_hopeless_trainings_end_early_and_can_be_taken_up(tmp_path):
    """No accuracy is below 1, so everything is hopeless; without the rule, the same folder trains on."""
    text = "axes: {chip.adc.bits: [4, 8]}\naccuracy: "
    hard = run_sweep(read_sweep(write(tmp_path, text + "{stop: {after: 1, below: 1}}")), tmp_path / "out")
    assert hard.summary["trainings"]["given_up"] == 2
    assert hard.dataset["epochs"].to_numpy().tolist() == [1, 1]
    easy = run_sweep(read_sweep(write(tmp_path, text + "{}")), tmp_path / "out")
    assert easy.dataset["epochs"].to_numpy().tolist() == [2, 2]
    fresh = run_sweep(read_sweep(write(tmp_path, text + "{}")), tmp_path / "fresh")
    assert easy.dataset.identical(fresh.dataset)
    assert not hopeless([{"test_accuracy": 0.5}], Stop(after=1, below=0.5))


def test_a_budget_leaves_points_out(tmp_path):
    text = AXES + "\n"
    study = run_sweep(
        read_sweep(write(tmp_path, text.replace("repeats: 2", "budget: {trainings: 1}"))), tmp_path / "out"
    )
    assert study.summary["trainings"]["left_out"] == 1
    assert int(study.dataset["accuracy"].isnull().sum()) == 4
    assert study.dataset["energy_system_j"].notnull().all()


def test_points_beyond_a_limit_of_cost_are_not_trained(tmp_path):
    """No chip fits on 1e-9 mm²."""
    text = "axes: {chip.array.rows: [32, 64]}\naccuracy: {}\nlimits: {area_mm2: {max: 1e-9}}"
    study = run_sweep(read_sweep(write(tmp_path, text)), tmp_path / "out")
    assert study.summary["trainings"]["distinct"] == 0
    assert study.summary["feasible"] == 0


def test_shards_merge_into_the_whole(tmp_path, capsys):
    path = write(tmp_path, AXES)
    for i in (1, 2):
        assert (
            main(
                ["sweep", str(path), "--shard", f"{i}/2", "--out", str(tmp_path / f"s{i}"), "--workers", "1", "--quiet"]
            )
            == 0
        )
    done = [len(list((tmp_path / f"s{i}" / "trainings").glob("*.json"))) for i in (1, 2)]
    assert sum(done) == 4
    capsys.readouterr()
    code = main(
        ["merge", str(path), *(str(tmp_path / f"s{i}") for i in (1, 2)), "--out", str(tmp_path / "all"), "--json"]
    )
    assert code == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["trainings"]["run_now"] == 0
    assert summary["trainings"]["left_out"] == 0
    whole = run_sweep(read_sweep(path), tmp_path / "whole")
    assert summary["front"] == whole.summary["front"]


def test_a_search_finds_the_best_of_a_small_space(tmp_path):
    """Twelve points, all of which it may look at: its best is the grid's; a second search asks for nothing new."""
    pytest.importorskip("optuna")
    from cimest.explore.search import search

    axes = "axes: {chip.adc.bits: {from: 3, to: 8}, chip.technology: [22nm, 65nm]}\n"
    grid = run_sweep(read_sweep(write(tmp_path, axes)), tmp_path)
    sweep = read_sweep(write(tmp_path, axes + "search: {points: 12, batch: 4}"))
    found = [search(sweep, tmp_path, Here()) for _ in range(2)]
    assert found[0].dataset.identical(found[1].dataset)
    assert found[0].summary["points"] >= 10
    best = float(grid.dataset["efficiency_system_tops_per_w"].max())
    assert float(found[0].dataset["efficiency_system_tops_per_w"].max()) == pytest.approx(best, rel=1e-9)


def test_the_functional_part_is_what_the_key_hashes(tmp_path):
    part = functional(small(tmp_path))
    assert "chip.adc.bits" in part
    assert "dataflow.loop_order" in part
    assert not {path for path in part if path.startswith(NEUTRAL)}
    assert isinstance(small(tmp_path), Experiment)


def test_a_cluster_survives_the_death_of_a_worker(tmp_path):
    """Two worker processes, one killed after the first training: the same dataset as here, no epoch computed twice
    but those since the last checkpoint of the training that died."""
    distributed = pytest.importorskip("distributed")
    sweep = read_sweep(write(tmp_path, AXES.replace("[4, 8]", "{from: 3, to: 8}").replace("repeats: 2", "repeats: 1")))
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster:
        workers = Cluster(cluster.scheduler_address)
        (first, *_) = workers.client.run(os.getpid).values()

        def kill(what, done, total):
            if what == "trainings" and done == 1:
                os.kill(first, signal.SIGKILL)

        study = run_sweep(sweep, tmp_path / "cluster", workers, progress=kill)
    here = run_sweep(sweep, tmp_path / "here")
    assert study.dataset.identical(here.dataset)
    trained = study.summary["trainings"]
    assert (trained["done"], trained["epochs"]) == (6, 12)
    assert 6 <= trained["starts"] <= 7
