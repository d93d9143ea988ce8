"""The commands `sweep` and `plot`: what they print, write and refuse."""

import contextlib
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cimest.cli.main import main
from cimest.explore.limits import beyond, in_words
from cimest.explore.sweep import Limit
from tests.cimest.test_sweep import write

AXES = """
axes:
  dataflow: [naive, optimised]
  chip.adc.bits: {from: 4, to: 6}
  chip.array.rows: [32, 64]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a finished sweep, and what `--json` printed."""
    home = tmp_path_factory.mktemp("sweep")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["sweep", str(write(home, AXES)), "--out", str(home / "out"), "--json"]) == 0
    return home / "out", printed.getvalue()


@pytest.fixture
def folder(run):
    """The folder alone."""
    return run[0]


def test_json_has_points_and_rate(run):
    """One JSON value and nothing else, the same as sweep.json; 1e-12 leaves room for another order of additions."""
    summary = json.loads(run[1])
    assert summary == json.loads((run[0] / "sweep.json").read_text())
    assert summary["points"] == 12
    assert summary["points_per_second"] > 0
    assert summary["check"]["points"] == 12
    assert summary["check"]["largest_difference"] < 1e-12


def test_the_tables_hold_the_same(folder):
    """A row for each point in CSV and Parquet, the grid in NetCDF; CSV keeps all digits."""
    rows = pd.read_csv(folder / "points.csv")
    pd.testing.assert_frame_equal(rows, pd.read_parquet(folder / "points.parquet"), check_exact=True, check_dtype=False)
    with xr.open_dataset(folder / "points.nc", engine="h5netcdf") as grid:
        assert dict(grid.sizes) == {"dataflow": 2, "chip.adc.bits": 3, "chip.array.rows": 2, "group": 10}
        assert (grid["area_mm2"].to_numpy().reshape(-1) == rows["area_mm2"].to_numpy()).all()
        assert grid["area_mm2"].attrs["units"] == "mm²"


def test_the_page_needs_nothing_else(folder):
    """One file: no script, and no address that a browser would load."""
    page = (folder / "report.html").read_text()
    assert page.count("<svg") >= 5
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)


