"""The report: tables that sum to the totals, figures, the page, the console."""

import csv
import html
import io
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cimest.config.schema import Experiment
from cimest.learning.trainer import Epoch
from cimest.pricing import price_experiment
from cimest.report import FORMATS, write
from cimest.report.figures import figures, save
from cimest.report.groups import GROUPS, OTHER, group_of, grouped, label
from cimest.report.headline import count, duration, figures_of_merit, number, share
from cimest.report.page import experiment_lines, inline, report_html
from cimest.report.tables import print_result, write_breakdown
from cimest.run import estimate
from hwlib.devices import load_device

HOSTILE = "<script>alert('x')</script> & [red]$x$ \"quoted\""
PLAIN_FIGURES = {"energy_by_pass", "energy_by_layer", "time_by_pass", "schedule", "area"}


def experiment(device_name: str = "rram") -> Experiment:
    device = load_device("rram").model_copy(update={"name": device_name})
    return Experiment(network={"name": "mlp"}, dataset={"name": "mnist"}, chip={"device": device})


def epoch(i: int, test: float | None) -> dict:
    """An entry of the history, as a run makes it."""
    one = Epoch(
        epoch=i, learning_rate=1.0, loss=2.0 / i, train_accuracy=0.5, test_loss=1.0, test_accuracy=test, pulses=0.16,
        clipped_forward=0.0123, clipped_backward=0.02, clipped_weight_gradient=0.03, seconds=90.0,
    )  # fmt: skip
    return asdict(one) | {"energy_j": 0.25}


@pytest.fixture(scope="module")
def estimated():
    return estimate(experiment()), price_experiment(experiment()).estimate.dataset()


@pytest.fixture(scope="module")
def trained(estimated):
    result, dataset = estimated
    history = [epoch(1, 0.4), epoch(2, 0.625)]
    return result | {"history": history, "accuracy": {"test": 0.625, "best": 0.625, "train": 0.5}}, dataset


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "new"
    return write(*trained, out), out


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def sums(rows: list[dict[str, str]], key: str, **where: str) -> float:
    return sum(float(row[key]) for row in rows if all(row[name] == value for name, value in where.items()))


def test_breakdown_sums_to_the_metrics(written, trained):
    # every total equals the sum of its parts; 1e-12 is the rounding of a few thousand additions
    rows, metrics = rows_of(written[1] / "breakdown.csv"), trained[0]["metrics"]
    system = sums(rows, "energy_j") + sums(rows, "leakage_energy_j")
    dram = sums(rows, "energy_j", boundary="system")
    within = metrics["energy_per_sample_by_boundary_j"]
    assert system == pytest.approx(metrics["energy_per_sample_j"], rel=1e-12)
    assert system - dram == pytest.approx(within["chip"], rel=1e-12)
    macro = sums(rows, "energy_j", boundary="macro") - sums(
        rows, "energy_j", boundary="macro", **{"pass": "weight_update"}
    )
    assert macro == pytest.approx(within["macro"], rel=1e-12)
    assert sums(rows, "latency_s") == pytest.approx(metrics["latency_per_sample_s"], rel=1e-12)
    for name, entry in trained[0]["breakdown"]["component"].items():
        assert sums(rows, "energy_j", component=name) == pytest.approx(entry["energy_j"], rel=1e-12)


def test_breakdown_has_no_row_of_zeros(written):
    columns = ("count", "energy_j", "leakage_energy_j", "latency_s")
    assert all(any(float(row[key]) for key in columns) for row in rows_of(written[1] / "breakdown.csv"))


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=8, max_size=8))
def test_breakdown_is_exact(tmp_path_factory, values):
    # a float written in full reads back as itself, so the cells are equal and not only close
    import xarray as xr

    cells = np.array(values).reshape(2, 2, 2)
    dims = ("layer", "pass", "component")
    zero = (dims, np.zeros((2, 2, 2)))
    dataset = xr.Dataset(
        {"energy": (dims, cells), "leakage_energy": zero, "latency": zero, "count": zero},
        coords={
            "layer": ["a", "b"],
            "pass": ["f", "g"],
            "component": ["x", "y"],
            "boundary": ("component", ["chip", "system"]),
        },
    )
    path = tmp_path_factory.mktemp("cells") / "breakdown.csv"
    write_breakdown(dataset, path)
    assert [float(row["energy_j"]) for row in rows_of(path)] == [value for value in values if value]


def test_history_is_a_row_for_each_epoch(written):
    rows = rows_of(written[1] / "history.csv")
    assert [(row["epoch"], row["test_accuracy"]) for row in rows] == [("1", "0.4"), ("2", "0.625")]


def test_files_are_all_there(written, trained):
    files, out = written
    drawn = {out / "figures" / f"{name}.{kind}" for name in PLAIN_FIGURES | {"training"} for kind in FORMATS}
    assert set(files) == drawn | {out / name for name in ("result.json", "breakdown.csv", "history.csv", "report.html")}
    assert {path for path in out.rglob("*") if path.is_file()} == set(files)  # nothing unfinished is left
    assert json.loads((out / "result.json").read_text()) == trained[0]


