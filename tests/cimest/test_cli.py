"""The command line: lazy help, exit codes, messages, and the commands that need no simulation."""

import json
import subprocess
import sys
from types import ModuleType

import click
import pytest

from cimest.cli.catalogue import KINDS
from cimest.cli.main import COMMANDS, cli, main
from cimest.config import load

MINIMAL = "network: lenet5\ndataset: {name: mnist_subset}\nchip: {device: rram}\n"


@pytest.fixture
def experiment(tmp_path):
    """A small experiment's file."""
    file = tmp_path / "experiment.yaml"
    file.write_text(MINIMAL)
    return file


@pytest.fixture
def engine(monkeypatch):
    """Stands in for cimest.run and the tables, and records its calls: what is tested here is the command line."""
    calls = []
    module, tables = ModuleType("cimest.run"), ModuleType("cimest.report.tables")
    module.run = lambda experiment, out, quiet: calls.append((experiment, out, quiet)) or {"metrics": {"area_mm2": 1.5}}
    module.estimate = lambda experiment, out: calls.append((experiment, out)) or {"metrics": {"area_mm2": 2.5}}
    tables.print_result = lambda result, console: console.print("area", result["metrics"]["area_mm2"])
    report = ModuleType("cimest.report")
    report.tables = tables
    for name, stand_in in (("cimest.run", module), ("cimest.report", report), ("cimest.report.tables", tables)):
        monkeypatch.setitem(sys.modules, name, stand_in)
    return calls


def fail_with(monkeypatch, error):
    """Make the command `list networks` raise an error."""

    def raise_it():
        raise error

    monkeypatch.setitem(KINDS, "networks", raise_it)
    return main(["list", "networks"])


# --- help


def test_help_imports_nothing_heavy():
    """What takes more than a tenth of a second to import: measured by name, since time depends on the machine."""
    heavy = "{'numpy', 'pydantic', 'rich', 'numba', 'yaml', 'pint', 'scipy', 'xarray'}"
    code = f"import sys; from cimest.cli.main import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
    assert all(name in output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_debug(name, capsys):
    assert main([name, "--help"]) == 0
    assert "--debug" in capsys.readouterr().out


def test_debug_reaches_the_commands_of_a_group(capsys):
    assert main(["data", "fetch", "--help"]) == 0
    assert "--debug" in capsys.readouterr().out


def test_module_is_the_command():
    """`python -m cimest` ends with the exit code of `main`."""
    done = subprocess.run([sys.executable, "-m", "cimest", "chek"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'check'?" in done.stderr


# --- exit codes


def test_bad_experiment_is_2(experiment, capsys):
    assert main(["check", str(experiment), "--set", "chip.adc.bits=64", "--set", "seed=-1"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "--set chip.adc.bits=64: chip.adc.bits: 64 is more than 12 (allowed: 1 to 12)",
        "--set seed=-1: seed: -1 is less than 0 (allowed: 0 or more, less than 4294967296)",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "devices", "rra"], "no device is named 'rra'; did you mean 'rram'?"),
        (["check", "nowhere.yaml"], "there is no file 'nowhere.yaml'"),
        (["list", "device"], "'device' is not one of"),
        (["chek"], "there is no command 'chek'; did you mean 'check'?"),
        (["check"], "Missing argument 'EXPERIMENT'"),
    ],
)
def test_bad_input_is_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_an_experiment_is_no_sweep_and_a_sweep_no_experiment(experiment, tmp_path, capsys):
    assert main(["sweep", str(experiment), "--out", str(tmp_path / "out")]) == 2
    assert "is an experiment, which `cimest run` trains" in capsys.readouterr().err
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"experiment: {experiment}\naxes: {{chip.adc.bits: [5, 6]}}\n")
    assert main(["estimate", str(sweep)]) == 2
    assert "is a sweep, which `cimest sweep` explores" in capsys.readouterr().err


def test_missing_experiment_names_the_closest(experiment, capsys):
    assert main(["check", str(experiment.with_name("experimnt.yaml"))]) == 2
    assert capsys.readouterr().err.strip().endswith(f"did you mean {str(experiment)!r}?")


