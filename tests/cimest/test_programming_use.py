"""Weight programming in use: its price, strategies in files, trained networks over time, and the command."""

import json

import numpy as np
import pytest

from cimest.cli.main import main
from cimest.config import load
from cimest.config.messages import ConfigError
from cimest.config.programming import Programming
from cimest.programming.ageing import age, compensated, programmed_matrices, read_matrices
from cimest.programming.cost import of_matrix, price, read_outs, slowest, tries
from cimest.programming.encoding import Encoding
from cimest.programming.error import Strategy
from cimest.programming.figures import time_label
from cimest.programming.moments import tabulate
from cimest.programming.population import named
from cimest.programming.study import limits, study
from cimest.programming.table import load_table, save_table
from cimest.programming.trained import from_file, from_run
from hwlib.devices import load_device

EXPERIMENT = """
network: {name: mlp, hidden: [16]}
dataset: {name: mnist_subset, train: 200, test: 100}
chip:
  device: ideal
  adc: {bits: 8}
training: {rule: sgd, epochs: 1, batch: 20}
programming: {device: pcm_mushroom, repeats: 2, times: [1 s, 1 day]}
"""

ELECTRICAL = {
    "read_voltage": 0.2,
    "read_time": 1e-7,
    "access_voltage": 1.1,
    "write_voltage": 2.0,
    "pulse_width": 1e-7,
    "states": 64,
    "cell_width": 20,
    "cell_height": 8,
}
"""What the published cell lacks, assumed: so that there is something to price."""


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of that experiment."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    assert main(["run", str(folder / "experiment.yaml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def pcm():
    return tabulate(load_device("pcm_mushroom"), (1.0, 86400.0))


def least_first(moments, factor=2.0):
    return Strategy.by_rule(Encoding.of(2, factor), np.linspace(0, 1, 101), "least_first", moments)


# --- cost


def test_tries_by_hand():
    """1 / P(|xi| < window): 1.05, 1.46, 2.61 and 5.07 writes within 2, 1, 0.5 and 0.25 deviations."""
    for window, expected in ((2, 1.05), (1, 1.46), (0.5, 2.61), (0.25, 5.07)):
        assert tries(window) == pytest.approx(expected, abs=6e-3)
    assert tries(None) == 1


def test_slowest_of_some_devices():
    """The largest of n geometric numbers: of one device its mean; against 20 000 draws of 50, 2 %."""
    assert slowest(1.0, 1) == pytest.approx(tries(1.0), rel=1e-9)
    drawn = np.random.default_rng(0).geometric(1 / tries(1.0), (20_000, 50)).max(axis=1).mean()
    assert slowest(1.0, 50) == pytest.approx(drawn, rel=0.02)
    assert slowest(None, 50) == 1


def test_price_of_significance(pcm, experiment):
    """With one-sided pairs the charge of a read is k W, whatever the split: (F + 1) times the mean weight and range,
    beside the smallest conductance of all devices (2 + 2 F times); the read is F times as long. By definition."""
    loaded, population = load(experiment), named("gaussian")
    for factor in (1.0, 2.0):
        found = price(least_first(pcm, factor), population, pcm.device, loaded, None)
        mean = population.density @ population.weights
        expected = (factor + 1) * (mean * pcm.span + 2 * pcm.lowest)
        assert found["read_conductance_s"] == pytest.approx(expected, rel=1e-9)
        assert found["read_time_ratio"] == factor
    assert found["raised_per_weight"] == pytest.approx(1.27, abs=0.03)  # the prototype's count for F = 2


def test_what_the_record_lacks_is_absent_with_its_reason(pcm, experiment):
    found = price(least_first(pcm), named("gaussian"), pcm.device, load(experiment), None)
    assert "array" not in found
    assert "pcm_mushroom has no" in found["absent"]["array"]


def test_verifying_costs(experiment):
    """A narrower window means more writes, more reads, more time; without one there are no reads."""
    device = load_device("pcm_mushroom", {**ELECTRICAL, "absent": "its update law"})
    moments, loaded = tabulate(device, (1.0,)), load(experiment)
    found = [
        price(least_first(moments), named("gaussian"), device, loaded, window)["array"] for window in (None, 2, 0.5)
    ]
    assert "verify_energy_j" not in found[0]
    for name in ("write_energy_j", "write_time_s"):
        assert found[0][name] < found[1][name] < found[2][name]
    for name in ("verify_energy_j", "verify_time_s"):
        assert 0 < found[1][name] < found[2][name]
    # by hand: 128 rows, a slot for the resets and one for the single write of the others, 100 ns each
    assert found[0]["write_time_s"] == pytest.approx(128 * 2 * 1e-7, rel=1e-9)


