"""`cimest validate`: the references are turned into prices of actions rightly, and rows say whether they hold."""

import json
import math

import numpy as np
import pytest

from cimest.cli.main import main
from cimest.validate import Row, validate
from cimest.validate.areas import gradient_arrays
from cimest.validate.converters import published, survey
from cimest.validate.report import pe_tree, printed, reports, tile_tree, work
from cimest.validate.row import UNEXPLAINED
from cimest.validate.writes import fitted, per_layer, rows_energy
from hwlib.provenance import source


@pytest.fixture(scope="module")
def rows():
    return validate()


def named(rows, group, name):
    (row,) = [row for row in rows if row.group == group and row.name == name]
    return row


REPORTS = ("FeFET 32 nm", "RRAM 22 nm")

HOLDING = {
    "area": ["array", "adc", "accumulation"],
    "energy": [
        "conversion",
        "shift-add",
        "adder tree of a PE, four words less two",
        "bit to one of 9 PEs",
        "bit to one of 4 PEs",
        "DRAM bit",
    ],
}
"""What agrees in both reports."""


def test_groups(rows):
    groups = {f"{kind}, {report}" for kind in ("area", "energy", "neurosim phases") for report in REPORTS}
    assert {row.group for row in rows} == {*groups, "ADC, energy per level beside the best published", "ADC, 8 bit"}


@pytest.mark.parametrize("report", REPORTS)
def test_the_whole_step_under_the_reports_accounting(rows, report):
    """Efficiency within 15 % of the printed 2.12 and 2.23 TOPS/W, forward and backward within 25 %, without DRAM.

    So is the weight gradient, with bit lines precharged, cells drawing and shift-adders charged as in the reference.
    """
    group = f"neurosim phases, {report}"
    whole = named(rows, group, "efficiency, naive, system")
    assert whole.reference == pytest.approx({"FeFET 32 nm": 2.12, "RRAM 22 nm": 2.23}[report], abs=0.005)
    assert whole.holds
    assert all(named(rows, group, f"{name} without DRAM").holds for name in ("forward", "backward"))
    gradient = named(rows, group, "weight_gradient without DRAM")
    assert gradient.holds
    assert "gradient conversion" in gradient.note


def test_names_are_unique_within_a_group(rows):
    assert len({(row.group, row.name) for row in rows}) == len(rows)


def test_rows_are_positive_and_finite(rows):
    for row in rows:
        assert all(math.isfinite(value) and value > 0 for value in (row.ours, row.reference)), row


def test_a_row_that_does_not_hold_says_why(rows):
    for row in rows:
        assert row.holds or row.note, row
        assert not (row.holds and row.note.startswith(UNEXPLAINED)), row


@pytest.mark.parametrize(("ours", "holds"), [(0.84, False), (0.86, True), (1.14, True), (1.16, False)])
def test_ratio_and_bounds(ours, holds):
    row = Row("group", "name", "J", 2 * ours, 2.0, 0.85, 1.15)
    assert row.ratio == pytest.approx(ours)
    assert row.holds is holds


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize(("kind", "tolerance"), [("area", 0.15), ("energy", 0.25)])
def test_agreement_with_the_reports(rows, report, kind, tolerance):
    """Tolerances between two models of one circuit: 15 % in area, 25 % in energy."""
    for name in HOLDING[kind]:
        row = named(rows, f"{kind}, {report}", name)
        assert row.ratio == pytest.approx(1, abs=tolerance)
        assert row.holds


def test_agreement_of_written_cells(rows):
    row = named(rows, "energy, RRAM 22 nm", "written cell")
    assert row.ratio == pytest.approx(1, abs=0.25)


def test_conversions_of_an_image():
    """The conversions of each layer, in millions, as known of the reference; the last digit is rounded."""
    millions = [layer.conversions / 1e6 for layer in work()]
    assert millions == pytest.approx([0.92, 8.29, 3.61, 7.23, 2.65, 5.31, 0.52, 0.001], abs=0.006)


