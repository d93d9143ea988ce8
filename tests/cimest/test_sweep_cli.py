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


def test_the_front_of_the_page_is_the_front_of_the_table(folder):
    """Recomputed from points.csv by the definition of a front, in the default objectives."""
    rows = pd.read_csv(folder / "points.csv")
    good, small = rows["efficiency_system_tops_per_w"].to_numpy(), rows["area_mm2"].to_numpy()
    beaten = [np.any((good >= g) & (small <= s) & ((good > g) | (small < s))) for g, s in zip(good, small, strict=True)]
    assert (rows["front"].to_numpy() == ~np.array(beaten)).all()
