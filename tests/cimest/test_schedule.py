"""The choices of the schedule: what each does to a tiny network by hand, what they conserve, which exclude others."""

import json
from itertools import product

import numpy as np
import pytest

from cimest.activity import Activity
from cimest.cli.main import main
from cimest.config import ConfigError, Experiment, load
from cimest.dataflow import Design, conflicts, resolve
from cimest.dataflow.accelerator import accelerator
from cimest.dataflow.neurosim import training_step as neurosim_step
from cimest.dataflow.neurosim import vectors
from cimest.estimate import energies, metrics
from cimest.mapping import place
from cimest.network import Conv, Network, linear
from cimest.pricing import build_rule, digital_reference, price_experiment
from cimest.rules import RULES
from cimest.run import build_trainer
from tests.cimest.designs import experiment, vgg8
from tests.cimest.test_dataflow import TINY, actions_of, total
from tests.cimest.test_run import LENET

BATCH = 10
PAIR = {"encoding": "differential_pair", "pair_update": "push_pull"}


def tiny(unit="digital", dataflow=None, chip=None, **weight_gradient):
    """An experiment on arrays of 8x4 cells; the digital unit forms blocks of 2x2 gradients."""
    unit = {"unit": unit, "lanes": 4, **weight_gradient}
    chip = {"array": {"rows": 8, "columns": 4}, "adc": {"columns_per_adc": 2}, "weight_gradient": unit, **(chip or {})}
    return experiment(chip=chip, training={"batch": BATCH, "rule": {"name": "sgd"}}, dataflow=dataflow or {})


def counts(exp, network=TINY):
    return actions_of(exp, network, "sgd")


def test_sums_in_the_unit_leave_it_once_for_all_images_together():
    """16-bit gradients of 54 and 60 weights; lanes hold a block while the images pass that the order puts together."""
    for dataflow, images in (
        ({"loop_order": "slice_outer"}, (BATCH, BATCH)),
        ({"loop_order": "split", "image_layers": 1, "image_group": 2}, (2, BATCH)),
        ({"loop_order": "image_outer", "image_group": 5}, (5, 5)),
    ):
        actions = counts(tiny(dataflow={**dataflow, "gradient": {"accumulate": "in_unit"}}))
        for layer, weights, together in zip(("conv", "fc"), (54, 60), images, strict=True):
            written = 1024 * total(actions, "gradient_buffer", "write", layer, "weight_gradient")
            read = 1024 * total(actions, "gradient_buffer", "read", layer, "weight_gradient")
            assert written == pytest.approx(weights * 16 / together)
            assert read == pytest.approx(weights * 16 * (1 / together - 1 / BATCH))  # the first share finds nothing
            assert 1024 * total(actions, "gradient_buffer", "read", layer, "weight_update") == pytest.approx(
                weights * 16 / BATCH
            )
        assert total(actions, "dram", "write") == 0


def test_sums_once_a_batch_in_dram():
    actions = counts(tiny(dataflow={"gradient": {"accumulate": "dram_per_batch"}}))
    out = total(actions, "dram", "write", pass_="weight_gradient")
    assert out == pytest.approx((54 + 60) * 16 / BATCH)
    assert total(actions, "dram", "read", pass_="weight_update") == pytest.approx(out)
    assert total(actions, "gradient_buffer", "read", pass_="weight_update") == 0


@pytest.mark.parametrize("accumulate", ["dram", "dram_per_batch", "on_chip", "in_unit"])
@pytest.mark.parametrize("order", ["image_outer", "slice_outer", "split"])
@pytest.mark.parametrize("unit", ["sram_cim", "digital"])
def test_gradients_that_are_written_are_read(accumulate, order, unit):
    """Every word that enters the gradient buffer, or the DRAM as a gradient, leaves it once."""
    split = {"image_layers": 1} if order == "split" else {}
    exp = tiny(unit, {"loop_order": order, **split, "gradient": {"accumulate": accumulate}})
    if list(conflicts(exp)):
        return
    actions = counts(exp)
    if accumulate != "dram":  # there the update takes the sums from where the last image left them
        kept = total(actions, "gradient_buffer", "write")
        assert total(actions, "gradient_buffer", "read") == pytest.approx(kept)
    passes = ("weight_gradient", "weight_update")
    written = sum(total(actions, "dram", "write", pass_=name) for name in passes)
    read = sum(total(actions, "dram", "read", pass_=name) for name in passes)
    if exp.dataflow.base == "optimised":  # the network fits on the chip: nothing else goes to DRAM
        assert written == pytest.approx(read)


