"""The study of the Tiki-Taka rules on little data, its reference in floating point, and equal step-size searches."""

import csv
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from cimest.config import load
from cimest.explore import rates
from tests.cimest.designs import script

FOLDER = Path(__file__).parents[2] / "examples" / "tiki_taka"

SMALL = ("dataset={name: mnist_subset, train: 300, test: 100}", "network.hidden=[12]")


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(FOLDER))  # as where it is run as a script
    yield script(FOLDER / "study.py")
    sys.path.remove(str(FOLDER))


class Known:
    """Trainings whose accuracy is known: a parabola of the step size's logarithm, highest at 0.01."""

    def __init__(self):
        self.asked = []

    def run(self, experiments):
        self.asked = list(experiments)

    def accuracy(self, experiment):
        rate = experiment.training.learning_rate.start
        return (np.nan if rate == 7 else 1 - np.log10(rate / 0.01) ** 2 / 10), 0.1, 1

    def records(self, experiment):
        return [{"history": [{"test_accuracy": self.accuracy(experiment)[0], "test_loss": experiment.seed}]}]

    def error(self, experiment):
        return "too large"


def test_a_search_trains_all_candidates_at_once_and_finds_the_best(study):
    made = {
        cell: lambda rate, cell=cell: study.STUDIES["fcn"].experiment(cell, rate, True)
        for cell in (study.Cell("sgd", 20), study.Cell("agad", 20))
    }
    runs = Known()
    tried = rates.search(runs, made, dict.fromkeys(made, (0.003, 0.01, 0.1)))
    assert len(runs.asked) == 6
    assert all(one.dataset.validation == study.HELD_OUT for one in runs.asked)
    assert {rates.best(found) for found in tried.values()} == {0.01}
    assert rates.best({0.1: 0.9, 0.03: 0.9}) == 0.03  # of equals the smallest
    with pytest.raises(RuntimeError, match="too large"):
        rates.search(runs, made, dict.fromkeys(made, (0.01, 7)))


def test_options_that_are_no_names_or_numbers_are_refused():
    assert rates.chosen("a; b", ("a", "b", "c"), "rule") == ["a", "b"]
    assert rates.chosen(None, ("a", "b"), "rule") == ["a", "b"]
    assert rates.numbers("0.1; 2") == [0.1, 2]
    assert rates.numbers(None) == []
    with pytest.raises(click.BadParameter, match=r"no rule is named 'd' \(allowed: a; b\)"):
        rates.chosen("d", ("a", "b"), "rule")
    with pytest.raises(click.BadParameter, match="no list of numbers"):
        rates.numbers("1, 2")


def test_cells_change_what_they_say(study):
    made = study.STUDIES["tolerance"].experiment(study.Cell("tiki_taka", 50, 10.0, 10.0), 0.02)
    assert made.chip.device.cycle_to_cycle.sigma == pytest.approx(10 * 0.3 / 50)  # of half the range a step is 2 / 50
    assert made.chip.adc.noise == made.chip.backward_adc.noise == 12.75
    assert made.training.learning_rate.start == 0.02
    plain = study.STUDIES["fcn"].experiment(study.Cell("tiki_taka_v2", 20), 0.03)
    assert plain.chip == load(study.FCN).chip  # the experiment file is the study's own setting


def test_cells_of_a_study(study):
    assert len(study.cells_of("fcn", study.STUDIES["fcn"].rules, study.STATES)) == 1 + 9 * 4
    tolerance = study.cells_of("tolerance", ["tiki_taka", "tiki_taka_v2"], [10, 20])
    assert {(cell.cycle, cell.read) for cell in tolerance} == {(1, 1), (10, 1), (100, 1), (1, 10)}


def test_the_reference_learns_and_is_kept(study, tmp_path):
    made = load(study.FCN, [*SMALL, "training.epochs=3", "training.learning_rate.start=0.05"])
    history = study.train(made, tmp_path)
    # ten digits by chance are a tenth; 300 of them teach more than half of the others
    assert history[-1]["test_accuracy"] > 0.5
    assert history[-1]["test_loss"] < history[0]["test_loss"] < np.log(10)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    assert study.train(made, tmp_path) == history
    assert file.stat().st_mtime_ns == before


def test_the_recurrent_reference_descends_along_the_slope(study):
    """Central differences in double precision; cells of single precision leave some 1e-3."""
    recurrent, rng = sys.modules["reference_lstm"], np.random.default_rng(0)
    weights = [one.astype(float) for one in recurrent.first_weights(rng, (7, 3, 4, 2))]
    tokens, labels = rng.integers(0, 7, (5, 6)), rng.integers(0, 7, (5, 6))
    value, _, gradients = recurrent.loss(weights, tokens, labels)
    assert value == pytest.approx(np.log(7), rel=0.2)
    for one, gradient in zip(weights, gradients, strict=True):
        slopes = np.empty_like(one)
        for place in np.ndindex(one.shape):
            ends = []
            for step in (1e-3, -1e-3):
                one[place] += step
                ends.append(recurrent.loss(weights, tokens, labels, learn=False)[0])
                one[place] -= step
            slopes[place] = (ends[0] - ends[1]) / 2e-3
        np.testing.assert_allclose(gradient, slopes, atol=0.01 * np.abs(slopes).max())


def test_step_sizes_are_told_apart_by_accuracy_or_loss(study):
    epoch = {"test_loss": 0.7, "test_accuracy": 0.8}
    assert study.STUDIES["fcn"].merit(epoch) == 0.8
    assert study.STUDIES["lstm"].merit(epoch) == -0.7
    assert (study.held_out(0.8), study.held_out(-np.log(4))) == ("80.0 %", "2.000 bit")


def test_the_study_runs_resumes_and_writes(study, tmp_path):
    arguments = ["fcn", "--out", str(tmp_path), "--states", "20", "--epochs", "1", "--jobs", "1", "--seeds", "2"]
    arguments += ["--rates", "0.03; 0.1", "--search-set", "dataset.validation=50"]
    for change in SMALL:
        arguments += ["--set", change]
    assert CliRunner().invoke(study.main, [*arguments, "--rules", "sgd"]).exit_code == 0
    before = {file.name for file in (tmp_path / "trainings").iterdir()}
    found = CliRunner().invoke(study.main, [*arguments, "--rules", "float; sgd"])
    assert found.exit_code == 0, found.output
    added = {file.name for file in (tmp_path / "trainings").iterdir()} - before
    assert {name.split("_")[0] for name in added} == {"float"}  # the others were there
    with (tmp_path / "fcn.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rule"] for row in rows] == ["float", "sgd"]
    assert float(rows[1]["training mJ"]) > 0
    assert float(rows[1]["gap"]) == pytest.approx(
        float(rows[0]["accuracy %"]) - float(rows[1]["accuracy %"]), abs=0.011
    )
    assert {file.name for file in tmp_path.glob("fcn*.png")} == {"fcn.png", "fcn_epochs.png"}