def cells_of(page: str) -> list[list[int]]:
    """Cells of each row of each table of a page."""
    tables = re.findall(r"<table>.*?</table>", page, flags=re.DOTALL)
    return [[len(re.findall(r"<t[hd][ >]", row)) for row in table.split("</tr>")[:-1]] for table in tables]


@pytest.mark.parametrize("rule", ["momentum", "tiki_taka_v2"])
def test_rows_of_the_page_are_as_long_as_their_headings(rule, tmp_path):
    unit = {"weight_gradient": {"unit": "in_array"}} if rule == "tiki_taka_v2" else {}
    training = {"rule": {"name": rule}, "batch": 1}
    flow = {"loop_order": "image_outer"}
    exp = Experiment(
        network={"name": "mlp"}, dataset={"name": "mnist"}, training=training, dataflow=flow,
        chip={"device": load_device("rram"), **unit},
    )  # fmt: skip
    result = estimate(exp) | {"history": [epoch(1, 0.4)]}
    write(result, price_experiment(exp).estimate.dataset(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    tables = cells_of(page)
    assert len(tables) == 5
    assert all(len(set(table)) == 1 for table in tables), tables
    assert ('<th scope="col" class="number">transfer</th>' in page) == (rule == "tiki_taka_v2")
    assert "1.23 %" in page  # clipped forward
    headings = set(re.findall(r'<th scope="col" class="number">(.*?)</th>', page))
    of_trains, of_rows = {"transferred", "transfer pulses"}, {"updated up", "rows written"}
    assert headings & (of_trains | of_rows) == (of_trains if rule == "tiki_taka_v2" else of_rows)
    assert "input power" not in headings  # of lines that take whole words
    assert "<code>cimest run</code>" in page


def test_an_inference_is_called_one(tmp_path):
    exp = Experiment(
        network={"name": "mlp"}, dataset={"name": "mnist"}, training={"kind": "none"},
        chip={"device": load_device("rram")},
    )  # fmt: skip
    write(estimate(exp), price_experiment(exp).estimate.dataset(), tmp_path)
    page = re.sub(r"<pre>.*?</pre>", "", (tmp_path / "report.html").read_text(), flags=re.DOTALL)
    assert "per inference" in page
    found = [line for line in page.splitlines() if re.search("training sample|training step|update circuits", line)]
    assert not found


def test_figures_depend_on_what_there_is(estimated, trained):
    assert set(figures(*estimated)) == PLAIN_FIGURES
    assert set(figures(*trained)) == PLAIN_FIGURES | {"training"}


@pytest.mark.parametrize("tests", [[0.5], [None], [0.1, None, 0.3]], ids=["one epoch", "no accuracy", "a gap"])
def test_training_figure_copes_with_little(estimated, tests):
    result, dataset = estimated
    result = result | {"history": [epoch(i, test) for i, test in enumerate(tests, start=1)]}
    drawing = save(figures(result, dataset)["training"], "svg").decode()
    labelled = re.findall(r">epoch (\d)<", drawing)
    assert labelled == [str(i) for i, test in enumerate(tests, start=1) if test is not None]


def test_figures_name_units_and_every_layer(estimated):
    drawings = {name: save(figure, "svg").decode() for name, figure in figures(*estimated).items()}
    assert re.search(r"Energy per training sample \([mµnp]J\)", drawings["energy_by_pass"])
    assert re.search(r"Exposed time per training sample \([mµnp]s\)", drawings["time_by_pass"])
    assert "Area (mm²)" in drawings["area"]
    assert all(f">{layer}<" in drawings["energy_by_layer"] for layer in ("fc1", "fc2", "fc3"))


def test_the_same_result_gives_the_same_file(estimated):
    once, again = figures(*estimated)["area"], figures(*estimated)["area"]
    assert all(save(once, kind) == save(again, kind) for kind in FORMATS)


def test_groups_sum_to_the_dataset(estimated):
    _, dataset = estimated
    energy = float((dataset["energy"] + dataset["leakage_energy"]).sum())
    for along in ("layer", "pass"):
        assert grouped(dataset, "energy", along).sum() == pytest.approx(energy, rel=1e-12)
        assert grouped(dataset, "latency", along).sum() == pytest.approx(float(dataset["latency"].sum()), rel=1e-12)


def test_groups_tell_components_apart(estimated):
    names = [str(name) for name in estimated[1]["component"].to_numpy()]
    assert {name for name in names if group_of(name) is OTHER} == {
        "relu", "centring", "centring_multiplier", "rate_multiplier",
    }  # fmt: skip
    assert group_of("backward_adc") is group_of("gradient_adc") is not group_of("dram")
    assert group_of("something_new") is OTHER
    assert len({group.colour for group in GROUPS}) == len(GROUPS)


def page(result, dataset) -> str:
    drawings = {name: save(figure, "svg").decode() for name, figure in figures(result, dataset).items()}
    return report_html(result, dataset, drawings)


def test_page_stands_alone(written):
    text = (written[1] / "report.html").read_text()
    assert all(target == '"#' for target in re.findall(r"\b(?:src|href)\s*=\s*(..)", text))  # parts of the page
    assert not re.search(r"url\((?!#)|@import|<script|<link|<iframe", text)
    named = re.findall(r'\bid="([^"]+)"', text)
    assert len(named) == len(set(named))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', text)) <= set(named)


def test_page_has_every_figure_of_merit(trained):
    text = html.unescape(page(*trained))
    for merit in figures_of_merit(trained[0]):
        assert merit.name in text
        assert merit.value in text
    assert "62.50 %" in text
    assert all(f'<figure id="{name}"' in text for name in (*PLAIN_FIGURES, "training"))


def test_page_names_sources_reasons_and_warnings(estimated):
    result, dataset = estimated
    result = result | {"warnings": ["this is a warning"]}
    text = re.sub("</?code>", "`", html.unescape(page(result, dataset)))
    assert "DNN+NeuroSim V2.0: An End-to-End Benchmarking Framework" in text  # the array model is peng2021neurosim_v2's
    assert text.index("this is a warning") < text.index("Test accuracy")
    assert all(reason in text for reason in result["absent"].values())
    assert "accuracy" in result["absent"]


def test_hostile_name_is_only_text():
    chosen = experiment(HOSTILE)
    result, dataset = estimate(chosen), price_experiment(chosen).estimate.dataset()
    dataset = dataset.assign_coords(layer=[HOSTILE, "fc2", "fc3"])
    text = page(result, dataset)
    assert "<script" not in text
    assert HOSTILE in html.unescape(text)
    console = Console(record=True, width=160, file=io.StringIO())
    print_result(result, console)
    assert HOSTILE in console.export_text()


def test_console_shows_values_and_reasons(estimated, trained):
    console = Console(record=True, width=200, file=io.StringIO())
    print_result(estimated[0], console)
    text = console.export_text()
    for merit in figures_of_merit(estimated[0]):
        assert re.search(rf"{re.escape(merit.name)} +{re.escape(merit.value)} +{re.escape(merit.note)}", text)
    assert all(reason in text for reason in estimated[0]["absent"].values())
    assert all(f"warning: {warning}" in text for warning in estimated[0]["warnings"])
    print_result(trained[0], console)
    assert "62.50 %" in console.export_text()


def test_defaults_are_marked():
    # by hand: `a.b` and all of `c` were left to their defaults, so are the lines of both and the heading of c
    lines = experiment_lines({"a": {"b": 1, "x": 2}, "c": {"d": [3, 4]}}, ["a.b", "c.d"])
    marked = {line.strip(): default for line, default in lines}
    assert marked == {"a:": False, "b: 1": True, "x: 2": False, "c:": True, "d:": True, "- 3": True, "- 4": True}


def test_inline_drawing_keeps_its_references():
    parts = '<g id="axes_1"/><path id="m1"/><use xlink:href="#m1" style="fill: url(#h2)"/>'
    placed = '<g/><path id="f_m1"/><use xlink:href="#f_m1" style="fill: url(#f_h2)"/>'
    drawing = f"<?xml version='1.0'?><svg><metadata>x</metadata>{parts}</svg>"
    assert inline("f", drawing) == f"<svg>{placed}</svg>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234.5, "1\u202f230"),
        (27.149, "27.1"),
        (0.09588, "0.0959"),
        (0.99999, "1.00"),
        (3.2e9, "3.20×10⁹"),
        (5e-7, "5.00×10⁻⁷"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@given(st.floats(1e-12, 1e12))
def test_numbers_are_right_to_three_digits(value):
    # half a unit of the third digit is at most 0.5 % of the value
    mantissa, _, power = number(value).replace("\u202f", "").partition("×10")
    power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(mantissa) * 10.0 ** int(power or 0) == pytest.approx(value, rel=0.0051)


def test_small_words_for_people():
    assert (share(1, 4), share(1, 1e6), share(0, 1), share(0, 0)) == ("25.0 %", "< 0.1 %", "0.0 %", "–")
    assert (duration(90), duration(7200), duration(200_000), duration(2e-6)) == ("90 s", "2.00 h", "2.31 d", "2 µs")
    assert (count(512), count(12_973_440)) == ("512", "13 M")


@pytest.mark.parametrize(
    ("lifetime", "value", "note"),
    [
        (None, "–", "nobody has measured it"),
        ("inf", "unlimited", "no cell is written"),
        (1e9, "1.00×10⁹ samples", "2.00 trainings"),
    ],
)
def test_lifetime_is_told_or_explained(estimated, lifetime, value, note):
    # by hand: 1e9 samples are two trainings of 5e8 samples
    result = estimated[0]
    energy = result["metrics"]["energy_per_sample_j"]
    metrics = result["metrics"] | {"lifetime_samples": lifetime, "training_energy_j": 5e8 * energy}
    absent = {"lifetime_samples": "nobody has measured it", "accuracy": "an estimate"}
    merits = figures_of_merit(result | {"metrics": metrics, "absent": absent})
    assert merits[-1].value == value
    assert note in merits[-1].note


def test_names_for_people():
    assert label("forward: backward_adc") == "forward: backward ADC"
    assert label("sram_buffer") == "SRAM buffer"