@pytest.mark.parametrize("base", ["naive", "optimised"])
@pytest.mark.parametrize("unit", ["sram_cim", "digital", "in_array"])
def test_every_partial_sum_is_converted_once(base, unit):
    """Conversions are positions x cycles x row blocks x columns, whatever the schedule; each is added once."""
    dataflow = {"base": base, **({"loop_order": "image_outer"} if unit == "in_array" else {})}
    actions = counts(tiny(unit, dataflow))
    assert total(actions, "adc", "convert") == 16 * 8 * 3 * 3 + 8 * 2 * 5
    assert total(actions, "backward_adc", "convert") == 14 * 2 * 12
    for prefix in ("", "backward_"):
        assert total(actions, f"{prefix}shift_add", "shift_add") == total(actions, f"{prefix}adc", "convert")


def test_centring_by_hand():
    """Two sums for each of the 16 · 3 + 5 outputs, and for each error there; for the weight gradient one for each
    operand of a product, and a product for each weight once a batch. Nothing of it where nothing is centred.
    """

    def of(centring):
        exp = tiny()
        return counts(exp.model_copy(update={"training": exp.training.model_copy(update={"centring": centring})}))

    actions = of("outputs_and_errors")
    assert total(actions, "centring", "accumulate", pass_="forward") == 2 * (16 * 3 + 5)
    assert total(actions, "centring", "accumulate", pass_="backward") == 2 * (16 * 3 + 5)
    # errors of both layers have waited as they came back, and lose their means once more on the way to the unit
    assert total(actions, "centring", "accumulate", pass_="weight_gradient") == 16 * (18 + 3) + 12 + 5 + 16 * 3 + 5
    assert total(actions, "centring_multiplier", "multiply_accumulate") == pytest.approx((54 + 60) / BATCH)
    assert total(of("outputs"), "centring", "accumulate", pass_="backward") == 0
    assert total(of("outputs"), "centring", "accumulate", pass_="weight_gradient") == 16 * (18 + 3) + 12 + 5
    assert total(of("outputs"), "centring", "accumulate", pass_="forward") == 2 * (16 * 3 + 5)
    assert not any(row.part.startswith("centring") for row in of("none"))


def test_operands_are_streamed_again_where_the_unit_cannot_hold_them():
    """Half of 64 bits holds 4 of 12 activations of 8 bits; the cheaper way holds the 5 errors in 2 turns."""
    actions = counts(tiny(operand_buffer=64.0))
    fetched = total(actions, "global_buffer", "read", "fc", "weight_gradient") * 256
    assert fetched == min(96 + 40 * 3, 40 + 96 * 2)


def test_update_in_the_arrays_by_hand():
    """For each of 16 and 1 positions 3 and 4 arrays fire 2 x 7 slots; there is no other gradient and no batch."""
    actions = counts(tiny("in_array", {"loop_order": "image_outer"}, train_length=7))
    assert not any(row.pass_ == "weight_gradient" for row in actions)
    assert total(actions, "array", "pulse_outer_product") == 16 * 3 + 4
    assert total(actions, "row_trains", "slot") == total(actions, "column_trains", "slot") == (16 * 3 + 4) * 14
    (conv,) = [row for row in actions if row.action == "pulse_outer_product" and row.layer == "conv"]
    ones = Activity.default(TINY).layers["conv"]
    # 6 of 8 rows and 3 of 4 columns of an array are in use
    assert conv.arguments["row_probability"] == pytest.approx(ones.input_ones * 6 / 8)
    assert conv.arguments["column_probability"] == pytest.approx(ones.error_ones * 3 / 4)
    assert conv.serial == 16  # all arrays of the layer at once


