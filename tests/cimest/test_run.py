"""Whole runs: the examples' totals, files and keys; kill and resume; threads; what Ctrl-C leaves."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cimest.cli
from cimest.activity import Activity
from cimest.caveats import learning_warnings
from cimest.config import load
from cimest.learning import Trainer, checkpoint
from cimest.pricing import batch_time, build_network
from cimest.report.headline import lifetime
from cimest.result import CHECKPOINT, read_result
from cimest.run import estimate, run

EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/*.yaml"))
EXPERIMENTS = [path for path in EXAMPLES if "network:" in path.read_text()]
LENET = next(path for path in EXAMPLES if path.stem == "lenet5_mnist")
STARTER = Path(cimest.cli.__file__).parent / "starter.yaml"
SMALL = ["dataset.train=150", "dataset.test=50", "training.epochs=3", "training.batch=25"]


def lasting(result):
    """All of a result but what depends on the clock."""
    for epoch in result["history"]:
        epoch.pop("seconds")
    return result


def start(out, **environment):
    """A run of the small LeNet as its own process."""
    command = [sys.executable, "-m", "cimest", "run", str(LENET), "--quiet", "--out", str(out)]
    for change in SMALL:
        command += ["--set", change]
    return subprocess.Popen(command, env={**os.environ, **environment}, cwd=LENET.parents[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    assert start(out).wait() == 0
    return out


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("dataflow", ["naive", "optimised"])
def test_totals_of_every_example_are_the_sums_of_their_parts(path, dataflow, tmp_path):
    result = estimate(load(path, [f"dataflow.base={dataflow}"]), str(tmp_path))
    with (tmp_path / "breakdown.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Sums of a few hundred doubles written with all their digits: 1e-9 is far above rounding.
    for parts in (rows, result["breakdown"]["pass"].values(), result["breakdown"]["component"].values()):
        energy = sum(float(part["energy_j"]) + float(part["leakage_energy_j"]) for part in parts)
        assert energy == pytest.approx(result["metrics"]["energy_per_sample_j"], rel=1e-9)
        latency = sum(float(part["latency_s"]) for part in parts)
        assert latency == pytest.approx(result["metrics"]["latency_per_sample_s"], rel=1e-9)
    area = sum(part["area_mm2"] for part in result["breakdown"]["component"].values())
    assert area == pytest.approx(result["metrics"]["area_mm2"], rel=1e-9)


def test_a_run_leaves_everything(whole):
    result = json.loads((whole / "result.json").read_text())
    assert set(result) >= {
        "experiment", "provenance", "accuracy", "metrics", "breakdown", "history", "warnings", "activity",
    }  # fmt: skip
    assert set(result["metrics"]["efficiency_tops_per_w"]) == {"macro", "chip", "system"}
    assert len(result["history"]) == 3
    assert result["accuracy"]["test"] == result["history"][-1]["test_accuracy"]
    assert result["provenance"]["activity"].startswith("measured")
    names = {path.name for path in whole.rglob("*")}
    assert {"result.json", "breakdown.csv", "history.csv", "activity.json", "report.html", "training.svg"} <= names
    spent = sum(epoch["energy_j"] for epoch in result["history"])
    assert spent == pytest.approx(result["metrics"]["training_energy_j"])


def test_a_recorded_activity_gives_the_price_of_its_run(whole):
    recorded = json.loads((whole / "result.json").read_text())
    again = estimate(load(LENET, [*SMALL, f"activity={whole / 'activity.json'}"]))
    for key in ("energy_per_sample_j", "latency_per_sample_s", "area_mm2"):
        assert again["metrics"][key] == recorded["metrics"][key]


def test_a_killed_run_continues_to_the_same_bits(whole, tmp_path):
    process = start(tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoint.npz").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "result.json").exists()
    assert start(tmp_path).wait() == 0
    one, other = (json.loads((folder / "result.json").read_text()) for folder in (whole, tmp_path))
    assert lasting(one) == lasting(other)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_changes_nothing(whole, tmp_path, threads):
    assert start(tmp_path, NUMBA_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads).wait() == 0
    one, other = (json.loads((folder / "result.json").read_text()) for folder in (whole, tmp_path))
    assert lasting(one) == lasting(other)


def test_ctrl_c_leaves_a_valid_result_so_far(monkeypatch, tmp_path):
    experiment = load(LENET, SMALL)
    train = Trainer.run

    def stopped(self, callback, checkpoints):
        def then_stop(step):
            callback(step)
            if step.epoch == 2 and step.batch == 3:
                raise KeyboardInterrupt

        return train(self, then_stop, checkpoints)

    monkeypatch.setattr(Trainer, "run", stopped)
    with pytest.raises(KeyboardInterrupt, match="after 1 epochs"):
        run(experiment, tmp_path, quiet=True)
    result = json.loads((tmp_path / "result.json").read_text())
    assert len(result["history"]) == 1
    assert any("interrupted after 1 of 3" in text for text in result["warnings"])
    monkeypatch.undo()
    resumed = run(experiment, str(tmp_path), quiet=True)
    assert len(resumed["history"]) == 3
    assert not any("interrupted" in text for text in resumed["warnings"])


def test_ctrl_c_in_the_first_epoch_leaves_a_price(monkeypatch, tmp_path):
    def stopped(self, callback, checkpoints):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", stopped)
    with pytest.raises(KeyboardInterrupt, match="after 0 epochs"):
        run(load(LENET, SMALL), tmp_path, quiet=True)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["accuracy"], result["metrics"]["training_energy_j"]) == (None, 0)
    worn = {**result, "metrics": {**result["metrics"], "lifetime_samples": 1e9}}
    assert lifetime(worn).note == "nothing was trained yet"


def test_a_folder_that_cannot_be_written_is_refused_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr("cimest.run.build_trainer", lambda experiment: pytest.fail("it trains"))
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(ValueError, match="cannot be a folder of results"):
            run(load(LENET, SMALL), out, quiet=True)
        with pytest.raises(ValueError, match="cannot be a folder of results"):
            estimate(load(LENET, SMALL), out)


def test_an_estimate_does_not_go_into_the_folder_of_a_run(whole):
    assert checkpoint.FILE == CHECKPOINT
    before = (whole / "result.json").read_text()
    with pytest.raises(ValueError, match="holds a run"):
        estimate(load(LENET, SMALL), whole)
    assert (whole / "result.json").read_text() == before


def test_an_empty_checkpoint_is_named(tmp_path):
    (tmp_path / checkpoint.FILE).write_bytes(b"")
    with pytest.raises(ValueError, match="is no checkpoint"):
        run(load(LENET, SMALL), tmp_path, quiet=True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_file_that_is_no_result_is_named(text, tmp_path):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ValueError, match=r"result\.json is no result of cimest"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: [], "holds no activity"),
        (lambda data: {"x": 1}, "holds no activity"),
        (lambda data: data["layers"]["fc1"].update(input_ones=-1), "input_ones of layer 'fc1' is -1; allowed: 0 to 1"),
        (lambda data: data["layers"]["fc1"].update(rows_written=5), "rows_written.*5; allowed: 0 to 1"),
        (lambda data: data["layers"]["fc1"].update(pulses_up=float("nan")), "pulses_up.*nan; allowed: 0 to inf"),
        (lambda data: data["layers"]["fc1"].update(pulses_up="1"), "pulses_up.*'1'"),
    ],
)
def test_activity_that_cannot_be_is_refused(change, message, whole, tmp_path):
    data = json.loads((whole / "activity.json").read_text())
    changed = change(data)
    (tmp_path / "activity.json").write_text(json.dumps(data if changed is None else changed))
    with pytest.raises(ValueError, match=message):
        Activity.load(tmp_path / "activity.json", build_network(load(LENET)))


def test_recorded_activity_is_a_warning(whole):
    changes = [*SMALL, f"activity={json.dumps(str(whole))}", "chip.adc.bits=3"]
    assert any("recorded: " in text for text in estimate(load(LENET, changes))["warnings"])
    assert not any("recorded: " in text for text in read_result(whole)["warnings"])


def test_activity_is_found_in_the_folder_of_its_run(whole):
    network = build_network(load(LENET))
    assert Activity.load(whole, network).layers == Activity.load(whole / "activity.json", network).layers


def test_another_experiment_does_not_take_up_the_checkpoint(whole):
    with pytest.raises(ValueError, match="belongs to another experiment"):
        run(load(LENET, [*SMALL, "seed=1"]), whole, quiet=True)


def test_what_training_leaves_out_is_a_warning():
    """Relaxation is that of cells written once; spread and write noise are simulated."""
    form = "{form: logarithm, mean_slope: -1 nS, sigma_slope: 1 nS, sigma_offset: 1 nS}"
    changes = ["write_noise=0.01", "update={law: soft_bounds}", "spread={upper_bound: 0.3}", f"relaxation={form}"]
    found = estimate(load(LENET, [f"chip.device.{change}" for change in changes]))["warnings"]
    assert ["relaxation" in text for text in found if "leaves out" in text] == [True]
    assert not any("leaves out" in text for text in estimate(load(LENET))["warnings"])


def test_an_ideal_converter_costs_nothing_and_the_result_says_so():
    result = estimate(load(LENET, ["chip.adc.kind=ideal"]))
    assert result["breakdown"]["component"]["adc"]["energy_j"] == 0
    assert any("chip.adc, chip.backward_adc: converters are ideal" in text for text in result["warnings"])


def test_the_ledger_teaches():
    """By hand: 9 % of what layer c converts forward clips, where 5 % is allowed; nothing else is amiss."""
    clean = {"clipped": dict.fromkeys(("forward", "backward", "weight_gradient"), 0.05), "worn_cells": 0.0,
             "saturated_cells": 0.2, "most_pulsed": 7, "reads": {"forward": 1.0, "backward": 1.1}}  # fmt: skip
    ledger = {"b": clean, "c": {**clean, "clipped": {**clean["clipped"], "forward": 0.09}}}
    chip = load(LENET, ["chip.adc.range=full"]).chip
    found = learning_warnings(ledger, chip)
    assert found == ["9 % of the partial sums clip in c, forward: raise chip.adc.bits or chip.adc.range"]
    fixed = load(LENET, ["chip.periphery={kind: whole_vector, output_range: 12}"]).chip
    assert "c, forward: raise chip.periphery.output_range" in learning_warnings(ledger, fixed)[0]
    worn = learning_warnings({"d": {**clean, "worn_cells": 0.02, "saturated_cells": 0.5}}, chip)
    assert "2 % of the cells of d are worn out" in worn[0]
    assert "50 % of the cells of d are at an end" in worn[1]


def test_a_drifting_device_is_given_the_time_that_the_chip_takes():
    exponent = "{form: polynomial, coefficients: [0.1]}"
    drift = f"{{start: 1 s, exponent_mean: {exponent}, exponent_sigma: {exponent}}}"
    changes = [f"chip.device.drift={drift}", *SMALL]
    drifting = load(LENET, changes)
    step = estimate(drifting)["metrics"]["latency_per_sample_s"] * drifting.training.batch
    assert batch_time(drifting) == pytest.approx(step, rel=1e-6)  # the same sum in another order
    assert batch_time(load(LENET, [*changes, "training.batch_time=3 s"])) == 3
    assert batch_time(load(LENET, SMALL)) == 0  # nothing drifts


def test_the_experiment_to_start_from_learns(tmp_path):
    """1 000 digits, once, teach it to read more than half of others; a tenth are right by chance."""
    changes = ["training.epochs=1", "dataset.train=1000", "dataset.test=300"]
    assert run(load(STARTER, changes), tmp_path, quiet=True)["accuracy"]["test"] > 0.5
