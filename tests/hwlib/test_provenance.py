"""No datum without a source: every data file and every constant in the code names one, and what is recorded is real."""

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml

from hwlib import provenance
from hwlib.registry import UnknownName

ROOT = Path(provenance.__file__).parent
TABLES = sorted(path for path in ROOT.rglob("data/*.yaml") if "devices" not in path.parts)
"""Data of technologies and components; those of devices have a test of their own, field by field."""

MODULES = sorted(path for folder in ("components", "technology", "devices") for path in (ROOT / folder).glob("*.py"))

SAID = (*provenance.sources(), "our choice", "Our choice", "by definition", "By definition", "ounted")


def keys_named(entry):
    """All source keys in nested data."""
    if isinstance(entry, dict):
        for key, value in entry.items():
            if key in ("source", "sources"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from keys_named(value)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_table_names_known_sources_and_units(path):
    data = yaml.safe_load(path.read_text())
    assert "unit" in data or "units" in data or all("unit" in entry or "unit" in str(entry) for entry in data.values())
    keys = list(keys_named(data))
    assert keys
    assert set(keys) <= set(provenance.sources())


def constants(path):
    """Module-level numbers of a file with the text that follows them."""
    body = ast.parse(path.read_text()).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.Assign):
            continue
        numbers = [node.value for node in ast.walk(statement.value) if isinstance(node, ast.Constant)]
        if any(isinstance(value, float) or (isinstance(value, int) and abs(value) > 2) for value in numbers):
            names = [name.id for target in statement.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            text = (
                following.value.value
                if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                else ""
            )
            yield ", ".join(names), str(text)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_constant_says_where_it_comes_from(path):
    for name, text in constants(path):
        assert text, f"{path.name}: {name} has no docstring"
        assert any(said in text for said in SAID), f"{path.name}: {name} names neither a source nor our choice: {text}"


def test_a_record_collects_sources_and_extrapolations_of_its_block():
    with provenance.record() as outer:
        provenance.uses("own_choice")
        with provenance.record() as inner:
            provenance.uses("neurosim_v2_1")
            provenance.check_range("bits", np.array([3, 14]), 3, 10)
            provenance.check_range("bits", 5, 3, 10)
    assert outer.sources == {"own_choice"}
    assert inner.sources == {"neurosim_v2_1"}
    assert inner.extrapolations == {"bits = 14 lies outside its data (3 to 10)"}


def test_an_unknown_source_names_the_closest():
    with pytest.raises(UnknownName, match="peng2021neurosim_v2"):
        provenance.source("peng2021neurosim")