# --- limits and files


def test_limits_of_an_experiment(experiment):
    device = load_device("pcm_mushroom", {"read_voltage": 0.2, "absent": "its pulses"})
    allowed = limits(load(experiment, ["programming.longest_read=500 ns", "programming.largest_current=1 mA"]), device)
    assert allowed.factor == pytest.approx(2.0)  # a read of the published fit takes 250 ns
    assert allowed.conductance == pytest.approx(1e-3 / (0.2 * 128))
    with pytest.raises(ValueError, match="one read of device pcm_mushroom takes"):
        limits(load(experiment, ["programming.longest_read=100 ns"]), device)


def test_a_strategy_survives_its_file(tmp_path, pcm):
    strategy = least_first(pcm)
    save_table(strategy, tmp_path / "mine.csv")
    again = load_table(tmp_path / "mine.csv", pcm)
    assert np.array_equal(again.conductances, strategy.conductances)
    assert again.encoding.reach == pytest.approx(1)
    assert again.encoding.significance == (2.0, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weight,plus\n", "the first line of a strategy is weight,factor1"),
        ("weight,factor1,plus1_s,minus1_s\n0,1,0,x\n", "are 4 numbers"),
        ("weight,factor1,plus1_s,minus1_s\n0,1,1e-7,1e-7\n0.5,1,1e-5,1e-7\n", "rise from 0"),
        ("weight,factor1,plus1_s,minus1_s\n0,1,1e-7,1e-7\n1,1,1e-4,1e-7\n", "leave the range"),
        ("weight,factor1,plus1_s,minus1_s\n0,1,1e-7,1e-7\n1,1,1e-7,1e-7\n", "do not rise"),
    ],
)
def test_a_bad_strategy_is_refused(tmp_path, pcm, text, message):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_table(tmp_path / "mine.csv", pcm)


def test_weights_from_files(tmp_path):
    """Matrices are taken, vectors and what is no number are left."""
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.ones((2, 3, 3)), bias=np.ones(4), count=np.array([[1, 2]]))
    assert {name: matrix.shape for name, matrix in from_file(path).items()} == {"a": (2, 9)}
    with pytest.raises(FileNotFoundError, match="no file"):
        from_file(tmp_path / "other.npz")
    (tmp_path / "weights.txt").write_text("")
    with pytest.raises(ValueError, match=r"allowed: .npz, .safetensors, .onnx"):
        from_file(tmp_path / "weights.txt")
    np.savez(path, bias=np.ones(4))
    with pytest.raises(ValueError, match="no matrix"):
        from_file(path)


def test_weights_from_safetensors(tmp_path):
    """Written by the format's own library; numbers that are no weights are left."""
    safetensors = pytest.importorskip("safetensors.numpy")
    path, kernel = tmp_path / "weights.safetensors", np.random.default_rng(0).normal(size=(4, 3, 3)).astype(np.float32)
    safetensors.save_file({"conv": kernel, "bias": np.ones(4, np.float32), "steps": np.ones((2, 2), np.int64)}, path)
    found = from_file(path)
    assert list(found) == ["conv"]
    assert np.array_equal(found["conv"], kernel.reshape(4, 9))


def test_weights_from_onnx(tmp_path):
    """Initializers of a graph of one matrix product, by their names."""
    onnx = pytest.importorskip("onnx")
    path, matrix = tmp_path / "network.onnx", np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "fc.weight"], ["y"])],
        "one",
        [value("x", onnx.TensorProto.FLOAT, [1, 5])],
        [value("y", onnx.TensorProto.FLOAT, [1, 3])],
        [
            onnx.numpy_helper.from_array(matrix, "fc.weight"),
            onnx.numpy_helper.from_array(np.ones(3, np.float32), "fc.bias"),
        ],
    )
    onnx.save(onnx.helper.make_model(graph), path)
    found = from_file(path)
    assert list(found) == ["fc.weight"]
    assert np.array_equal(found["fc.weight"], matrix)