def test_counts_of_a_layer():
    """By hand: 30 x 30 places of a 3x3 kernel in a map of 32 x 32; 9 blocks of 128 channels, one block of columns."""
    second = work()[1]
    assert (second.vectors, second.row_blocks, second.column_blocks, second.passes) == (900, 9, 1, 2)
    assert second.ones == pytest.approx(0.199586 * 1024 / 900)
    assert work()[0].passes == 1


def test_arrays_of_the_chip_and_of_the_gradient_unit():
    """By hand: 5 x 9 x 16 + 10 x 4 x 16 arrays; floor(900 / 128) x floor(128 x 8 / 128) of the unit."""
    chip = printed()["chip"]
    tiles = sum(chip[kind]["number"] * chip[kind]["pes"] for kind in ("kernel_tiles", "plain_tiles"))
    assert tiles * chip["arrays_per_pe"] == chip["arrays"] == 1360
    assert gradient_arrays() == 56


@pytest.mark.parametrize("report", reports(), ids=lambda report: report.name)
def test_reports_are_whole(report):
    assert all(len(values) == len(work()) for values in (*report.energy.values(), *report.latency.values()))
    assert np.all(report.per_image("gradient") > report.per_image("gradient_unit"))


def test_array_area_of_the_reference():
    """By hand: 1360 arrays of 128 x 128 cells of 16 F² are 356.5e6 F²; printed to six digits."""
    for report in reports():
        assert report.area["array"] == pytest.approx(1360 * 128 * 128 * 16 * report.tech.node**2 * 1e6, rel=1e-5)


def test_dram_of_the_gradient():
    """By hand: 8388608 weights x 15 bit x 2 ways x 3.9 pJ are 0.98 mJ; layer 7 prints that and its buffer besides."""
    for report in reports():
        around = report.per_image("gradient")[6] - report.per_image("gradient_unit")[6]
        assert 1 < around / (8388608 * 15 * 2 * 3.9e-12) < 1.01


def test_words_behind_a_pe():
    """By hand: 6 bit, 8 input bits and one cell give 15; four words added give 17."""
    assert (pe_tree().bits, pe_tree().inputs, tile_tree(9).bits) == (15, 4, 17)


def test_data_have_sources():
    keys = [printed()["source"], published()["source"], *(one["source"] for one in published()["points"].values())]
    assert all(source(key) for key in keys)


def test_survey_rows_hold_between_best_and_median():
    """By hand, 6 bit: at best 21.6 and at the median 33.9 fJ, so that ratios up to 1.57 hold."""
    rows = [row for row in survey() if "6 bit" in row.name]
    assert len(rows) == 4
    for row in rows:
        assert (row.low, row.reference, row.high) == pytest.approx((1, 21.6, 33.9 / 21.6))


def test_two_prices_explain_the_writes():
    """The fit of RRAM leaves 4 % at most, as `writes` says."""
    report = reports()[1]
    cell, slot = fitted(report)
    slots, pulses = per_layer(report)
    assert cell * pulses + slot * slots == pytest.approx(rows_energy(report), rel=0.04)


def test_json(rows, capsys):
    assert main(["validate", "--json"]) == 0
    shown = [row for row in json.loads(capsys.readouterr().out) if not row["group"].startswith("silicon")]
    assert len(shown) == len(rows)
    for row in shown:
        assert list(row) == ["group", "name", "ours", "reference", "ratio", "holds", "note"]
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])


def test_table(rows, capsys):
    assert main(["validate"]) == 0
    text = capsys.readouterr().out
    assert f"{sum(row.holds for row in rows)} of {len(rows)} rows hold" in text
    for row in rows:
        assert row.name.split(",")[0].split(":")[0] in text


def test_unknown_option(capsys):
    assert main(["validate", "--loud"]) == 2
    assert "--loud" in capsys.readouterr().err


def test_the_scaling_figure_shows_every_node_and_circuit(tmp_path):
    assert main(["validate", "--json", "--out", str(tmp_path)]) == 0
    drawn = (tmp_path / "scaling.svg").read_text()
    assert {path.suffix for path in tmp_path.glob("scaling.*")} == {".svg", ".png", ".pdf"}
    for text in ("Energy, LSTP", "Leakage, HP", "inverter", "wire 1 mm", "Node (nm)", "fJ", "µm²"):
        assert text in drawn
