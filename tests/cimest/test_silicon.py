"""Published chips beside ours: figures become prices rightly, rows say why they miss, the page shows it all."""

import json
from dataclasses import asdict
from statistics import median

import pytest
import yaml

from cimest.cli.main import main
from cimest.config import load
from cimest.config.calibration import Calibration
from cimest.estimate.calibration import silicon as stored
from cimest.pricing import price_experiment
from cimest.report.silicon import write
from cimest.validate.silicon import silicon
from cimest.validate.silicon_chips import SCALES, chips, experiments, published
from cimest.validate.silicon_fit import NAMES, TOTAL
from hwlib.provenance import source


@pytest.fixture(scope="module")
def study():
    return silicon()


def of(study, chip, point, quantity, name):
    (row,) = [
        row
        for row in study.rows
        if (row.figure.chip, row.figure.point, row.figure.quantity, row.figure.name) == (chip, point, quantity, name)
    ]
    return row


def test_every_published_figure_is_compared(study):
    """Counted in the file: a total for each point, each listed energy, each listed area."""
    expected = 0
    for chip in published()["chips"].values():
        for point in chip["points"]:
            expected += 1 + len(set(point.get("energy", {})) - {"unit", "per"})
        expected += len(set(chip.get("area", {})) - {"unit"})
    assert len(study.rows) == expected
    assert (
        len({(row.figure.chip, row.figure.point, row.figure.quantity, row.figure.name) for row in study.rows})
        == expected
    )


def test_sources_and_origins_are_known():
    for name, chip in published()["chips"].items():
        assert source(chip["source"])
        assert chip["origin"] in published()["origins"]
        assert (experiments() / f"{name}.yaml").is_file()


def test_published_energies_by_hand(study):
    """Jia 2020: 1.79 pJ a conversion of 2304 products, two operations each; 400 TOPS/W are 2.5 fJ an operation.

    Wang 2022: 34 % of 1 / 16.376 TOPS/W.
    """
    adc = of(study, "jia_2020", "0.85 V", "energy", "ADC")
    assert adc.figure.published == pytest.approx(1.79e-12 / 2304 / 2)
    assert of(study, "jia_2020", "0.85 V", "energy", TOTAL).figure.published == pytest.approx(2.5e-15)
    assert of(study, "wang_2022", "1.0 V", "energy", "ADC").figure.published == pytest.approx(0.34 / 16.376e12)


@pytest.mark.parametrize(
    ("chip", "tolerance"),
    [
        ("jia_2020", 0.01),
        ("wan_2022", 0.02),
        ("wang_2022", 1e-6),
    ],  # read off figures; from a table; shares of the total
)
def test_published_components_sum_to_the_published_total(chip, tolerance):
    about = published()["chips"][chip]
    for point in about["points"]:
        listed = dict(point.get("energy", {}))
        if listed:
            scale = (
                SCALES[listed.pop("unit")] / listed.pop("per") if "unit" in listed else 1 / point["tops_per_w"] / 1e12
            )
            parts = sum(scale * listed[name] for name in about["total"])
            assert parts == pytest.approx(1 / point["tops_per_w"] / 1e12, rel=tolerance)


def test_our_components_sum_to_our_total(study):
    """Where the paper's components are its total, our parts of them are ours."""
    for row in study.totals:
        about = published()["chips"][row.figure.chip]
        names = about.get(f"{row.figure.quantity}_total", about["total"])
        key = row.figure.chip, row.figure.point, row.figure.quantity
        parts = [
            other
            for other in study.rows
            if (other.figure.chip, other.figure.point, other.figure.quantity) == key and other.figure.name in names
        ]
        if len(parts) == len(names):
            assert sum(part.fitted for part in parts) == pytest.approx(row.fitted, rel=1e-9)
            assert sum(part.our_share for part in parts) == pytest.approx(1.0, rel=1e-9)


def test_a_calibrated_estimate_is_what_the_fit_says(study):
    """The chip priced with `chip.calibration` gives the row's value: factors mean the same on both sides."""
    using = Calibration(**asdict(study.factors))
    experiment = load(experiments() / "jia_2020.yaml", ["chip.supply=0.85"])
    chip = experiment.chip.model_copy(update={"calibration": using})
    priced = price_experiment(experiment.model_copy(update={"chip": chip}))
    row = of(study, "jia_2020", "0.85 V", "energy", "ADC")
    spent = sum(value for (_, _, part), value in priced.estimate.energy.items() if part in row.figure.parts)
    leaked = row.figure.families["leakage"]
    assert spent / 2 / priced.network.macs + leaked == pytest.approx(row.fitted, rel=1e-9)


def test_the_stored_calibration_is_the_fit(study):
    """After a change of physics: `cimest validate --out DIR`, and its silicon.yaml to cimest/estimate."""
    fresh = yaml.safe_load(study.stored())
    assert fresh["sources"] == stored()["sources"]
    assert fresh["factors"] == pytest.approx(stored()["factors"], rel=1e-2, abs=1e-3)
    for base, spreads in fresh["spread"].items():
        for quantity, errors in spreads.items():
            assert errors == pytest.approx(stored()["spread"][base][quantity], rel=1e-2)


def test_a_row_that_does_not_hold_says_which_physics_is_missing(study):
    for row in study.rows:
        assert row.holds or row.note, (row.figure.chip, row.figure.quantity, row.figure.name)


def test_the_summary_is_that_of_the_rows(study):
    found = study.summary()
    ratios = [row.left_out / row.figure.published for row in study.rows if row.raw > 0]
    assert found["median_leave_one_out"] == median(ratios)
    totals = [row for row in study.rows if row.figure.name == TOTAL]
    assert found["totals"] == len(totals)
    inside = [row.low < row.figure.published < row.high for row in totals]
    assert found["coverage_leave_one_out"] == pytest.approx(sum(inside) / len(inside))


def test_ranges_hold_the_published_totals_in_four_fifths_of_cases(study):
    """The aim of the range, on chips that took no part in it."""
    assert study.summary()["coverage_leave_one_out"] >= 0.8


def test_a_part_that_a_chip_lacks_is_refused(monkeypatch):
    changed = json.loads(json.dumps(published()))
    changed["chips"]["kim_2021"]["components"]["macro"].append("flux_capacitor")
    monkeypatch.setattr("cimest.validate.silicon_chips.published", lambda: changed)
    with pytest.raises(ValueError, match="our chip has no flux_capacitor"):
        chips()


def test_json(study, capsys):
    assert main(["validate", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["group"].startswith("silicon")]
    assert len(rows) == len(study.rows)
    for row in rows:
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
        assert {"uncalibrated_ratio", "in_sample_ratio", "leave_one_out_ratio", "share"} <= set(row)


def test_the_page_and_its_figure(study, tmp_path):
    write(study, tmp_path)
    page = (tmp_path / "silicon.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    for name in NAMES:
        assert name.replace("_", " ") in page
    for name, chip in published()["chips"].items():
        assert name.replace("_", " ").title() in page
        assert source(chip["source"])["title"].split("&")[0] in page
    drawn = (tmp_path / "silicon.svg").read_text()
    for text in ("Physics alone", "Fitted to the other chips", "Jia 2020", "Published energy"):
        assert text in drawn
    assert yaml.safe_load((tmp_path / "silicon.yaml").read_text()) == yaml.safe_load(study.stored())
