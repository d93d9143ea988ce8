"""Calibration factors and the range of an estimate: what they multiply, that they sum, and that they are said."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimest.cli.main import main
from cimest.config import ConfigError, load
from cimest.config.calibration import Calibration
from cimest.estimate import calibrated, described, energies, ranges
from cimest.estimate.calibration import CONTROL, NONE, Factors, factors, family, silicon
from cimest.estimate.uncertainty import NORMAL, deviation, half_width, memory_spread
from cimest.explain import explain, leaves
from cimest.explore.space import with_values
from cimest.pricing import price_experiment
from cimest.run import estimate
from hwlib.components.charge_decrement_adc import ChargeDecrementAdc
from hwlib.provenance import source
from tests.cimest.test_run import LENET

EXPERIMENT = load(LENET)
PRICED = price_experiment(EXPERIMENT)

ENERGY = {"array": "wiring", "driver": "wiring", "converter": "converter", "digital": "activity"}
"""Family to the factor on its energy, as the schema describes them."""


def priced(**changes):
    chip = EXPERIMENT.chip.model_copy(update={"calibration": Calibration(**changes)})
    return price_experiment(EXPERIMENT.model_copy(update={"chip": chip}))


def of_part(name):
    return family(name, PRICED.parts[name].component)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("array", "array"),
        ("fast_array", "array"),
        ("wordline_driver", "driver"),
        ("input_dac", "dac"),
        ("backward_mux", "driver"),
        ("backward_adc", "converter"),
        ("adder_tree", "digital"),
        ("input_register", "digital"),
        ("gradient_buffer", "memory"),
        ("chip_interconnect", "memory"),
        ("rule_memory", "memory"),
        ("dram", "dram"),
    ],
)
def test_families(part, expected):
    assert family(part) == expected


def test_converters_that_integrate_are_a_family_without_a_factor_on_energy():
    """Their current is a datum; their error is that of converters."""
    assert family("adc", ChargeDecrementAdc(8)) == "integrator"
    assert Factors(activity=2.0, wiring=2.0, converter=2.0).energy("integrator") == 1.0
    spreads = {"rest": 2.0, "converter": 3.0}
    assert half_width({"integrator": 1.0}, spreads) == half_width({"converter": 1.0}, spreads)


def test_an_array_of_devices_is_as_its_record_says():
    array = PRICED.parts["array"].component
    assert family("array", array) == "device"
    assert Factors(wiring=9.0).energy("device") == Factors(layout=9.0).area("device") == 1.0


def test_no_calibration_changes_nothing():
    assert calibrated(PRICED.estimate, NONE, PRICED.parts) is PRICED.estimate
    assert factors(Calibration()) is NONE


@pytest.mark.parametrize("name", ["activity", "wiring", "converter"])
def test_a_factor_multiplies_the_energy_of_its_families_alone(name):
    after = priced(**{name: 3.0}).estimate
    for cell, value in PRICED.estimate.energy.items():
        expected = 3.0 if ENERGY.get(of_part(cell[2])) == name else 1.0
        assert after.energy[cell] == pytest.approx(expected * value, rel=1e-15)
    for part, value in PRICED.estimate.area.items():
        assert after.area[part] == value
    assert after.latency == PRICED.estimate.latency
    assert {**PRICED.estimate.leakage, CONTROL: 0.0} == after.leakage


@pytest.mark.parametrize("name", ["layout", "circuit_layout"])
def test_a_factor_multiplies_the_area_of_its_families_alone(name):
    after = priced(**{name: 3.0}).estimate
    for part, value in PRICED.estimate.area.items():
        families = ("array",) if name == "layout" else ("driver", "dac", "converter")
        assert after.area[part] == (3.0 if of_part(part) in families else 1.0) * value
    assert after.energy.items() >= PRICED.estimate.energy.items()


def test_control_is_a_share_of_the_macro():
    """A tenth of the energy within the macro comes on top of it, and of its area, and of nothing else."""
    after = priced(control=0.1, control_layout=0.2).estimate
    before, now = energies(PRICED.estimate), energies(after)
    assert now["macro"] == pytest.approx(1.1 * before["macro"], rel=1e-12)
    within = sum(value for part, value in PRICED.estimate.area.items() if PRICED.estimate.boundary[part] == "macro")
    assert after.area[CONTROL] == pytest.approx(0.2 * within, rel=1e-12)
    assert sum(after.area.values()) == pytest.approx(sum(PRICED.estimate.area.values()) + 0.2 * within, rel=1e-12)


def test_a_calibrated_result_sums_is_explained_and_says_what_was_used():
    result = estimate(
        load(LENET, ["chip.calibration=silicon", "chip.calibration.control=0.1", "dataflow.overlap=false"])
    )
    used = result["provenance"]["calibration"]
    assert used["base"] == "silicon"
    assert used["given"] == ["control"]
    assert used["factors"] == {**silicon()["factors"], "control": 0.1}
    assert set(silicon()["sources"]) <= set(result["provenance"]["sources"])
    parts = result["breakdown"]["component"].values()
    whole = sum(part["energy_j"] + part["leakage_energy_j"] for part in parts)
    assert whole == pytest.approx(result["metrics"]["energy_per_sample_j"], rel=1e-12)
    values = dict(leaves({"breakdown": result["breakdown"]}))
    for path in ("pass.forward.energy_j", "component.adc.energy_j", "component.adc.latency_s"):
        answer = explain(result, f"breakdown.{path}")
        assert sum(float(term["total"]) for term in answer.terms) == pytest.approx(values[answer.path], rel=1e-9)
    area = explain(result, "breakdown.component.adc.area_mm2")
    product = np.prod([float(area.inputs[key]) for key in ("instances", "area of one [m²]", "calibration")])
    assert product * 1e6 == pytest.approx(values[area.path], rel=1e-9)
    assert explain(result, "breakdown.component.control.energy_j").inputs["share"] == 0.1


def test_factors_of_silicon_are_positive_and_have_sources():
    found = silicon()
    assert set(found["factors"]) == {entry.name for entry in fields(Factors)}
    assert all(value >= 0 for value in found["factors"].values())
    assert all(source(key) for key in found["sources"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("chip.calibration=silicn", "did you mean 'silicon'"),
        ("chip.calibration.wirin=2", r"chip\.calibration\.wiring"),
        ("chip.calibration.wiring=0", "is not more than 0"),
        ("chip.calibration.control=-0.1", "is less than 0"),
    ],
)
def test_wrong_calibration_is_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load(LENET, [override])


def test_factors_broadcast():
    """Two values in one call, and each by itself."""
    path = "chip.calibration.converter"
    both = energies(price_experiment(with_values(EXPERIMENT, {path: np.array([1.0, 4.0])})).estimate)
    for i, value in enumerate((1.0, 4.0)):
        one = energies(price_experiment(with_values(EXPERIMENT, {path: value})).estimate)
        assert both["system"][i] == pytest.approx(one["system"], rel=1e-12)


positive = st.floats(0.01, 100)
either_way = st.floats(1.0, 20)


@given(positive, either_way)
def test_the_range_of_one_error_is_that_error(value, factor):
    assert np.exp(half_width({"array": value}, {"rest": factor})) == pytest.approx(factor, rel=1e-9)


@given(positive, positive, either_way, either_way)
def test_two_errors_partly_cancel(one, other, first, second):
    """Independent errors: the sum is never less certain than its least certain part; those of `rest` do not cancel."""
    spreads = {"rest": first, "converter": second}
    both = half_width({"array": one, "converter": other}, spreads)
    assert both <= max(np.log(first), np.log(second)) * (1 + 1e-9)
    alike = half_width({"array": one, "digital": other}, spreads)
    assert alike == pytest.approx(np.log(first), rel=1e-9, abs=1e-12)


def test_the_range_holds_what_it_says():
    """Drawn errors: a sum of two log-normal parts lies in its range in 80 %.

    The sum is log-normal by approximation and its median above that of the parts, which costs up to 4 % at factors
    of 3; 20 000 draws have a deviation of 0.3 %.
    """
    random, spreads = np.random.default_rng(0), {"rest": 2.0, "converter": 3.0}
    for share in (0.1, 0.5, 0.9):
        errors = {name: np.exp(deviation(factor) * random.standard_normal(20_000)) for name, factor in spreads.items()}
        drawn = (1 - share) * errors["rest"] + share * errors["converter"]
        half = half_width({"array": 1 - share, "converter": share}, spreads)
        assert np.mean(abs(np.log(drawn)) < half) == pytest.approx(0.8, abs=0.04)


def test_eighty_percent_of_a_normal_distribution():
    """Φ(1.2816) = 0.9: a tenth beyond either end."""
    random = np.random.default_rng(0).standard_normal(200_000)
    assert np.mean(abs(random) < NORMAL) == pytest.approx(0.8, abs=0.004)


@pytest.mark.parametrize("choice", ["none", "silicon"])
def test_ranges_stand_around_the_metrics(choice):
    result = estimate(load(LENET, [f"chip.calibration={choice}"]))
    metrics, found = result["metrics"], result["metrics"]["range"]
    for key in ("energy_per_sample_by_boundary_j", "efficiency_tops_per_w"):
        for boundary, ends in found[key].items():
            assert ends["typical"] == pytest.approx(metrics[key][boundary], rel=1e-12)
            assert ends["low"] < ends["typical"] < ends["high"]
            assert ends["low"] * ends["high"] == pytest.approx(ends["typical"] ** 2, rel=1e-9)
    assert found["area_mm2"]["typical"] == pytest.approx(metrics["area_mm2"], rel=1e-12)
    least = found["energy_per_sample_by_boundary_j"]["chip"]["low"]
    assert found["efficiency_tops_per_w"]["chip"]["high"] == pytest.approx(metrics["ops_per_sample"] / least / 1e12)


def test_factors_of_ones_own_are_as_uncertain_as_none():
    assert described(Calibration(wiring=2.0))["spread"] == described(Calibration())["spread"]
    assert described(Calibration(base="silicon", wiring=2.0))["spread"] == described(Calibration())["spread"]


def test_the_spread_of_a_memory_is_that_of_its_data():
    """Of jouppi2021tpuv4i, 3.9 to 7.03 pJ a bit, around a typical 3.9: a factor of 1.803."""
    assert memory_spread(PRICED.parts["dram"], PRICED.tech) == pytest.approx(7.03 / 3.9)


def test_a_range_does_not_price_anything():
    """Ranges come from sums that are there: no part is asked for its price but the DRAM."""
    parts = {"dram": PRICED.parts["dram"]}
    found = ranges(PRICED.estimate, Calibration(), parts, PRICED.tech, 1.0)
    typical = found["energy_per_sample_by_boundary_j"]["system"]["typical"]
    assert typical == pytest.approx(energies(PRICED.estimate)["system"], rel=1e-12)  # the same terms in another order


def test_the_headline_shows_the_range(capsys):
    assert main(["estimate", str(LENET), "--set", "chip.calibration=silicon"]) == 0
    assert "with 80 % probability" in capsys.readouterr().out


def test_factors_are_recorded_as_applied():
    assert described(Calibration(wiring=2.0))["factors"] == asdict(replace(NONE, wiring=2.0))
