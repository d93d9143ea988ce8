"""Comparison and search: bars that sum to the difference, the best of all designs, limits that are kept."""

import json

import numpy as np
import pytest

from cimest.cli.main import main
from cimest.compare import allowed, changed, differences, shown_apart, spelled, waterfall
from cimest.config import load
from cimest.estimate import energies
from cimest.explore.dataflow import optimise
from cimest.explore.dataflow_space import CHOICES, SIZES, with_sizes
from cimest.pricing import price_experiment
from cimest.result import read_result
from cimest.run import estimate, run
from tests.cimest.designs import experiment, stopped_run, vgg8
from tests.cimest.test_run import LENET


def test_bars_of_the_waterfall_sum_to_the_difference():
    one = vgg8(dataflow={"base": "naive"})
    other = vgg8(chip={"technology": "14nm", "adc": {"kind": "sar", "bits": 5}}, seed=3)
    steps = waterfall(one, other)
    ends = [price_experiment(side).estimate for side in (one, other)]
    assert steps[0].energy == pytest.approx(energies(ends[0])["system"], rel=1e-12)
    assert steps[-1].energy == pytest.approx(energies(ends[1])["system"], rel=1e-12)
    assert steps[-1].latency == pytest.approx(ends[1].time(), rel=1e-12)
    changed = {step.choice for step in steps[1:]}
    assert {"chip.technology", "chip.adc.kind", "chip.adc.bits", "dataflow.loop_order", "seed"} <= changed
    assert len(changed) == len(steps) - 1, "each choice has one bar"


@pytest.mark.parametrize(
    ("one", "other", "changes"),
    [
        ("chips/jia_2020", "chips/wan_2022", ()),
        ("chips/khaddam_2022", "chips/jia_2020", ()),
        ("vgg8_cifar10", "lenet5_mnist", ()),
        ("lenet5_mnist", "lenet5_mnist", ("training=none",)),
    ],
)
def test_chips_of_other_kinds_are_compared_through_chips_that_exist(one, other, changes):
    """Choices that need one another share a bar; the last bar ends at the other chip."""
    first, second = (load(LENET.parent / f"{name}.yaml", list(with_)) for name, with_ in ((one, ()), (other, changes)))
    steps = waterfall(first, second)
    there = price_experiment(second).estimate
    assert steps[-1].energy == pytest.approx(energies(there)["system"], rel=1e-12)
    assert len(steps) > 1


def test_inference_is_compared_by_its_own_operations(capsys):
    """Two operations for each multiply-accumulate of the forward pass, as in its own result."""
    path = str(LENET)
    assert main(["compare", path, "--with", "training=none", "--json"]) == 0
    own = estimate(load(path, ["training=none"]))["metrics"]["efficiency_tops_per_w"]
    assert json.loads(capsys.readouterr().out)["metrics"][1]["efficiency_tops_per_w"] == pytest.approx(own)


def test_equal_experiments_have_no_bars():
    assert len(waterfall(experiment(), experiment())) == 1
    assert list(differences(spelled(experiment(dataflow={"base": "optimised"})), spelled(experiment()))) == []


def test_sizes_as_arrays_price_as_each_alone():
    """The search's sweep equals single estimates, to rounding."""
    swept = ("chip.global_buffer.size", "chip.weight_gradient.buffer")
    grid = dict(zip(swept, np.meshgrid(*(SIZES[path][:3] for path in swept)), strict=True))
    together = price_experiment(with_sizes(vgg8(), grid)).estimate
    for at in np.ndindex(3, 3):
        alone = price_experiment(with_sizes(vgg8(), {path: float(sizes[at]) for path, sizes in grid.items()})).estimate
        assert np.broadcast_to(energies(together)["system"], (3, 3))[at] == pytest.approx(
            energies(alone)["system"], rel=1e-12
        )
        assert np.broadcast_to(together.time(), (3, 3))[at] == pytest.approx(alone.time(), rel=1e-12)


def small(**sections):
    """Two layers, batches of 50."""
    return experiment({"name": "mlp", "hidden": [16]}, **sections)


@pytest.fixture(scope="module")
def found():
    """The search for a small network."""
    return optimise(small(dataflow={"base": "naive"}), quick=True)


def test_the_best_is_no_worse_than_anything_tried(found):
    assert found.points >= found.feasible > 100
    assert found.objective <= found.start
    assert energies(price_experiment(found.best).estimate)["system"] == pytest.approx(found.objective, rel=1e-12)
    for base in ("naive", "optimised"):
        other = small(dataflow={"base": base})
        assert found.objective <= energies(price_experiment(other).estimate)["system"]
    assert all(ratio >= 1 - 1e-12 for ratio in found.mattered.values())


def test_no_single_choice_and_no_size_makes_the_best_better(found):
    """What the descent promises, checked with other code: every choice's values and every size, one by one."""
    data = spelled(found.best)
    for path, values in CHOICES.items():
        for value in values:
            point = allowed(changed(data, path, value))
            if point is not None:
                assert energies(price_experiment(point).estimate)["system"] >= found.objective * (1 - 1e-9), path
    for path, values in SIZES.items():
        swept = energies(price_experiment(with_sizes(found.best, {path: values})).estimate)["system"]
        assert np.min(swept) >= found.objective * (1 - 1e-9), path


