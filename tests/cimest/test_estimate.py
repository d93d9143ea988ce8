"""The estimate: totals are sums of what is shown, physics goes the right way, figures of merit by hand."""

from dataclasses import replace

import pytest

from cimest.activity import Activity, LayerActivity
from cimest.estimate import metrics, operations
from cimest.estimate.metrics import energies
from cimest.mapping.part import adc_kinds
from cimest.pricing import build_network, price_experiment
from hwlib.registry import UnknownName
from tests.cimest.designs import experiment, vgg8


def system(exp, activity=None) -> float:
    """Energy per sample at the system boundary."""
    return energies(price_experiment(exp, activity).estimate)["system"]


@pytest.mark.parametrize("dataflow", ["naive", "optimised"])
@pytest.mark.parametrize("rule", ["sgd", "momentum"])
def test_totals_are_the_sums_of_their_parts(dataflow, rule):
    exp = experiment(dataflow={"base": dataflow}, training={"rule": {"name": rule}})
    priced = price_experiment(exp)
    data, estimate = priced.estimate.dataset(), priced.estimate
    result = metrics(estimate, priced.network, exp.chip.device, priced.activity, exp.training.batch, 4000)
    assert float((data.energy + data.leakage_energy).sum()) == pytest.approx(result["energy_per_sample_j"], rel=1e-12)
    assert float(data.latency.sum()) == pytest.approx(result["latency_per_sample_s"], rel=1e-12)
    assert float(data.area.sum()) * 1e6 == pytest.approx(result["area_mm2"], rel=1e-12)
    leaked = result["leakage_w"] * result["latency_per_sample_s"]
    assert float(data.leakage_energy.sum()) == pytest.approx(leaked, rel=1e-9)
    within = result["energy_per_sample_by_boundary_j"]
    assert within["macro"] < within["chip"] < within["system"]
    assert result["training_energy_j"] == pytest.approx(4000 * result["energy_per_sample_j"])
    for name, value in result["efficiency_tops_per_w"].items():
        assert value == pytest.approx(result["ops_per_sample"] / within[name] / 1e12)


def test_vgg8_operations():
    """3.688 G operations for each training image (Huang et al. 2022, counted as Peng et al. 2021 do)."""
    assert operations(build_network(vgg8())) == pytest.approx(3.688e9, rel=1e-3)


def test_the_papers_dataflow_gain_comes_out_of_the_model():
    """12 x between naive and optimised dataflow, momentum 4.2 % (Huang et al. 2022).

    Nobody has published the paper's bit widths and node; with our defaults the model gives 11 to 14 for what the
    abstract lets one read, slices of which each takes the whole batch, and more where gradients that have room need not
    wait for it. Momentum reads its average twice, since its scale is known only when all of a layer is there: with sums
    that go to DRAM once a batch 5 to 8 %, and 4 to 5 % with the scale of the update before, which needs one read. Where
    sums stay on the chip it takes 1 to 3 %, since plain descent has to put its gradient aside until the scale is known,
    which momentum does not.
    """
    rule = {"batch": 200, "rule": {"name": "momentum"}}
    naive, optimised = (
        system(vgg8(dataflow={"base": base}).model_copy(update={"training": experiment(training=rule).training}))
        for base in ("naive", "optimised")
    )
    late = {"gradient": {"early": False, "room": "own"}}
    waiting = system(vgg8(dataflow=late).model_copy(update={"training": experiment(training=rule).training}))
    assert 11 < naive / waiting < 14
    assert optimised < waiting
    previous = {"name": "momentum", "scale": "previous"}
    for accumulate, momentum_rule, least, most in (
        ("dram_per_batch", {"name": "momentum"}, 0.05, 0.08),
        ("dram_per_batch", previous, 0.04, 0.05),
        ("on_chip", {"name": "momentum"}, 0.0, 0.03),
    ):
        momentum, plain = (
            system(
                vgg8(dataflow={"gradient": {"accumulate": accumulate}}).model_copy(
                    update={"training": experiment(training={**rule, "rule": chosen}).training}
                )
            )
            for chosen in (momentum_rule, {"name": "sgd"})
        )
        assert least < momentum / plain - 1 < most


@pytest.mark.parametrize("kind", ["flash", "sar"])
def test_energy_and_area_grow_with_adc_bits(kind):
    results = [
        price_experiment(experiment(chip={"adc": {"kind": kind, "bits": bits}})).estimate for bits in (3, 4, 6, 8)
    ]
    spent = [energies(estimate)["macro"] for estimate in results]
    areas = [sum(estimate.area.values()) for estimate in results]
    assert spent == sorted(spent)
    assert areas == sorted(areas)


def test_energy_falls_from_node_to_node():
    spent = [
        energies(price_experiment(experiment(chip={"technology": f"{n}nm"})).estimate)["chip"]
        for n in (130, 65, 32, 14, 7)
    ]
    assert spent == sorted(spent, reverse=True)


def test_energy_follows_measured_activity():
    exp = experiment()
    network = build_network(exp)
    quiet = Activity("quiet", {layer.name: LayerActivity(input_ones=0.05) for layer in network.matrices})
    busy = Activity("busy", {layer.name: LayerActivity(input_ones=0.5) for layer in network.matrices})
    low, high = (price_experiment(exp, activity).estimate for activity in (quiet, busy))
    for cell in low.energy:
        if cell[2] in ("array", "wordline_driver") and cell[1] == "forward":
            assert low.energy[cell] < high.energy[cell]
        if cell[2] in ("adc", "dram"):
            assert low.energy[cell] == high.energy[cell]


