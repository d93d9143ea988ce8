"""The recorded activity of the examples, and the study of the dataflow on a network that is small enough."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cimest.cli.main import main
from cimest.config import load
from cimest.explore import dataflow_space
from cimest.pricing import price_experiment
from tests.cimest.designs import script

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDED = ("vgg8_cifar10", "resnet18_cifar10", "lstm_characters", "transformer_sst2")

MLP = """
network: {name: mlp, hidden: [20]}
dataset: mnist_subset
chip:
  technology: 22nm
  device: {base: rram, states: 64}
  global_buffer: {size: 64 KiB}
training: {rule: momentum, batch: 50}
"""


@pytest.fixture(scope="module")
def study():
    return script(EXAMPLES / "backpropagation/study.py")


@pytest.mark.parametrize("name", RECORDED)
def test_an_example_rests_on_recorded_activity(name):
    """Relative to its file; the first key says how it was recorded; every layer is there and is no default."""
    exp = load(EXAMPLES / f"{name}.yaml")
    file = Path(exp.activity)
    text = json.loads(file.read_text())
    assert file.parent == EXAMPLES / "activity"
    assert next(iter(text)) == "command"
    assert text["command"].startswith("cimest run examples/")
    assert file.stat().st_size < 10_000
    priced = price_experiment(exp)
    assert priced.activity.origin.endswith(f"({file.name})")
    assert "updates" in priced.activity.origin
    assert set(priced.activity.layers) == set(text["layers"])


def test_activity_of_another_network_is_refused(capsys):
    assert main(["estimate", str(EXAMPLES / "vgg8_cifar10.yaml"), "--set", "network=lenet5"]) == 2
    assert "no activity for layer" in capsys.readouterr().err


def test_the_study_of_a_small_network(study, tmp_path, monkeypatch):
    """Each row's ratio is that of its energies; steps end where designs are; a search is never worse than its start."""
    (tmp_path / "mlp.yaml").write_text(MLP)
    monkeypatch.setattr(study, "CASES", {"MLP": (str(tmp_path / "mlp.yaml"), ())})
    monkeypatch.setattr(dataflow_space, "CHOICES", {"training.rule.storage": ("dram", "sram")})
    few = {
        path: values[::4] for path, values in dataflow_space.SIZES.items() if path.endswith("lanes") or "group" in path
    }
    monkeypatch.setattr(dataflow_space, "SIZES", few)
    result = CliRunner().invoke(study.main, ["--out", str(tmp_path / "out"), "--quick"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out/table.csv").open() as file:
        rows = {row["design"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["naive", "optimised", "best", "in array"]
    energy = {name: float(row["energy_uj"]) for name, row in rows.items()}
    assert energy["best"] <= energy["optimised"] < energy["naive"]
    for name, row in rows.items():
        assert float(row["to_naive"]) == pytest.approx(energy["naive"] / energy[name], rel=1e-4)
    # An update in the arrays has no momentum; V in DRAM takes 784 x 20 + 20 x 10 words of 12 bits, read twice and
    # written once a batch of 50, at 3.9 pJ/bit, beside the unit that averages.
    assert float(rows["in array"]["momentum_parts"]) == 0
    dram = (784 * 20 + 20 * 10) * 12 * 3 / 50 * 3.9e-6
    share = float(rows["naive"]["momentum_parts"]) / 100 * energy["naive"]
    assert dram < share < 1.2 * dram
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.csv", "energy.svg", "energy.png", "waterfall_mlp.svg", "waterfall_mlp.png", "best_mlp.yaml",
    }  # fmt: skip
    best = load(tmp_path / "out/best_mlp.yaml")
    assert sum(price_experiment(best).estimate.area.values()) * 1e6 == pytest.approx(float(rows["best"]["area_mm2"]))


def test_the_study_names_what_it_does_not_know(study, tmp_path):
    result = CliRunner().invoke(study.main, ["--out", str(tmp_path), "--only", "VGG"])
    assert result.exit_code == 2
    assert "allowed: VGG-8, 32 nm" in result.output