def test_every_figure_in_three_formats(folder):
    names = {file.stem for file in (folder / "figures").iterdir()}
    assert names == {"pareto", "precision", "heatmap", "parallel", "roofline", "breakdown", "sensitivity"}
    for name in names:
        assert (folder / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_plot_with_other_axes(folder, tmp_path, capsys):
    command = ["plot", str(folder), "heatmap", "--x", "chip.adc.bits", "--y", "dataflow", "--metric", "area_mm2"]
    assert main([*command, "--out", str(tmp_path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    drawing = (tmp_path / "heatmap.svg").read_text()
    assert "Area (mm²)" in drawing
    assert "optimised" in drawing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["heatmap", "--x", "adc.bits"], "chip.adc.bits"),
        (["pareto", "--x", "area"], "area_mm2"),
        (["roofline", "--x", "area_mm2"], "no options"),
        (["--x", "area_mm2"], "needs the name of a figure"),
        (["pie"], "pareto"),
    ],
)
def test_plot_refuses_what_it_cannot_draw(folder, capsys, arguments, message):
    assert main(["plot", str(folder), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_heat_map_needs_two_axes(folder, capsys):
    assert main(["plot", str(folder), "heatmap", "--x", "chip.adc.bits", "--y", "chip.adc.bits"]) == 2
    assert "two different axes" in capsys.readouterr().err


def test_a_folder_without_a_sweep(tmp_path, capsys):
    assert main(["plot", str(tmp_path)]) == 2
    assert "points.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shard", "message"), [("3/2", "3/2"), ("x", "2/8"), ("1/2", "none that are known beforehand")]
)
def test_shards_that_make_no_sense(tmp_path, capsys, shard, message):
    assert main(["sweep", str(write(tmp_path, AXES)), "--out", str(tmp_path / "out"), "--shard", shard]) == 2
    assert message in capsys.readouterr().err


def test_a_scheduler_that_is_not_there(tmp_path, capsys):
    pytest.importorskip("distributed")
    from cimest.explore.workers import Cluster

    with pytest.raises(ValueError, match="no dask scheduler answers"):
        Cluster("tcp://127.0.0.1:9", timeout=0.2)


LIMITED = """
axes: {chip.adc.bits: [4, 5, 6]}
limits: {area_mm2: {max: 0.001}, leakage_w: {max: 1}, latency_per_sample_s: {min: 1}}
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """Folder of a sweep in which nothing meets the limits, and what the command printed."""
    home = tmp_path_factory.mktemp("limited")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(["sweep", str(write(home, LIMITED)), "--out", str(home / "out")]) == 0
    return home / "out", printed.getvalue()


def test_limits_say_what_they_leave_out(limited):
    """Nearest: the smallest area and the longest time of points.csv."""
    out, printed = limited
    rows = pd.read_csv(out / "points.csv")
    summary = json.loads((out / "sweep.json").read_text())
    assert [(one["metric"], one["bound"], one["designs"], one["nearest"]) for one in summary["beyond_limits"]] == [
        ("area_mm2", "max", 3, pytest.approx(rows["area_mm2"].min())),
        ("leakage_w", "max", 0, None),
        ("latency_per_sample_s", "min", 3, pytest.approx(rows["latency_per_sample_s"].max())),
    ]
    words = f"Area at most 0.001 mm² leaves out 3 of 3 designs, the nearest with {rows['area_mm2'].min():.4g} mm²"
    assert words in printed
    page = (out / "report.html").read_text()
    assert words in page
    assert "Leakage at most 1 W leaves out 0 of 3 designs" in page


def test_a_sweep_without_a_front_shows_no_empty_section(limited):
    page = (limited[0] / "report.html").read_text()
    assert "No design is on the front" in page
    assert "<h2>Figures</h2>" not in page
    assert "<h2>Designs on the front</h2>" not in page
    assert "efficiency" not in limited[1], "no heading of a table without rows"


@pytest.mark.parametrize("figure", [[], ["pareto"]])
def test_a_sweep_without_a_front_is_not_drawn(limited, capsys, figure):
    assert main(["plot", str(limited[0]), *figure]) == 2
    assert "no design keeps all limits: Area at most 0.001 mm²" in capsys.readouterr().err


def test_a_design_is_beyond_a_limit_or_not_known():
    """By hand: of the four that are not refused, 5 and 7 lie above 4, of one nothing is known."""
    table = {"area_mm2": np.array([3.0, 5.0, 7.0, np.nan, np.nan])}
    refused = np.array([0, 0, 0, 0, 1])
    (found,) = beyond({"area_mm2": Limit(max=4)}, table, refused)
    assert (found["designs"], found["nearest"], found["unknown"]) == (2, 5.0, 1)
    assert in_words(found, 4).endswith("leaves out 2 of 4 designs, the nearest with 5 mm²; not known of 1")
    (found,) = beyond({"accuracy": Limit(min=0.5)}, table, refused)
    assert (found["designs"], found["nearest"], found["unknown"]) == (0, None, 4)


def test_one_is_singular(tmp_path, capsys):
    assert main(["sweep", str(write(tmp_path, "axes: {chip.adc.bits: [4]}")), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("1 design, 1 within")
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("1 design of mlp", "1 of 1 design is not beaten", "1 design on the front (dark)"):
        assert words in page
    assert not re.search(r"(?<![\d.])1 designs", page)


def test_text_in_all_figures_of_the_page_is_of_one_size(folder):
    """Width on the page over width of the drawing is the same for all: its share of a double column, of 183 mm."""
    page = (folder / "report.html").read_text()
    found = re.findall(r'<figure id="(\w+)" style="--part: ([\d.]+)">\s*<svg[^>]*? width="([\d.]+)pt"', page)
    assert len(found) == page.count("<figure")
    for name, part, width in found:
        assert float(part) == pytest.approx(float(width) / (183 / 25.4 * 72), abs=2e-3), name
    assert {name for name, part, _ in found if float(part) < 1} >= {"pareto", "heatmap", "roofline"}
    assert "max-width: calc(100% * var(--part))" in page


def test_a_folder_is_gone_on_with_but_not_taken_over(tmp_path, capsys):
    """More values and other limits belong to the same sweep; another chip does not, and changes nothing."""
    out = tmp_path / "out"
    command = ["sweep", str(write(tmp_path, "axes: {chip.adc.bits: [4]}")), "--out", str(out), "--quiet"]
    assert main(command) == 0
    write(tmp_path, "axes: {chip.adc.bits: [4, 5]}\nlimits: {area_mm2: {max: 100}}")
    assert main(command) == 0
    before = (out / "points.csv").read_bytes()
    assert before.count(b"\n") == 3
    assert main([*command, "--set", "chip.technology=65nm"]) == 2
    assert "chip.technology is 22nm there and 65nm here" in capsys.readouterr().err
    assert (out / "points.csv").read_bytes() == before
    (out / "sweep.json").unlink()
    assert main([*command, "--set", "chip.technology=65nm"]) == 0


def test_the_front_of_the_page_is_the_front_of_the_table(folder):
    """Recomputed from points.csv by the definition of a front, in the default objectives."""
    rows = pd.read_csv(folder / "points.csv")
    good, small = rows["efficiency_system_tops_per_w"].to_numpy(), rows["area_mm2"].to_numpy()
    beaten = [np.any((good >= g) & (small <= s) & ((good > g) | (small < s))) for g, s in zip(good, small, strict=True)]
    assert (rows["front"].to_numpy() == ~np.array(beaten)).all()
