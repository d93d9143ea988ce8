"""Where commands write: refused in plain words before anything takes long, and said afterwards."""

import numpy as np
import pytest

from cimest.cli.main import main
from tests.cimest.test_run import LENET
from tests.cimest.test_sweep import write

WORK = {
    "sweep": "cimest.explore.study.run_sweep",
    "merge": "cimest.explore.store.gather",
    "compare": "cimest.compare.waterfall",
    "plot": "cimest.explore.report.draw",
    "validate": "cimest.validate.validate",
    "program": "cimest.programming.study.study",
    "optimise-dataflow": "cimest.explore.dataflow.optimise",
    "extract": "cimest.cli.extract._extracted",
}
"""Command to what takes its time."""


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Command to arguments that are good but for `--out`; no work may begin."""

    def never(*_, **__):
        raise AssertionError("the folder must be refused before the work begins")

    for function in WORK.values():
        monkeypatch.setattr(function, never)
    monkeypatch.setattr("cimest.explore.store.read", lambda folder: (None, {}))
    sweep = str(write(tmp_path, "axes: {chip.adc.bits: [4, 5]}"))
    return {
        "sweep": [sweep],
        "merge": [sweep, str(tmp_path)],
        "compare": [str(LENET), "--with", "chip.adc.bits=4"],
        "plot": [str(tmp_path)],
        "validate": [],
        "program": [str(LENET)],
        "optimise-dataflow": [str(LENET)],
        "extract": [str(tmp_path)],
    }


@pytest.mark.parametrize("command", WORK)
def test_a_file_is_no_folder_of_results(command, arguments, tmp_path, capsys):
    file = tmp_path / "taken"
    file.write_text("")
    out = file / "weights.npz" if command == "extract" else file
    assert main([command, *arguments[command], "--out", str(out)]) == 2
    assert f"{file} cannot be a folder of results" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["folder", "weights", "experiment.yaml"])
def test_averaged_weights_go_to_a_file_that_says_what_it_is(arguments, name, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    assert main(["extract", *arguments["extract"], "--out", str(tmp_path / name)]) == 2
    assert ".npz file; name one, such as" in capsys.readouterr().err


def test_extraction_says_where_the_weights_are(tmp_path, monkeypatch, capsys):
    found = {"accuracy": {"last": 0.5}, "readings": 1, "energy_j": 1.0, "time_s": 1.0, "device": "rram"}
    found |= {"learning_rate": 0.1, "means": {"fc1": np.ones(3)}}
    monkeypatch.setattr("cimest.cli.extract._extracted", lambda *_: found)
    file = tmp_path / "made" / "weights.npz"
    assert main(["extract", str(tmp_path), "--out", str(file)]) == 0
    assert str(file) in capsys.readouterr().out.replace("\n", "")
    with np.load(file) as means:
        assert list(means) == ["fc1"]