def test_verify_reads_each_row_before_it_is_written_and_after_each_write():
    plain, verified = (
        counts(tiny(chip={"write": write})) for write in ({}, {"verify": "row", "rounds": 3.0})
    )  # fmt: skip
    rows = total(plain, "array", "write_row")
    assert rows == pytest.approx((18 + 24) / BATCH)
    assert total(verified, "array", "write_row") == pytest.approx(3 * rows)
    # 18 rows of 3 columns, 24 rows of 2.5 columns on average
    read = total(verified, "adc", "convert", pass_="weight_update")
    assert read == pytest.approx(4 * (18 * 3 + 24 * 2.5) / BATCH)  # before the first write, and after each of three
    pairs = {"write": {"verify": "row", "rounds": 3.0}, "array": {"rows": 8, "columns": 4} | PAIR}
    assert total(counts(tiny(chip=pairs)), "adc", "convert", pass_="weight_update") == pytest.approx(2 * read)


def test_pipelining_by_hand():
    """A batch takes one image's whole way, and for each other image the time of the slowest stage."""
    chip = {"weight_gradient": {"unit": "digital"}, "global_buffer": {"size": 8 * 2.0**25}}
    exp = vgg8(chip=chip, dataflow={"loop_order": "image_outer"})
    alone, flowing = (
        price_experiment(
            exp.model_copy(update={"dataflow": exp.dataflow.model_copy(update={"pipelined": on})})
        ).estimate
        for on in (False, True)
    )
    way = sum(time for (_, pass_, _), time in alone.latency.items() if pass_ != "weight_update")
    slowest = max(flowing.stages.values())
    batch = way + 199 * slowest + 200 * alone.time(pass_="weight_update")
    assert flowing.time() == pytest.approx(batch / 200, rel=1e-9)
    assert sum(flowing.alone.values()) == pytest.approx(alone.time(), rel=1e-12)
    assert flowing.stages["weight-gradient unit"] == pytest.approx(alone.time(pass_="weight_gradient"))
    assert all(value >= 0 for value in flowing.latency.values())


def test_pipelining_leaves_dynamic_energy_where_the_buffer_is_large():
    """What waits for later passes is kept for more images, and spills only where the buffer has no room for them."""
    chip = {"weight_gradient": {"unit": "digital"}, "global_buffer": {"size": 8 * 2.0**25}}
    exp = vgg8(chip=chip, dataflow={"loop_order": "image_outer"})
    alone, flowing = (
        price_experiment(
            exp.model_copy(update={"dataflow": exp.dataflow.model_copy(update={"pipelined": on})})
        ).estimate
        for on in (False, True)
    )
    assert flowing.energy == alone.energy
    assert sum(flowing.leakage_energy().values()) < sum(alone.leakage_energy().values())


def test_a_slices_weight_gradient_waits_for_the_whole_batch():
    exp = vgg8(dataflow={"pipelined": True, "gradient": {"early": False}})
    estimate = price_experiment(exp).estimate
    assert estimate.stages["weight-gradient unit"] == 0
    gradient = sum(time for (_, pass_, _), time in estimate.alone.items() if pass_ == "weight_gradient")
    assert estimate.time(pass_="weight_gradient") == pytest.approx(gradient)


def test_copies_speed_up_a_pipeline():
    """The first convolutions have most positions and least weights; copies share their positions."""
    times = []
    for copies in ("none", "fill_tile"):
        chip = {"duplication": copies, "weight_gradient": {"unit": "digital", "lanes": 16384}}
        times.append(price_experiment(vgg8(chip=chip, dataflow={"loop_order": "image_outer", "pipelined": True})))
    stages = [priced.estimate.stages["tiles of conv2"] for priced in times]
    assert stages[1] < stages[0]


def test_bottleneck_and_peak_are_named():
    exp = vgg8(dataflow={"pipelined": True})
    for point, names in ((vgg8(), ":"), (exp, "tiles of conv2")):
        priced = price_experiment(point)
        result = metrics(priced.estimate, priced.network, point.chip.device, priced.activity, 200, 1)
        slowest = result["bottleneck"]
        assert names in slowest["resource"]
        assert 0 < slowest["share"] <= 1
        assert slowest["time_s"] == pytest.approx(slowest["share"] * result["latency_per_sample_s"])
        assert result["power_w"]["peak"] > result["power_w"]["average"]
        assert " of " in result["power_w"]["peak_at"] or result["power_w"]["peak_at"] == "pipeline"