def test_overlap_hides_transfers_and_costs_no_dynamic_energy():
    apart = price_experiment(vgg8(dataflow={"base": "optimised", "overlap": False})).estimate
    hidden = price_experiment(vgg8()).estimate
    assert hidden.time() < apart.time()
    assert hidden.energy == apart.energy
    for (layer, pass_, part), value in hidden.latency.items():
        assert 0 <= value <= apart.latency[layer, pass_, part] * (1 + 1e-12)


def test_leakage_covers_every_part_all_the_time():
    estimate = price_experiment(vgg8()).estimate
    assert set(estimate.leakage) == set(estimate.boundary)
    leaked = sum(estimate.leakage_energy().values())
    assert leaked == pytest.approx(sum(estimate.leakage.values()) * estimate.time())


def test_lifetime_by_hand():
    """1e9 pulses, the most written cell gets half a pulse in each update of 50 samples: 1e11 samples."""
    exp = experiment()
    device = exp.chip.device.model_copy(update={"endurance": 1e9})
    priced = price_experiment(exp)
    assert metrics(priced.estimate, priced.network, device, priced.activity, 50, 1)[
        "lifetime_samples"
    ] == pytest.approx(1e11)
    unknown = device.model_copy(update={"endurance": None})
    assert metrics(priced.estimate, priced.network, unknown, priced.activity, 50, 1)["lifetime_samples"] is None


def test_recorded_activity_round_trip(tmp_path):
    network = build_network(experiment())
    recorded = Activity.default(network)
    recorded = replace(
        recorded, origin="measured", layers={**recorded.layers, "conv1": LayerActivity(input_ones=0.123)}
    )
    recorded.save(tmp_path / "activity.json")
    loaded = Activity.load(tmp_path / "activity.json", network)
    assert loaded.layers == recorded.layers
    assert "measured" in loaded.origin
    with pytest.raises(ValueError, match="no activity for layer 'conv3'"):
        Activity.load(tmp_path / "activity.json", build_network(vgg8()))


@pytest.mark.parametrize(
    "exp",
    [
        experiment("mlp", training={"batch": 1}),
        experiment({"name": "mlp", "hidden": [3]}, training={"batch": 7}),
        experiment(chip={"array": {"rows": 1024, "columns": 1024}}),
        experiment(chip={"array": {"rows": 2, "columns": 3}, "adc": {"columns_per_adc": 1}}, training={"batch": 1}),
        experiment({"name": "vgg8", "width": 0.01}, "cifar10"),
        experiment(chip={"duplication": "fill_tile", "mapping": "kernel_position"}),
    ],
)
@pytest.mark.parametrize("base", ["naive", "optimised"])
def test_any_geometry_is_priced(exp, base):
    """Batch 1, fully connected nets, 1x1 maps, arrays larger than layers, odd sizes."""
    estimate = price_experiment(
        exp.model_copy(update={"dataflow": experiment(dataflow={"base": base}).dataflow})
    ).estimate
    assert 0 < estimate.time() < float("inf")
    assert all(value >= 0 for value in estimate.energy.values())
    assert all(value > 0 for name, value in estimate.area.items() if name != "dram")


def test_corners_bracket_the_typical_estimate():
    """HBM2 takes 3.9 pJ a bit at the low and typical corner, 7.03 at the high one: only the DRAM's share grows."""
    exp = vgg8()
    at = {
        corner: energies(price_experiment(exp.model_copy(update={"chip": chip})).estimate)
        for corner in ("low", "typical", "high")
        for chip in [exp.chip.model_copy(update={"corner": corner})]
    }
    assert at["low"]["system"] <= at["typical"]["system"] < at["high"]["system"]
    assert at["high"]["chip"] == pytest.approx(at["typical"]["chip"], rel=1e-12)
    dram = {corner: at[corner]["system"] - at[corner]["chip"] for corner in at}
    assert dram["high"] / dram["typical"] == pytest.approx(7.03 / 3.9, rel=1e-9)
    assert at["typical"]["system"] == system(exp)


@pytest.mark.parametrize("kind", adc_kinds())
def test_every_kind_of_adc_can_be_priced(kind):
    priced = price_experiment(experiment(chip={"adc": {"kind": kind}}))
    assert 0 < energies(priced.estimate)["macro"] < float("inf")


def test_an_unknown_kind_of_adc_names_the_closest():
    with pytest.raises(UnknownName, match="did you mean 'flash'"):
        price_experiment(experiment(chip={"adc": {"kind": "flsh"}}))


def test_a_noisier_converter_by_survey_is_cheaper():
    """Its effective bits are fewer; the fits of flash and successive approximation do not know noise."""
    spent = {}
    for kind in ("survey", "sar"):
        for noise in (0.0, 1.0):
            priced = price_experiment(experiment(chip={"adc": {"kind": kind, "bits": 8, "noise": noise}}))
            spent[kind, noise] = energies(priced.estimate)["macro"]
    assert spent["survey", 1.0] < spent["survey", 0.0]
    assert spent["sar", 1.0] == spent["sar", 0.0]
