"""Explanations: every number of a result has one, its terms sum to it, and wrong paths say what is allowed."""

import math

import pytest

from cimest.cli.main import main
from cimest.config import load
from cimest.explain import FORMULAS, explain, leaves
from cimest.result import read_result
from cimest.run import estimate
from hwlib.provenance import bibtex, sources
from hwlib.registry import UnknownName
from tests.cimest.designs import stopped_run
from tests.cimest.test_run import LENET


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder and result of an estimate without overlap, where times are plain sums."""
    out = tmp_path_factory.mktemp("estimate")
    return out, estimate(load(LENET, ["dataflow.overlap=false"]), out)


def test_every_number_is_explained_and_its_terms_sum_to_it(run):
    _, result = run
    for path, value in leaves({key: result[key] for key in ("metrics", "breakdown")}):
        answer = explain(result, path)
        assert answer.value == value
        assert answer.formula
        if answer.terms:
            assert sum(float(term["total"]) for term in answer.terms) == pytest.approx(value, rel=1e-9)
        if path.endswith("area_mm2") and path.startswith("breakdown"):
            expected = float(answer.inputs["instances"]) * float(answer.inputs["area of one [m²]"]) * 1e6
            assert expected == pytest.approx(value, rel=1e-9)


def test_formulas_name_numbers_that_exist(run):
    _, result = run
    paths = dict(leaves(result))
    for path, (_, inputs) in FORMULAS.items():
        assert path in paths
        assert inputs
        assert explain(result, path).inputs


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Result of a run of 3 epochs, 2 batches of 25 images each, that was stopped after the first."""
    changes = ["dataset.train=60", "dataset.test=20", "training.epochs=3", "training.batch=25", "seed=4"]
    out = tmp_path_factory.mktemp("stopped")
    stopped_run(load(LENET, changes), out)
    return read_result(out)


@pytest.mark.parametrize("path", ["metrics.training_energy_j", "metrics.training_time_s"])
def test_inputs_of_a_training_give_what_it_took(run, stopped, path):
    """The product that the formula says; whole batches of 60 images are 50 of them."""
    for result in (run[1], stopped):
        answer = explain(result, path)
        assert math.prod(answer.inputs.values()) == pytest.approx(answer.value, rel=1e-12)
    assert answer.inputs["training samples of an epoch"] == 50
    assert answer.inputs["epochs"] == 1


@pytest.mark.parametrize("changes", [[], ["dataflow.overlap=true", "dataflow.pipelined=true"], ["training=none"]])
def test_inputs_of_the_peak_power_give_it(changes):
    """Energy over time, and leakage, of the pass of the layer in which it occurs, or of a pipeline."""
    result = estimate(load(LENET, changes))
    answer = explain(result, "metrics.power_w.peak")
    leakage = answer.inputs.pop("metrics.leakage_w")
    assert all(result["metrics"]["power_w"]["peak_at"] in name for name in answer.inputs)
    energy, time = answer.inputs.values()
    assert energy / time + leakage == pytest.approx(answer.value, rel=1e-12)


def test_inputs_of_a_range_give_its_ends(run):
    """By the formula of the explanation; 1e-5 since it says the deviations to six digits."""
    _, result = run
    deviations = 1.28155
    for path in (path for path in FORMULAS if path.startswith("metrics.range.") and path.endswith(("low", "high"))):
        answer = explain(result, path)
        assert str(deviations) in answer.formula
        quantity = "area" if "area" in path else "energy"
        given = {key.split(".")[-1]: value for key, value in answer.inputs.items() if ".spread." in key}
        assert all(f".{quantity}." in key for key in answer.inputs if ".spread." in key)
        if "spread of dram" in answer.inputs:
            given["dram"] = answer.inputs["spread of dram"]
        squared = sum(
            answer.inputs[f"share of {name}"] ** 2 * math.expm1((math.log(factor) / deviations) ** 2)
            for name, factor in given.items()
        )
        half = deviations * math.sqrt(math.log1p(squared))
        (typical,) = (value for key, value in answer.inputs.items() if key.startswith("metrics."))
        assert typical * math.exp(-half if path.endswith("low") else half) == pytest.approx(answer.value, rel=1e-5)


def test_an_accuracy_was_measured(stopped):
    answer = explain(stopped, "accuracy.test")
    assert answer.value == stopped["history"][0]["test_accuracy"]
    assert answer.formula.startswith("measured, not computed")
    assert answer.inputs["test samples"] == 20
    assert answer.inputs["epochs"] == 1
    assert answer.inputs["experiment.dataset.name"] == "mnist_subset"
    assert answer.inputs["experiment.seed"] == 4


def test_an_accuracy_that_there_is_not_says_why(run, capsys):
    assert main(["explain", str(run[0]), "accuracy.test"]) == 2
    assert "an estimate does not train" in capsys.readouterr().err


def test_models_come_with_their_sources(run):
    _, result = run
    answer = explain(result, "breakdown.component.adc.energy_j")
    assert "neurosim_v2_1" in answer.sources
    assert answer.models["adc.convert"]
    assert answer.inputs["bits"] == 6


def test_a_wrong_path_names_the_closest(run):
    with pytest.raises(UnknownName, match=r"did you mean 'metrics\.area_mm2'"):
        explain(run[1], "metrics.aera_mm2")


def test_cite_prints_each_source_once(run, capsys):
    folder, result = run
    assert main(["cite", str(folder)]) == 0
    printed = capsys.readouterr().out
    for key in result["provenance"]["sources"]:
        assert printed.count(f"@misc{{{key},") == 1


def test_commands_say_what_is_missing(tmp_path, capsys):
    assert main(["explain", str(tmp_path), "metrics.area_mm2"]) == 2
    assert "holds no result.json" in capsys.readouterr().err


@pytest.mark.parametrize("key", sources())
def test_every_source_makes_balanced_bibtex(key):
    entry = bibtex(key)
    assert entry.count("{") == entry.count("}")
    assert entry.startswith(f"@misc{{{key},")