def test_price_of_a_network_by_hand(experiment):
    """Three arrays of 128 x 128 that 40 000 weights fill, written one beside the other; and a read-out at each of two
    times and of what was written, which known weights do without."""
    array = {"write_energy_j": 2.0, "write_time_s": 5.0, "compensation_energy_j": 3.0, "compensation_time_s": 7.0}
    full = 40_000 / 128**2
    found = of_matrix(array, 40_000, 3, load(experiment))
    assert found == {
        "arrays": 3,
        "write_energy_j": 2 * full,
        "write_time_s": 5.0,  # update_arrays is 16
        "compensation_energy_j": 3 * full * 3,
        "compensation_time_s": 7.0 * 3,
    }
    assert of_matrix(array, 40_000, 17, load(experiment))["write_time_s"] == 2 * 5.0
    for kind, count in (("none", 0), ("least_squares", 2), ("column", 3)):
        assert read_outs(load(experiment, [f"programming.compensation={kind}"]).programming) == count


# --- networks over time


def test_matrices_come_back_in_their_units(pcm):
    """Scatter apart, what is read is what was wanted: the rms is a few per cent of the largest weight, and grows."""
    matrices = {
        "a": np.random.default_rng(0).normal(0, 3, (40, 50)),
        "b": np.random.default_rng(1).normal(0, 0.1, (30, 20)),
    }
    strategies = dict.fromkeys(matrices, least_first(pcm))
    written = programmed_matrices(matrices, strategies, pcm.device, seed=1)
    for name, matrix in matrices.items():
        early, late = (
            np.sqrt(np.mean((read_matrices(matrices, written, time, n, "global")[name] - matrix) ** 2))
            for n, time in enumerate(pcm.times)
        )
        assert 0.01 < early / np.abs(matrix).max() < late / np.abs(matrix).max() < 0.05


def test_compensation():
    """Halved weights: global and least squares double them, columns each by its own; by hand."""
    wanted = np.array([[1.0, 2.0], [3.0, -4.0]])
    half = wanted / 2
    uneven = wanted * np.array([0.5, 0.25])
    for kind in ("global", "least_squares", "column"):
        assert compensated(kind, wanted, wanted, half) == pytest.approx(wanted)
    assert compensated("column", wanted, wanted, uneven) == pytest.approx(wanted)
    assert compensated("none", wanted, wanted, half) == pytest.approx(half)


def test_ageing_repeats_and_is_reproducible(pcm):
    """The same seed gives the same numbers; the squared distance to the wanted weights grows with time."""
    matrices = {"a": np.random.default_rng(0).normal(size=(40, 50))}

    def evaluate(weights):
        return float(np.mean((weights["a"] - matrices["a"]) ** 2)), 0.0

    found = [age(matrices, {"a": least_first(pcm)}, pcm.device, pcm.times, evaluate, 3, seed=5).loss for _ in range(2)]
    assert np.array_equal(*found)
    assert found[0].shape == (3, 2)
    assert np.all(found[0][:, 1] > found[0][:, 0])
    assert len(np.unique(found[0])) == 6


# --- the command