def test_anything_else_is_1_and_one_line(monkeypatch, capsys):
    assert fail_with(monkeypatch, RuntimeError("two\nlines")) == 1
    assert capsys.readouterr().err == "RuntimeError: two lines (run again with --debug for the traceback)\n"


@pytest.mark.parametrize("arguments", [["--debug", "list", "networks"], ["list", "networks", "--debug"]])
def test_debug_shows_the_traceback(arguments, monkeypatch, capsys):
    fail_with(monkeypatch, RuntimeError("broken"))
    capsys.readouterr()
    assert main(arguments) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_interrupt_is_130(monkeypatch, capsys):
    assert fail_with(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


# --- check, new


def test_check_shows_the_defaults(experiment, capsys):
    assert main(["check", str(experiment)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok"
    assert any(line.split()[:3] == ["chip.temperature", "300", "K"] for line in lines)
    assert any(line.split()[:2] == ["training.rule.gamma", "0.9"] for line in lines)
    assert not any(line.startswith(" network.name") for line in lines)


def test_check_json(experiment, capsys):
    assert main(["check", str(experiment), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["ok"], value["experiment"]["network"]["name"]) == (True, "lenet5")
    assert value["defaults"]["seed"] == 0


def test_check_json_of_a_bad_experiment(experiment, capsys):
    """Line 5 of the changed file is `  adc: {bits: 64}`, whose number starts in column 15."""
    experiment.write_text(MINIMAL.replace("{device: rram}", "\n  device: rram\n  adc: {bits: 64}"))
    assert main(["check", str(experiment), "--json"]) == 2
    output = capsys.readouterr()
    (problem,) = json.loads(output.out)["problems"]
    assert (problem["path"], problem["line"], problem["column"], problem["value"]) == ("chip.adc.bits", 5, 15, 64)
    assert output.err == ""


def test_new_experiment_is_good_and_never_overwritten(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    assert main(["new", str(file)]) == 0
    assert load(file).network.name == "lenet5"
    file.write_text("precious")
    assert main(["new", str(file)]) == 2
    assert file.read_text() == "precious"
    assert "exists" in capsys.readouterr().err


# --- list, show


@pytest.mark.parametrize("kind", KINDS)
def test_every_listed_name_can_be_shown(kind, capsys):
    assert main(["list", kind, "--json"]) == 0
    names = json.loads(capsys.readouterr().out)
    assert names
    for name in names:
        assert main(["show", kind, name, "--json"]) == 0
        description = json.loads(capsys.readouterr().out)
        assert description["name"] == name
        assert description["title"]
        assert main(["show", kind, name]) == 0
        shown = capsys.readouterr().out
        assert all(field["name"] in shown for field in description["fields"])


@pytest.mark.parametrize("kind", KINDS)
def test_list_for_people_has_a_line_for_each_name(kind, capsys):
    main(["list", kind, "--json"])
    names = json.loads(capsys.readouterr().out)
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == names


def test_show_device_has_units_and_sources(capsys):
    """Numbers of the published defaults (neurosim_v2_1): 240 kohm, pulses of 50 ns."""
    assert main(["show", "devices", "rram"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["on_resistance", "240", "kohm", "neurosim_v2_1"] in lines
    assert ["pulse_width", "50", "ns", "neurosim_v2_1"] in lines


@pytest.mark.parametrize("kind", ["components", "rules"])
def test_every_option_says_what_it_is(kind):
    """In the docstring of its class or of a base: at least a unit, as for a length."""
    catalogue = KINDS[kind]()
    for name in catalogue.names():
        fields = catalogue.describe(name)["fields"]
        silent = [field["name"] for field in fields if not field.get("meaning") and not field.get("unit")]
        assert not silent, f"{name}: {silent}"


def test_options_have_the_units_of_their_docstrings(capsys):
    """Those of a base too: `on_resistance` is documented by AnalogArray, the cycle of an ADC by itself."""
    assert main(["show", "components", "resistive_array"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["on_resistance", "required", "[ohm]", "Of", "the", "device."] in lines
    assert main(["show", "components", "sar_adc"]) == 0
    assert ["cycle", "1", "ns"] in [line.split()[:3] for line in capsys.readouterr().out.splitlines()]


# --- run, estimate, data


def test_run_passes_the_experiment_on(engine, experiment, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(experiment), "--set", "seed=3"]) == 0
    ((loaded, out, quiet),) = engine
    assert (loaded.seed, str(out), quiet) == (3, "runs/experiment", False)
    assert capsys.readouterr().out == "area 1.5\n"


@pytest.mark.parametrize("command", ["run", "estimate"])
def test_json_and_nothing_else(command, engine, experiment, capsys, tmp_path):
    assert main([command, str(experiment), "--json", "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["area_mm2"] in (1.5, 2.5)


@pytest.mark.parametrize("command", ["run", "estimate"])
def test_quiet_prints_nothing(command, engine, experiment, capsys):
    assert main([command, str(experiment), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_estimate_with_recorded_activity(engine, experiment, tmp_path, capsys):
    activity = tmp_path / "my: activity.json"
    activity.write_text("{}")
    assert main(["estimate", str(experiment), "--activity", str(activity), "--out", str(tmp_path / "out")]) == 0
    ((loaded, out),) = engine
    assert (loaded.activity, out) == (str(activity), tmp_path / "out")


def test_fetch_passes_the_name_on(monkeypatch, capsys):
    monkeypatch.setattr("cimest.datasets.fetch", lambda name, path: f"{name} in {path}")
    assert main(["data", "fetch", "cifar10", "--path", "here"]) == 0
    assert capsys.readouterr().out == "cifar10 in here\n"


def test_table_of_commands_is_whole():
    """Each entry leads to a command, and says what it does in one line."""
    context = click.Context(cli, obj={"debug": False})
    for name, (_, text) in COMMANDS.items():
        assert isinstance(cli.get_command(context, name), click.Command)
        assert text.endswith(".")
        assert "\n" not in text


# --- input that says nothing


def test_a_range_of_more_values_than_anybody_prices_is_refused(experiment, tmp_path, capsys):
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"experiment: {experiment}\naxes: {{chip.clock: {{from: 1 MHz, to: 2 GHz, number: 2000000}}}}\n")
    assert main(["sweep", str(sweep), "--out", str(tmp_path / "out")]) == 2
    assert "two to a million" in capsys.readouterr().err


def test_shards_of_another_sweep_are_refused(experiment, tmp_path, capsys):
    sweep, shard = tmp_path / "sweep.yaml", tmp_path / "shard" / "trainings"
    text = f"experiment: {experiment}\naxes: {{chip.adc.bits: [5, 6]}}\n"
    sweep.write_text(text + "accuracy: {repeats: 1}\nobjectives: {accuracy: max}\n")
    shard.mkdir(parents=True)
    record = {"key": "0" * 32, "history": [], "stopped": False, "attempts": []}
    (shard / f"{record['key']}.json").write_text(json.dumps(record))
    assert main(["merge", str(sweep), str(shard.parent), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert "none of the 1 trainings" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "1e9"])
def test_extraction_at_no_step_size_is_refused(rate, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cimest.result.read_result", lambda run: {"experiment": load_small(tmp_path)})
    monkeypatch.setattr("cimest.learning.checkpoint.load", lambda run, identity: {"history": [1]})
    assert main(["extract", str(tmp_path), "--rate", rate]) == 2
    assert "is no step size" in capsys.readouterr().err


def load_small(folder):
    file = folder / "small.yaml"
    file.write_text(MINIMAL)
    return load(file, ["dataset.train=50", "dataset.test=10"]).model_dump(mode="json")


def test_learning_rates_beyond_reason_are_refused(experiment, capsys):
    assert main(["check", str(experiment)]) == 0
    experiment.write_text(MINIMAL + "training: {learning_rate: {start: 1.0e+9}}\n")
    assert main(["check", str(experiment)]) == 2
    assert "learning_rate.start" in capsys.readouterr().err
