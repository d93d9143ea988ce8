"""Parts from outside the library: found through entry points, priced and trained like any other."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "own_parts"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Environment of a process that sees the example package as if pip had installed it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    record = folder / f"own_parts-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: own-parts\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, PACKAGE, ROOT)))}


def cimest(environment, *arguments):
    """Run a command and return what it prints."""
    command = [sys.executable, "-m", "cimest", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_parts_are_listed_and_shown(installed):
    assert "two_step_adc" in json.loads(cimest(installed, "list", "components", "--json"))
    assert "lab_oxide" in json.loads(cimest(installed, "list", "devices", "--json"))
    assert "Twice" in cimest(installed, "show", "components", "two_step_adc")


def test_parts_are_priced(installed):
    experiment = ["estimate", "examples/lenet5_mnist.yaml", "--json"]
    plain = json.loads(cimest(installed, *experiment, "--set", "chip.adc.kind=flash"))
    own = json.loads(
        cimest(installed, *experiment, "--set", "chip.adc.kind=two_step", "--set", "chip.device=lab_oxide")
    )
    areas = [result["breakdown"]["component"]["adc"]["area_mm2"] for result in (plain, own)]
    # 2 x 7 comparators instead of 63, and smaller encoders
    assert areas[1] < 14 / 63 * areas[0] * 1.1
    assert own["metrics"]["lifetime_samples"] > 0


def test_without_the_package_its_parts_are_unknown():
    command = [sys.executable, "-m", "cimest", "show", "components", "two_step_adc"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no component is named 'two_step_adc'" in done.stderr
