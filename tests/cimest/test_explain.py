"""Explanations: every number of a result has one, its terms sum to it, and wrong paths say what is allowed."""

import pytest

from cimest.cli.main import main
from cimest.config import load
from cimest.explain import FORMULAS, explain, leaves
from cimest.run import estimate
from hwlib.provenance import bibtex, sources
from hwlib.registry import UnknownName
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
