"""The rooms of the house keep their doors: who may import whom, and what start-up must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ABOVE = ["cimest.pricing", "cimest.caveats", "cimest.progress", "cimest.run"]
"""What is above the rooms: it uses them, they do not know of it."""

FORBIDDEN = {
    "hwlib": ["cimest"],
    "cimest/config": ["cimest.learning", "cimest.kernels", "cimest.estimate", "cimest.dataflow", *ABOVE],
    "cimest/network": [
        "cimest.mapping",
        "cimest.dataflow",
        "cimest.estimate",
        "cimest.learning",
        "cimest.kernels",
        *ABOVE,
    ],
    "cimest/mapping": ["cimest.dataflow", "cimest.estimate", "cimest.learning", "cimest.kernels", *ABOVE],
    "cimest/dataflow": ["cimest.learning", "cimest.kernels", "cimest.estimate", *ABOVE],
    "cimest/estimate": ["cimest.learning", "cimest.kernels", *ABOVE],
    "cimest/kernels": ["cimest.dataflow", "cimest.estimate", "cimest.learning", *ABOVE],
    "cimest/learning": ["cimest.dataflow", "cimest.estimate", *ABOVE],
    "cimest/rules": ["cimest.dataflow", "cimest.estimate", "cimest.learning", "cimest.kernels", *ABOVE],
    "cimest/datasets": ["cimest.dataflow", "cimest.estimate", "cimest.learning", "cimest.kernels", *ABOVE],
    "cimest/programming": ["cimest.dataflow", "cimest.estimate", "cimest.learning"],
    "cimest/report": ["cimest.learning", "cimest.kernels"],
    "cimest/pricing.py": ["cimest.learning", "cimest.kernels", "cimest.caveats", "cimest.progress", "cimest.run"],
    "cimest/caveats.py": ["cimest.learning", "cimest.kernels", "cimest.progress", "cimest.run"],
    "cimest/progress.py": ["cimest.caveats", "cimest.run"],
}
"""Room, or file beside the rooms, to what it must not import."""


def imported(file: Path) -> set[str]:
    """Dotted names of all modules that a file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_rooms_do_not_import_what_they_must_not(room):
    path = ROOT / room
    files = [path] if path.is_file() else list(path.rglob("*.py"))
    assert files
    for file in files:
        for name in imported(file):
            for forbidden in FORBIDDEN[room]:
                assert name != forbidden, f"{file} imports {name}"
                assert not name.startswith(forbidden + "."), f"{file} imports {name}"


def loaded_after(code: str) -> set[str]:
    """Top-level modules in memory after a fresh interpreter ran the code."""
    program = f"{code}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_single_estimate_loads_neither_numba_nor_matplotlib():
    loaded = loaded_after("import cimest.run, hwlib.components; hwlib.components.COMPONENTS.names()")
    assert not loaded & {"numba", "matplotlib", "scipy", "xarray", "pandas"}


def test_every_file_says_what_it_is_for():
    for file in [*ROOT.glob("hwlib/**/*.py"), *ROOT.glob("cimest/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        assert ast.get_docstring(ast.parse(file.read_text())), f"{file} has no docstring"


def test_modules_fit_one_sitting():
    """At most 600 lines in a file, the cap that the project has set itself."""
    for file in [*ROOT.glob("hwlib/**/*.py"), *ROOT.glob("cimest/**/*.py")]:
        assert len(file.read_text().splitlines()) <= 600, file