def test_program_prints_one_json_value(experiment, capsys):
    assert main(["program", str(experiment), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    error = result["error"]
    assert error["optimised"] <= error["naive"] < 1e-3
    rules = error["by_layer"]["gaussian"]["rules"]
    assert error["naive"] == min(rule["mean_square"] for rule in rules)
    parts = result["budget"]["optimised"]
    for number, rms in enumerate(error["rms"]["optimised"]):
        assert sum(part[number] for part in parts.values()) == pytest.approx(rms**2, rel=1e-6)
    # 65 536 weights: 1 % is four standard errors of their rms
    assert result["monte_carlo"]["rms"] == pytest.approx(error["rms"]["optimised"], rel=0.01)


def test_a_run_is_programmed_and_aged(run, capsys, monkeypatch):
    """Weights read from a run test as they did in training; aged ones are tested at every time; files are written."""
    monkeypatch.setattr("cimest.cli.program.FORMATS", ("svg",))
    trained = from_run(run)
    accuracy = json.loads((run / "result.json").read_text())["accuracy"]["test"]
    assert trained.evaluate(trained.matrices)[1] == pytest.approx(accuracy, abs=1e-12)
    assert main(["program", str(run), "--set", "programming.clip=true", "--set", "programming.rules=[most_first]"]) == 0
    assert "clipped" in capsys.readouterr().out
    out = run / "programming"
    result = json.loads((out / "programming.json").read_text())
    assert np.shape(result["accuracy"]["clipped"]["accuracy"]) == (2, 2)
    assert result["as_trained"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert set(result["error"]["by_layer"]) == set(trained.matrices)
    assert {path.name for path in (out / "figures").glob("*.svg")} == {"error.svg", "strategy.svg", "accuracy.svg"}
    assert len((out / "accuracy.csv").read_text().splitlines()) == 1 + 4 * 2 * 2
    rules = next(iter(result["error"]["by_layer"].values()))["ways"]
    assert rules["most_first"]["significance"] == [2.0, 1.0]
    assert rules["most_first"]["mean_square"] > rules["naive"]["mean_square"]
    assert main(["program", str(run), "--set", "chip.adc.bits=4"]) == 2
    assert "only values of programming" in capsys.readouterr().err


def test_a_run_takes_other_weights(run, tmp_path, capsys, monkeypatch):
    """Those of a file, if they are of the same layers and sizes: all zero but one, they tell nothing apart."""
    monkeypatch.setattr("cimest.cli.program.FORMATS", ("svg",))
    path, trained = tmp_path / "other.npz", from_run(run)
    zeros = {name: np.zeros_like(matrix) for name, matrix in trained.matrices.items()}
    for matrix in zeros.values():
        matrix[0, 0] = 1e-6
    np.savez(path, **zeros)
    option = f"programming.weights.file={path}"
    assert main(["program", str(run), "--set", option, "--json", "--set", "programming.repeats=1"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["as_trained"]["accuracy"] == pytest.approx(trained.evaluate(zeros)[1], abs=1e-12)
    assert result["as_trained"]["accuracy"] < trained.evaluate(trained.matrices)[1]
    np.savez(path, other=np.ones((3, 3)))
    assert main(["program", str(run), "--set", option]) == 2
    assert "holds other 3 x 3; the layers of the run are" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert main(["program", str(tmp_path)]) == 2
    assert "holds no result.json" in capsys.readouterr().err


def test_a_device_that_cannot_be_programmed_is_refused(experiment, capsys):
    assert main(["program", str(experiment), "--set", "programming.device=rram"]) == 2
    assert "neither programming nor relaxation" in capsys.readouterr().err


def test_a_device_is_completed_for_its_price(experiment, tmp_path, capsys):
    """Fields beside the base, as the reason says that none is priced without them; a wrong one is named."""
    fields = ", ".join(f"{name}: {value}" for name, value in ELECTRICAL.items())
    assert (
        main(["program", str(experiment), "--set", f"programming.device={{base: pcm_mushroom, {fields}}}", "--json"])
        == 0
    )
    cost = json.loads(capsys.readouterr().out)["cost"]["optimised"]
    assert cost["array"]["write_energy_j"] > 0
    assert "network" not in cost  # a density is not of any size
    assert main(["program", str(experiment), "--set", "programming.device={base: pcm_mushroom, pulse_wid: 1}"]) == 2
    assert "did you mean 'pulse_width'" in capsys.readouterr().err


def test_methods_and_an_own_strategy(experiment, pcm, tmp_path):
    """A strategy of one's own stands beside the others with the error that the rule has whose table it is."""
    save_table(least_first(pcm), tmp_path / "mine.csv")
    found = study(load(experiment, [f"programming.strategy={tmp_path / 'mine.csv'}", "programming.weights=laplace"]))
    rules = found.comparisons["laplace"].rules
    usual = next(way for way in rules if way.rule == "least_first" and way.strategy.encoding.significance[0] == 2)
    assert found.result["error"]["own"] == pytest.approx(usual.error.mean_square, rel=1e-6)


def test_bad_values_are_refused(experiment):
    for override, message in (("weights=cauchy", "gaussian"), ("pairs=9", "4"), ("strategy=none.csv", "no file")):
        with pytest.raises(ConfigError, match=message):
            load(experiment, [f"programming.{override}"])
    assert Programming().pairs == 2


def test_times_for_people():
    assert [time_label(time) for time in (0, 1, 90, 3600, 86400, 2592000, 31536000)] == [
        "t0", "1 s", "1.5 min", "1 h", "1 d", "1 mo", "1 y",
    ]  # fmt: skip
