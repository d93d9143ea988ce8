"""The studies of examples/programming, on made-up answers: what they leave, and that they go on where they were."""

import importlib.util
import json
import sys
from pathlib import Path

from click.testing import CliRunner

FOLDER = Path(__file__).parents[2] / "examples" / "programming"
TIMES = [1.0, 2592000.0]


def example(name):
    """A module of examples/programming."""
    spec = importlib.util.spec_from_file_location(f"programming_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def aged(ways):
    """What `cimest program` says of two writings of a network whose loss was 1; each way loses so much, twice as much
    later."""
    accuracy = {
        way: {
            "loss": [[1 + 0.9 * lost, 1 + 1.8 * lost], [1 + 1.1 * lost, 1 + 2.2 * lost]],
            "accuracy": [[0.5, 0.4]] * 2,
        }
        for way, lost in ways.items()
    }
    return {"times_s": TIMES, "as_trained": {"loss": 1.0, "accuracy": 0.6}, "accuracy": accuracy}


def test_study_keeps_what_is_done(tmp_path, monkeypatch):
    """Two trainings are programmed; a second call programs neither, one whose section changed programs both again."""
    study, called, section = example("study"), [], {"repeats": 2}

    def cimest(arguments):
        called.append(arguments[0])
        folder = Path(arguments[-1])
        if arguments[0] == "run":
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "result.json").write_text(json.dumps({"experiment": section}))
        else:
            (folder / "programming").mkdir(exist_ok=True)
            result = aged({"most_first": 0.1, "naive": 0.06, "optimised": 0.05, "clipped": 0.08})
            (folder / "programming" / "programming.json").write_text(json.dumps(result | {"experiment": dict(section)}))
        return 0

    monkeypatch.setattr(study, "cimest", cimest)

    def call():
        called.clear()
        found = CliRunner().invoke(study.main, ["lstm", "--out", str(tmp_path)])
        assert found.exit_code == 0, found.output
        return found.output

    first = call()
    assert called == ["run", "program"] * 2
    assert call() == first
    assert called == ["run"] * 2
    section["repeats"] = 3
    call()
    assert called == ["run", "program"] * 2
    # means over the writings, by hand: 0.1 and 0.2; 0.05 is half of that
    assert "| most significant first | excess loss | 0.1000 | 0.2000 |" in first
    assert "| optimised | excess loss | 0.0500 | 0.1000 |\n|  | against the first | -50 % | -50 % |" in first
    assert {"lstm.md", "lstm.png", "lstm.svg"} <= {path.name for path in tmp_path.iterdir()}


def test_workflow_lists_every_step(tmp_path, monkeypatch):
    """Steps with their own energy and time, and every age with its accuracy."""
    workflow = example("workflow")
    parts = ("write", "verify", "compensation")
    network = {f"{part}_{what}": 10.0**-n for n, part in enumerate(parts) for what in ("energy_j", "time_s")}
    answers = {
        "run": {
            "metrics": {"training_energy_j": 4e-3, "training_time_s": 0.4},
            "history": [{}, {}],
            "accuracy": {"test": 0.9},
        },
        "extract": {"readings": 20, "accuracy": {"mean": 0.91}, "energy_j": 1e-6, "time_s": 1e-3},
        "program": aged({"optimised": 0.1}) | {"cost": {"optimised": {"network": network}}},
    }
    monkeypatch.setattr(workflow, "answer", lambda command, *rest: answers[command])
    found = CliRunner().invoke(workflow.main, ["--out", str(tmp_path)])
    assert found.exit_code == 0, found.output
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.output.splitlines()[2:]]
    assert rows[1][2:] == ["0.002", "0.2"]  # one of two epochs
    assert [row[2] for row in rows if row[2]] == ["0.004", "0.002", "1e-06", "1", "0.1", "0.01"]
    assert [row[:2] for row in rows if "±" in row[1]] == [["after 1 s", "50.00 ± 0.00"], ["after 1 mo", "40.00 ± 0.00"]]
    assert (tmp_path / "workflow.md").read_text() == found.output
    assert (tmp_path / "workflow.svg").is_file()
