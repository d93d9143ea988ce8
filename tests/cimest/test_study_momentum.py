"""The study of rules on severe devices, on little data: its cells, that it goes on, and its table."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from cimest.explore import rates
from cimest.pricing import price_experiment
from tests.cimest.designs import script

FOLDER = Path(__file__).parents[2] / "examples" / "momentum"


@pytest.fixture(scope="module")
def study():
    return script(FOLDER / "study.py")


def test_cells_change_what_they_say(study):
    base = FOLDER / "mlp.yaml"
    ideal = study.Cell("ideal", "sgd").experiment(base, (), 0.01)
    assert ideal.chip.adc.kind == ideal.chip.backward_adc.kind == "ideal"
    made = study.Cell("+3/-3", "momentum, gamma 0.99", "forward 5 bits").experiment(base, (), 0.01)
    assert (made.chip.adc.kind, made.chip.adc.bits, made.chip.backward_adc.kind) == ("sar", 5, "ideal")
    assert made.training.rule.options["gamma"] == 0.99
    assert ideal.chip.device.update.law != made.chip.device.update.law == "nonlinearity_label"
    published = study.Cell("+6/-6", study.PUBLISHED, "backward 4 bits").experiment(base, (), 0.01)
    assert published.training.learning_rate.start == pytest.approx(0.16)
    assert (published.chip.adc.kind, published.chip.backward_adc.bits) == ("ideal", 4)


def test_the_study_runs_goes_on_and_writes(study, tmp_path):
    arguments = ["mlp", "--out", str(tmp_path), "--jobs", "1", "--devices", "ideal;+6/-6", "--rates", "0.01; 0.03"]
    for change in ("dataset={name: mnist_subset, train: 300, test: 100}", "network.hidden=[12]", "training.epochs=1"):
        arguments += ["--set", change]
    arguments += ["--search-set", "dataset.validation=50"]
    assert CliRunner().invoke(study.main, [*arguments, "--seeds", "1", "--rules", "momentum"]).exit_code == 0
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "trainings").iterdir()}
    assert len(before) == 2 * 2 + 2
    more = ["--seeds", "2", "--rules", "momentum;error feedback", "--converters", "exact;forward 5 bits"]
    one = ["--telling", "+6/-6; momentum; exact"]
    assert CliRunner().invoke(study.main, [*arguments, *more, *one]).exit_code == 0
    assert len(list((tmp_path / "trainings").iterdir())) == 2 * 4 + 8 + 1  # one seed of eight cells, two of one
    with (tmp_path / "study.csv").open() as file:
        assert [row["±"] == "nan" for row in csv.DictReader(file)].count(False) == 1
    found = CliRunner().invoke(study.main, [*arguments, *more])
    assert found.exit_code == 0, found.output
    after = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "trainings").iterdir()}
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * 4 + 2 * 8  # two step sizes of four pairs, two seeds of eight cells
    with (tmp_path / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["device"], row["rule"], row["converters"]) for row in rows] == [
        (device, rule, converter)
        for converter in ("exact", "forward 5 bits")
        for device in ("ideal", "+6/-6")
        for rule in ("momentum", "error feedback")
    ]
    reference = max(
        float(row["accuracy %"]) for row in rows if (row["device"], row["converters"]) == ("ideal", "exact")
    )
    for row in rows:
        assert float(row["gap"]) == pytest.approx(reference - float(row["accuracy %"]), abs=0.011)  # two decimals
        assert 0 < float(row["rule's share %"]) < 100  # both rules keep a matrix in DRAM
    exact, converted = (float(row["training mJ"]) for row in (rows[0], rows[4]))
    assert converted > exact  # a converter that is ideal takes no energy
    assert (tmp_path / "study.png").stat().st_size > 10_000


def test_the_two_best_step_sizes_are_tried_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr(rates, "CLOSE", 1.0)
    arguments = ["mlp", "--out", str(tmp_path), "--jobs", "1", "--devices", "ideal", "--seeds", "1", "--rules", "sgd"]
    for change in ("dataset={name: mnist_subset, train: 400, test: 100}", "network.hidden=[12]", "training.epochs=1"):
        arguments += ["--set", change]
    own = ["--search-set", "dataset={name: mnist_subset, train: 150, test: 100, validation: 50}"]
    own += ["--again-set", "dataset.validation=60", "--rates", "0.0001; 0.01; 0.03"]
    found = CliRunner().invoke(study.main, [*arguments, *own])
    assert found.exit_code == 0, found.output
    assert len(list((tmp_path / "trainings").iterdir())) == 3 + 2 + 1
    assert rates.at_an_end(0.03, (0.01, 0.03))
    assert not rates.at_an_end(0.03, (0.01, 0.03, 0.1))


def test_only_close_step_sizes_are_tried_again():
    assert rates.finalists({0.01: 0.5, 0.03: 0.7, 0.1: 0.68}) == [0.03, 0.1]
    assert rates.finalists({0.01: 0.69, 0.03: 0.7, 0.1: 0.68}) == [0.03, 0.01]
    assert rates.finalists({0.01: 0.5, 0.03: 0.7, 0.1: 0.66}) == [0.03]
    assert rates.finalists({0.01: 0.5}) == [0.01]


def test_the_rules_share_is_what_its_parts_take(study):
    """V passes DRAM, and no gradient of so small a network waits there for the update: all of that is the rule's."""
    for rule, own in (("sgd", set()), ("momentum", {"momentum"}), ("error feedback", {"residual"})):
        experiment = study.Cell("+6/-6", rule).experiment(FOLDER / "mlp.yaml", (), 0.01)
        priced = price_experiment(experiment)
        acting = sum(
            energy
            for (_, pass_, part), energy in priced.estimate.energy.items()
            if part in own or (part, pass_) == ("dram", "weight_update")
        )
        leaking = sum(energy for (_, _, part), energy in priced.estimate.leakage_energy().items() if part in own)
        assert study.rules_energy(priced, experiment) == pytest.approx(float(acting + leaking))
        assert (leaking > 0) == bool(own)
        assert own <= set(priced.parts)


@pytest.mark.parametrize(
    ("telling", "message"),
    [
        ("+6/-6; momentum", "no device, rule and converters"),
        ("+6/-6; momentun; exact", "no rule is named 'momentun'"),
        ("+3/-3; momentum; exact", "is not compared"),
    ],
)
def test_a_telling_cell_has_to_be_one_of_the_study(study, tmp_path, telling, message):
    arguments = ["mlp", "--out", str(tmp_path), "--devices", "+6/-6", "--rules", "momentum", "--telling", telling]
    found = CliRunner().invoke(study.main, arguments)
    assert found.exit_code == 2
    assert message in found.output