def test_executed_operations_leave_out_what_is_skipped():
    """Default activity: 0.4 of both factors are zero, so that 0.36 of the weight gradient's products remain."""
    exp = vgg8(chip={"weight_gradient": {"unit": "digital"}})
    priced = price_experiment(exp)
    result = metrics(priced.estimate, priced.network, exp.chip.device, priced.activity, 200, 1)
    skipped = result["ops_per_sample"] - result["executed_ops_per_sample"]
    assert skipped == pytest.approx(2 * priced.network.macs * (1 - 0.36))


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["dataflow.loop_order=split"], "split needs dataflow.image_layers"),
        (["dataflow.image_layers=2"], "is for loop_order split"),
        (["dataflow.gradient.accumulate=in_unit"], "needs lanes that hold gradients"),
        (["dataflow.image_group=4"], "only where sums stay in_unit"),
        (["chip.weight_gradient.unit=in_array"], "momentum needs the gradient as numbers"),
        (["chip.weight_gradient.unit=in_array", "dataflow.pipelined=true"], "the next has to wait"),
        (["chip.weight_gradient.unit=in_array", "chip.write.verify=row"], "cannot be verified"),
        (["chip.weight_gradient.unit=in_array", "training.centring=outputs"], "in_array pulses inputs as they are"),
        (["dataflow.accounting=neurosim"], "neurosim counts the naive dataflow only"),
    ],
)
def test_choices_that_exclude_one_another_are_refused_with_a_reason(overrides, reason):
    with pytest.raises(ConfigError, match=reason):
        load(LENET, [*overrides, "training.rule=momentum"])


def test_what_is_only_priced_is_not_trained():
    change = {"weight_gradient": {"unit": "in_array", "train_length": 100}}
    exp = experiment(chip=change, training={"rule": {"name": "sgd"}}, dataflow={"loop_order": "image_outer"})
    assert price_experiment(exp).estimate.time() > 0
    with pytest.raises(ValueError, match="priced"):
        build_trainer(exp)


def test_neurosim_counts_without_padding_and_channels():
    exp = experiment(
        chip={"array": {"rows": 8, "columns": 4}, "adc": {"columns_per_adc": 2}},
        training={"batch": BATCH},
        dataflow={"base": "naive", "accounting": "neurosim"},
    )
    priced = price_experiment(exp)
    plan = place(TINY, exp.chip)
    assert [vectors(placement) for placement in plan.placements] == [2 * 2, 1]
    design = Design(TINY, exp.chip, plan, resolve(exp.dataflow), BATCH, priced.parts)
    actions = neurosim_step(design, Activity.default(TINY))
    assert total(actions, "adc", "convert", "conv") == 4 * 8 * 3 * 3
    assert total(actions, "backward_adc", "convert", "fc") == 8 * 2 * 12
    # A map of 4x4 places, then of one, of 8 bits and one channel, out in each of the passes; and the gradients.
    maps = 2 * 16 * 8 + 3 * 8
    assert total(actions, "dram", "write") == maps + (54 + 60) * 16
    assert total(actions, "dram", "read") == total(actions, "dram", "write")
    # Leakage: of the other layers' tiles, while a layer is read.
    leaked = priced.estimate.leakage_energy()
    assert {pass_ for _, pass_, _ in leaked} <= {"forward", "backward"}
    assert energies(priced.estimate)["system"] == pytest.approx(
        sum(priced.estimate.energy.values()) + sum(leaked.values()), rel=1e-12
    )


def test_the_digital_accelerator_by_hand():
    """Blocks of 2 x 2 results for the batch of 10: forward 18 x 80 x 2 of 160 x 3 outputs, and so on."""
    exp = tiny()
    priced = price_experiment(exp)
    design = Design(TINY, exp.chip, place(TINY, exp.chip), resolve(exp.dataflow), BATCH, priced.parts)
    parts, actions = accelerator(design, RULES.get("sgd")(), Activity.default(TINY))
    assert not {"array", "adc", "gradient_array"} & set(parts)
    slots = {
        name: total(actions, "outer_product", "accumulate", "conv", name) * BATCH
        for name in ("forward", "weight_gradient")
    }
    assert slots == {"forward": 18 * 80 * 2, "weight_gradient": 160 * 9 * 2}
    assert total(actions, "outer_product", "accumulate", "conv", "backward") == 0
    # 64 states are words of 6 bits, read for each pass (the first layer has two) and the update, and written once.
    weights = (54 * 3 + 60 * 3) * 6 / BATCH
    image = 32 * 8
    assert total(actions, "dram", "read") == pytest.approx(weights + image)
    assert total(actions, "dram", "write") == pytest.approx((54 + 60) * 6 / BATCH)