def test_the_update_in_the_arrays_stands_apart(found):
    assert found.best.chip.weight_gradient.unit != "in_array"
    assert found.in_array > 0


def test_the_limits_are_kept_or_refused(found):
    """Nine tenths of the best's area, and buffers of 64 KiB together, of which the smallest take 48."""
    area, limit = sum(price_experiment(found.best).estimate.area.values()), 64 * 8 * 2.0**10
    smaller = optimise(small(), area_limit=0.9 * area, buffer_limit=limit, quick=True)
    assert sum(price_experiment(smaller.best).estimate.area.values()) <= 0.9 * area
    chip = smaller.best.chip
    assert chip.global_buffer.size + chip.weight_gradient.buffer + chip.weight_gradient.operand_buffer <= limit
    assert smaller.objective >= found.objective
    with pytest.raises(ValueError, match="the smallest takes"):
        optimise(small(), area_limit=area / 100, quick=True)


def test_commands(tmp_path, capsys):
    assert main(["compare", str(LENET), "--with", "dataflow=naive", "--out", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["steps"][-1]["energy"] == pytest.approx(answer["metrics"][1]["energy_per_sample_j"])
    assert {path.name for path in tmp_path.iterdir()} == {
        "compare.json", "waterfall.svg", "waterfall.png", "waterfall.pdf",
    }  # fmt: skip
    assert main(["compare", str(LENET), "--with", "chip.adc.bits=4"]) == 0
    assert "chip.adc.bits" in capsys.readouterr().out
    assert main(["optimise-dataflow", str(LENET), "--area", "1 nm^2", "--quick"]) == 2
    assert "keeps the area limit" in capsys.readouterr().err


def test_a_run_is_compared_with_its_own_activity(tmp_path, capsys):
    assert main(["estimate", str(LENET), "--out", str(tmp_path), "--quiet"]) == 0
    assert main(["compare", str(tmp_path), str(LENET), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 1
    assert main(["compare", str(tmp_path), "--with", "seed=1"]) == 2
    assert "finished run" in capsys.readouterr().err


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a run of two epochs, and of the same one stopped after its first."""
    small = load(LENET, ["dataset.train=50", "dataset.test=20", "training.epochs=2", "training.batch=25"])
    whole, stopped = (tmp_path_factory.mktemp(name) for name in ("whole", "stopped"))
    run(small, whole, quiet=True)
    stopped_run(small, stopped)
    return stopped, whole


def test_runs_are_compared_by_what_they_reached_and_took(runs, capsys):
    """As each result.json says; the stopped one took one epoch of two, of 50 images each."""
    results = [read_result(folder) for folder in runs]
    assert main(["compare", *map(str, runs), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["accuracy"] == [result["accuracy"] for result in results]
    for figures, result, samples in zip(answer["metrics"], results, (50, 100), strict=True):
        for key in ("training_energy_j", "training_time_s"):
            assert figures[key] == pytest.approx(result["metrics"][key], rel=1e-12)
        assert figures["training_energy_j"] == pytest.approx(samples * figures["energy_per_sample_j"], rel=1e-12)


def test_figures_are_written_as_in_other_tables(runs, capsys):
    """With units, and names without underscores."""
    assert main(["compare", *map(str, runs)]) == 0
    figures = capsys.readouterr().out.partition("B/A")[2]
    for name in ("Test accuracy", "Training energy", "Training time", "Bottleneck", "backward ADC", "mm²", "nJ", "µs"):
        assert name in figures
    assert "_" not in figures
    assert "10⁻" not in figures


def test_an_experiment_is_not_compared_with_itself(capsys):
    assert main(["compare", str(LENET), "--set", "seed=1"]) == 2
    assert "name B, or say with --with" in capsys.readouterr().err


def test_inference_has_no_bar_of_converters_that_it_lacks(tmp_path, capsys):
    """The bits of the backward ADC follow those of the other, but a chip that infers has none."""
    arguments = ["--set", "training=none", "--with", "chip.adc.bits=4", "--out", str(tmp_path), "--json"]
    assert main(["compare", str(LENET), *arguments]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [step["choice"] for step in answer["steps"]] == ["", "chip.adc.bits"]
    assert answer["steps"][-1]["energy"] == pytest.approx(answer["metrics"][1]["energy_per_sample_j"], rel=1e-12)
    drawing = (tmp_path / "waterfall.svg").read_text()
    assert "per inference" in drawing
    assert "training sample" not in drawing


def test_sections_of_the_same_name_show_what_differs():
    one, other = ({"name": "momentum", "gamma": gamma, "bits": 12} for gamma in (0.9, 0.5))
    assert shown_apart("training.rule", one, other) == ("gamma 0.9", "gamma 0.5")
    assert shown_apart("training.rule", one, {"name": "sgd"}) == ("momentum", "sgd")
    assert shown_apart("chip.adc.bits", 5, 6) == ("5", "6")