def test_the_digital_reference_skips_no_pass():
    exp = vgg8()
    found = digital_reference(exp, price_experiment(exp))
    assert set(found["energy_per_sample_by_pass_j"]) == {"forward", "backward", "weight_gradient", "weight_update"}
    assert sum(found["energy_per_sample_by_pass_j"].values()) == pytest.approx(found["energy_per_sample_j"], rel=1e-12)


def test_the_digital_reference_trains_what_layers_without_weights_learn():
    """Gains and offsets of batch normalisation, on the analog chip and beside it."""
    exp = experiment("resnet18", "cifar10")
    priced = price_experiment(exp)
    _, reference = accelerator(priced.design, build_rule(exp), priced.activity)
    for part, action, pass_ in (
        ("vector_unit", "multiply_accumulate", "weight_update"),
        ("vector_unit", "multiply_accumulate", "backward"),
        ("root_table", "look_up", "forward"),
    ):
        assert total(reference, part, action, pass_=pass_) == total(priced.actions, part, action, pass_=pass_) > 0


def test_groups_have_arrays_and_products_of_their_own():
    """Two groups of 2 -> 3 channels: as two convolutions beside each other, in conversions and in arrays."""
    one = Conv("conv", (2, 4, 4), 3, kernel=3, padding=1)
    both = Conv("conv", (4, 4, 4), 6, kernel=3, padding=1, groups=2)
    single, grouped = (
        Network("n", (layer, linear("fc", layer.out_channels * 16, 5))) for layer in (one, both)
    )  # fmt: skip
    for unit in ("sram_cim", "digital"):
        alone, together = counts(tiny(unit), single), counts(tiny(unit), grouped)
        for part, action in (("adc", "convert"), ("array", "read"), ("array", "write_row")):
            assert total(together, part, action, "conv") == pytest.approx(2 * total(alone, part, action, "conv"))
    conversions = [total(step, "outer_product", "accumulate", "conv") for step in (alone, together)]
    assert conversions[1] == 2 * conversions[0]


def test_a_split_as_an_array_prices_as_each_alone():
    exp = vgg8(
        chip={"weight_gradient": {"unit": "digital"}},
        dataflow={"loop_order": "split", "image_layers": 0, "gradient": {"accumulate": "in_unit"}, "pipelined": True},
    )

    def priced(layers, group):
        flow = exp.dataflow.model_copy(update={"image_layers": layers, "image_group": group})
        return price_experiment(exp.model_copy(update={"dataflow": flow})).estimate

    together = priced(np.arange(9)[:, None], np.array([1, 8]))
    for layers, (place_, group) in product((0, 4, 8), enumerate((1, 8))):
        alone = priced(layers, group)
        assert energies(together)["system"][layers, place_] == pytest.approx(energies(alone)["system"], rel=1e-12)
        assert together.time()[layers, place_] == pytest.approx(alone.time(), rel=1e-12)


def test_a_waterfall_joins_choices_that_exclude_one_another(capsys):
    best = ["chip.weight_gradient.unit=digital", "dataflow={loop_order: split, image_layers: 2}"]
    arguments = [part for choice in best for part in ("--with", choice)]
    assert main(["compare", str(LENET), *arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert any("loop_order + dataflow.image_layers" in step["choice"] for step in answer["steps"])
    assert answer["steps"][-1]["energy"] == pytest.approx(answer["metrics"][1]["energy_per_sample_j"])
    assert answer["reference"]["digital"]["energy_per_sample_j"] > 0


def test_an_experiment_names_what_it_refuses():
    assert isinstance(tiny(), Experiment)
    assert list(conflicts(tiny())) == []
