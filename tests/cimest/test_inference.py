"""Inference alone: what is priced and what is not, bare macros, published chips, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from cimest.config import ConfigError, load
from cimest.dataflow.inference import samples
from cimest.estimate import energies, macro
from cimest.explain import explain, leaves
from cimest.explore.space import with_values
from cimest.pricing import price_experiment
from cimest.run import estimate, run

ROOT = Path(__file__).parents[2]
CHIPS = sorted((ROOT / "examples/chips").glob("*.yaml"))
JIA, WAN, WANG, KHADDAM, KIM, SINANGIL = (
    ROOT / f"examples/chips/{name}.yaml"
    for name in ("jia_2020", "wan_2022", "wang_2022", "khaddam_2022", "kim_2021", "sinangil_2021")
)

LEARNING = {
    *("bitline_driver", "error_register", "backward_mux", "backward_adc", "backward_shift_add", "pulse_generator"),
    *("centring", "centring_multiplier", "rate_multiplier", "update_control", "gradient_buffer", "gradient_array"),
    *("gradient_interconnect", "outer_product", "operand_buffer", "momentum_unit", "momentum_buffer"),
}
"""Parts that only a chip that learns has."""

NETWORKS = (
    {"network": "lenet5", "dataset": "{name: none, shape: [1, 28, 28], classes: 10, samples: 100}"},
    {
        "network": "{name: resnet18, width: 0.25}",
        "dataset": "{name: none, shape: [3, 32, 32], classes: 10, samples: 100}",
    },
    {"network": "lstm", "dataset": "{name: none, shape: [1, 32, 1], classes: 65, samples: 100, vocabulary: 65}"},
    {
        "network": "transformer",
        "dataset": "{name: none, shape: [1, 32, 1], classes: 2, samples: 100, vocabulary: 1000}",
    },
)


def example(**sections):
    """LeNet-5's chip of the examples with other sections, and nothing trained."""
    changes = [f"{name}={text}" for name, text in sections.items()]
    return load(ROOT / "examples/lenet5_mnist.yaml", [*changes, "training.kind=none", "training.batch=1"])


@pytest.mark.parametrize("sections", NETWORKS, ids=lambda sections: sections["network"])
def test_no_circuit_that_learns_is_priced(sections):
    """No part of training is there, only the forward pass takes energy and time, and totals are sums."""
    priced = price_experiment(example(**sections))
    assert not LEARNING & priced.parts.keys()
    assert {row.pass_ for row in priced.actions} == {"forward"}
    found = energies(priced.estimate)
    spent = sum(priced.estimate.energy.values()) + priced.estimate.leaked()
    assert found["system"] == pytest.approx(spent, rel=1e-12)
    assert found["macro"] < found["chip"] < found["system"]


def test_arrays_and_converters_work_as_in_the_forward_pass_of_training():
    """The same reads, conversions and energies of arrays, drivers, ADCs and shift-adders, cell by cell."""
    inferred = price_experiment(example()).estimate
    trained = price_experiment(load(ROOT / "examples/lenet5_mnist.yaml")).estimate
    cells = [cell for cell in inferred.energy if cell[2] in ("array", "wordline_driver", "mux", "adc", "shift_add")]
    assert len(cells) == 5 * 5
    for cell in cells:
        assert cell[1] == "forward"
        assert inferred.energy[cell] == pytest.approx(trained.energy[cell], rel=1e-12)
        assert inferred.count[cell] == trained.count[cell]
    assert sum(inferred.area.values()) < sum(trained.area.values())


def test_whole_vectors_are_inferred_as_in_training():
    """The chip of examples/fcn_tiki_taka.yaml: DACs, reads and conversions of the forward pass, cell by cell."""
    base = ROOT / "examples/fcn_tiki_taka.yaml"
    inferred, trained = (price_experiment(load(base, [f"training.kind={kind}"])) for kind in ("none", "on_chip"))
    cells = [cell for cell in inferred.estimate.energy if cell[2] in ("dac", "array", "adc", "scale_multiplier")]
    assert len(cells) == 4 * 3
    for cell in cells:
        assert inferred.estimate.energy[cell] == pytest.approx(trained.estimate.energy[cell], rel=1e-12)
    assert "backward_dac" not in inferred.parts


@pytest.mark.parametrize("cell", ["1t1r", "crossbar", "ecram"])
def test_a_cycle_changes_no_energy_of_arrays_and_converters(cell):
    """With a given cycle, reads are counted by another function: every cell's energy is the same."""
    free, timed = (
        price_experiment(example(**{"chip.array.cell": cell, "chip.inference.cycle": cycle})).estimate.energy
        for cycle in ("null", "100 ns")
    )
    for cell in (cell for cell in free if cell[2] in ("array", "wordline_driver", "input_register", "mux", "adc")):
        assert timed[cell] == pytest.approx(free[cell], rel=1e-12)


@pytest.mark.parametrize("chip", CHIPS, ids=lambda path: path.stem)
def test_the_figures_of_a_published_chip_are_sums_of_its_parts(chip):
    result = estimate(load(chip))
    figures, parts = result["metrics"]["macro"], result["metrics"]["macro"]["components"]
    spent = sum(part["energy_j"] + part["leakage_energy_j"] for part in parts.values())
    assert spent == pytest.approx(figures["energy_per_vector_j"] * figures["vectors_per_sample"], rel=1e-12)
    assert sum(part["area_mm2"] for part in parts.values()) == pytest.approx(figures["area_mm2"], rel=1e-12)
    for share in ("energy_share", "area_share"):
        assert sum(part[share] for part in parts.values()) == pytest.approx(1.0, rel=1e-12)
    operated, time = figures["ops_per_sample"], figures["time_per_vector_s"] * figures["vectors_per_sample"]
    assert figures["throughput_tops"] == pytest.approx(operated / time / 1e12, rel=1e-12)
    assert figures["efficiency_tops_per_w"] == pytest.approx(operated / spent / 1e12, rel=1e-12)
    for name, part in parts.items():
        assert part["energy_j"] == pytest.approx(result["breakdown"]["component"][name]["energy_j"], rel=1e-12)
    assert result["metrics"]["training_energy_j"] is None
    assert "training_energy_j" in result["absent"]
    if figures["conversions_per_sample"]:
        whole = figures["energy_per_conversion_j"] * figures["conversions_per_sample"]
        assert whole == pytest.approx(spent, rel=1e-12)
    else:
        assert "conversions_per_sample" in result["absent"]


@pytest.mark.parametrize(
    ("chip", "changes", "published"),
    [
        (JIA, (), 0.874),
        (JIA, ("chip.supply=1.2", "chip.clock=100e6", "chip.inference.cycle=540e-9"), 2.185),
        (WANG, (), 0.4459),
        (WAN, (), 2.1223 / 48),
        (WAN, ("chip.input_bits=4", "chip.adc.bits=6"), 0.7439 / 48),
        (WAN, ("chip.input_bits=8", "chip.adc.bits=10", "chip.inference.phases=2"), 0.2639 / 48),
    ],
)
def test_throughput_of_published_chips(chip, changes, published):
    """Published throughputs [TOPS], of one core. Jia's and Wang's clocks are inputs, to a percent; Wan's follows from
    the times of an integration and a step, which CiMLoop gives and which are good to a tenth."""
    figures = estimate(load(chip, changes))["metrics"]["macro"]
    assert figures["throughput_tops"] == pytest.approx(published, rel=0.1 if chip == WAN else 0.01)


@pytest.mark.parametrize(
    ("chip", "changes", "parts", "published"),
    [
        (JIA, (), ("array", "wordline_driver", "input_register", "adc"), 400),
        (WANG, (), None, 16.376),
        (WAN, (), None, 43.08),
        (WAN, ("chip.input_bits=8", "chip.adc.bits=10", "chip.inference.phases=2"), None, 6.4374),
    ],
)
def test_uncalibrated_efficiency_is_of_the_right_order(chip, changes, parts, published):
    """Published [TOPS/W] of the parts that the paper counts, all if none are named: within the factor 5 that physics
    without wiring, clocks and layout is off at most (Jia's; the others are within 2)."""
    figures = estimate(load(chip, changes))["metrics"]["macro"]
    parts = parts or tuple(figures["components"])
    entries = [figures["components"][name] for name in parts]
    spent = sum(entry["energy_j"] + entry["leakage_energy_j"] for entry in entries)
    ratio = figures["ops_per_sample"] / spent / 1e12 / published
    assert 1 / 2 < ratio < (5 if chip == JIA else 2)


def test_bits_of_inputs_and_weights_multiply_conversions():
    """By hand: 256 columns hold 64 weights of 4 bits, each of which converts 4 bits of the input: 1024 conversions and
    64 words that leave the datapath; four vectors of bits take four cycles."""
    changes = ["chip.input_bits=4", "chip.inference.weight_bits=4"]
    data = "dataset={name: none, shape: [2304, 1, 1], classes: 64, samples: 1}"
    priced = price_experiment(load(JIA, [*changes, data]))
    rows = {(row.part, row.action): row.count for row in priced.actions}
    assert rows["adc", "convert"] == 1024
    assert macro(priced.estimate, priced.network, priced.actions)["conversions_per_sample"] == 1024
    assert rows["near_memory_datapath", "finish"] == 64
    assert priced.plan.arrays == 1
    figures = macro(priced.estimate, priced.network, priced.actions)
    assert figures["time_per_vector_s"] == pytest.approx(4 * 1350e-9, rel=1e-12)


def test_a_matrix_of_several_macros_adds_their_sums():
    """By hand: 4608 inputs take two arrays; each column's two sums are joined by a tree in the macro."""
    data = "dataset={name: none, shape: [4608, 1, 1], classes: 256, samples: 1}"
    priced = price_experiment(load(JIA, [data, "chip.tile.pes=2"]))
    assert priced.plan.arrays == 2
    assert {"adder_tree"} <= priced.parts.keys()
    assert "adder_tree" not in price_experiment(load(JIA)).parts


def signed(chip, inputs, *changes):
    """Actions of a layer behind tanh, whose 64 inputs have a sign, by part and action.

    By default 40 % of inputs are zero, and a quarter of the bits are one in the mean over both phases.
    """
    data = "dataset={name: none, shape: [100, 1, 1], classes: 10, samples: 1}"
    net = "network={name: mlp, hidden: [64], activation: tanh}"
    priced = price_experiment(load(chip, [data, net, "activity=null", f"chip.signed_inputs={inputs}", *changes]))
    return {(row.part, row.action): row for row in priced.actions if row.layer == "fc2"}


@pytest.mark.parametrize(
    ("chip", "place", "line"),
    [
        (KHADDAM, ("wordline_driver", "drive"), "active_lines"),
        (KHADDAM, ("array", "read"), "active_rows"),
        (WANG, ("array", "read"), "active_rows"),
        (SINANGIL, ("array", "read"), "active_rows"),
    ],
)
def test_an_input_drives_its_line_in_one_of_two_phases(chip, place, line):
    """By hand: 60 % of 64 inputs drive once, in one read of all, or each in that of its sign."""
    for inputs, reads in (("twos_complement", 1), ("two_phase", 2)):
        row = signed(chip, inputs)[place]
        assert row.count == reads * signed(chip, "twos_complement")[place].count
        assert row.arguments[line] == pytest.approx(0.6 * 64 / reads, rel=1e-12)


def test_columns_are_held_for_the_current_of_a_phase():
    """In two reads as many times as long, and with half of the current each: as much charge."""
    one, two = (signed(KHADDAM, inputs)["adc", "hold"] for inputs in ("twos_complement", "two_phase"))
    assert two.count == 2 * one.count
    assert two.arguments["current"] == pytest.approx(one.arguments["current"] / 2, rel=1e-12)


def test_pulses_of_two_phases_last_twice_as_long():
    """Without a cycle, the trains of each phase are waited for; with one, none."""
    free = "chip.inference.cycle=null"
    one, two = (
        signed(KHADDAM, inputs, free)["wordline_driver", "drive"] for inputs in ("twos_complement", "two_phase")
    )
    assert (one.serial, two.serial) == (1, 2)
    assert signed(KHADDAM, "two_phase")["wordline_driver", "drive"].serial == 0


def test_weighted_pulses_of_both_signs_go_in_one_read():
    """By hand: a quarter of the bits is one in the mean over two phases, half of them in a read of both signs."""
    word = "chip.input_bits=4"
    for inputs, share in (("two_phase", 0.5), ("twos_complement", 0.25)):
        rows = signed(WAN, inputs, word)
        assert rows["array", "read"].arguments["active_rows"] == pytest.approx(share * 64, rel=1e-12)
        assert rows["array", "read"].count == 3  # bits of the magnitude


@pytest.mark.parametrize(
    ("chip", "changes", "bits"),
    [
        (KIM, (), 8 + 1),
        (KIM, ("chip.input_bits=4",), 8 + 4),
        (JIA, (), 8 + 1),
        (JIA, ("chip.input_bits=4", "chip.inference.weight_bits=4"), 8 + 4 + 4),
        (WANG, (), 8),
        (KHADDAM, (), 8),
        (WAN, ("chip.input_bits=4", "chip.adc.bits=6"), 6),
        (WAN, ("chip.input_bits=8", "chip.adc.bits=10", "chip.inference.phases=2"), 10 + 5),
    ],
)
def test_sums_are_as_wide_as_what_inference_adds(chip, changes, bits):
    """By hand: bits of a code (of a digital column of 128 bits 1 + 7), and one more for each bit of the input and each
    column of a weight that has a code of its own; 7 bits in phases of 4 and 3 shift the second code by 4."""
    rows = load(chip).chip.array.rows
    data = f"dataset={{name: none, shape: [{2 * rows}, 1, 1], classes: 8, samples: 1}}"
    tree = price_experiment(load(chip, [data, "chip.tile.pes=2", *changes])).parts["adder_tree"].component
    assert tree.bits == bits


BACKWARD = "chip.backward_adc.bits"


@pytest.mark.parametrize("sections", NETWORKS, ids=lambda sections: sections["network"])
def test_the_absent_backward_pass_makes_nothing_wider(sections):
    """Bits of errors, and of the converters that would read them, change no energy and no area."""
    base, wide = (
        price_experiment(example(**sections, **{"chip.input_bits": 4, "chip.error_bits": bits, BACKWARD: bits + 4}))
        for bits in (4, 8)
    )
    assert base.estimate.energy == wide.estimate.energy
    assert base.estimate.area == wide.estimate.area


def test_a_sum_over_several_arrays_is_scaled_and_rectified_once():
    """By hand: 256 results of one vector on one array; and on two, whose partial sums join first."""
    for inputs, conversions in ((2304, 256), (4608, 512)):
        data = f"dataset={{name: none, shape: [{inputs}, 1, 1], classes: 256, samples: 1}}"
        priced = price_experiment(load(JIA, [data, "chip.tile.pes=2"]))
        rows = {(row.part, row.action): row.count for row in priced.actions}
        assert rows["near_memory_datapath", "accumulate"] == conversions
        assert rows["near_memory_datapath", "finish"] == 256


@pytest.mark.parametrize("chip", [JIA, KIM], ids=lambda path: path.stem)
def test_rows_without_an_input_are_known_to_the_array(chip):
    """A layer of 100 inputs uses as many rows of an array that has more."""
    data = "dataset={name: none, shape: [100, 1, 1], classes: 8, samples: 1}"
    priced = price_experiment(load(chip, [data]))
    (read,) = (row for row in priced.actions if row.part == "array")
    assert read.arguments["used_rows"] == 100


def test_the_cycle_sets_the_time_and_no_dynamic_energy():
    slow, fast = (price_experiment(load(JIA, [f"chip.inference.cycle={time}"])).estimate for time in ("2 us", "1 us"))
    assert slow.energy == fast.energy
    circuits = price_experiment(load(JIA, ["chip.inference.cycle=null"]))
    assert 0 < macro(circuits.estimate, circuits.network, circuits.actions)["time_per_vector_s"] < 1e-6


def test_a_cycle_that_is_too_short_is_noted():
    """Wang's converters need longer than its cycle leaves them by the models, Jia's do not."""
    assert any("chip.inference.cycle" in text for text in estimate(load(WANG))["warnings"])
    (recorded,) = estimate(load(JIA))["warnings"]
    assert "recorded: random" in recorded


def test_samples_of_weighted_pulses():
    """By hand: 1 bit one sample, 3 bits 1 + 2 + 4; 7 bits in two phases of 3 and 4 bits 7 + 15."""
    assert [samples(1, 1), samples(3, 1), samples(7, 2), samples(6, 2)] == [1, 7, 22, 14]


@pytest.mark.parametrize(
    ("chip", "path", "values"),
    [
        (JIA, "chip.supply", [0.9, 1.1]),
        (JIA, "chip.array.rows", [1152, 2304]),
        (JIA, "chip.adc.columns_per_adc", [1, 4]),
        (JIA, "chip.inference.weight_bits", [1, 2]),
        (WANG, "chip.inference.stored_words", [1, 8]),
        (WANG, "chip.inference.cycle", [5e-9, 6e-9]),
        (WAN, "chip.input_bits", [2, 5]),
        (WAN, "chip.adc.bits", [3, 8]),
    ],
)
def test_designs_at_once_equal_one_by_one(chip, path, values):
    """Rounding of vectorised functions apart (1e-12)."""
    base = load(chip)
    together = macro_of(price_experiment(with_values(base, {path: np.array(values)})))
    for index, value in enumerate(values):
        single = macro_of(price_experiment(with_values(base, {path: value})))
        for key, expected in single.items():
            found = np.broadcast_to(together[key], len(values))[index]
            assert found == pytest.approx(expected, rel=1e-12), key


def macro_of(priced):
    figures = macro(priced.estimate, priced.network, priced.actions)
    return {key: value for key, value in figures.items() if key != "components"}


@pytest.mark.parametrize(
    ("chip", "change", "message"),
    [
        (JIA, "training.kind=on_chip", "static cells take no pulses"),
        (JIA, "chip.inference.inputs=dac", "capacitor_sram multiplies bits"),
        (JIA, "chip.inference={weight_bits: 4, datapath: shift_add}", "need the barrel shifter of near_memory"),
        (JIA, "chip.array.cell=1t1r", "no cell for sram, a static device"),
        (JIA, "chip.array.cell=digital_sram", "numbers already: allowed: ideal"),
        (JIA, "chip.adc.kind=charge_decrement", "needs such inputs"),
        (JIA, "chip.inference.phases=2", "has no 2 parts"),
        (WANG, "chip.inference.inputs=bit_serial", "ladders of c2c_sram multiply voltages"),
        (WAN, "chip.inference.sensing=current", "neurons that sense voltages"),
        (WAN, "chip.array.encoding=reference_column", "allowed: differential_pair"),
        (WAN, "chip.adc.kind=cco", "it needs inputs: pulse_width"),
        (WAN, "chip.periphery.kind=whole_vector", "chip.inference must be left out"),
        (WANG, "chip.array.cell=pulsed_sram", "need one another"),
    ],
)
def test_choices_that_exclude_one_another_are_refused(chip, change, message):
    with pytest.raises(ConfigError, match=message):
        load(chip, [change, "training.batch=1"])


def test_training_refuses_what_only_inference_has():
    base = ROOT / "examples/lenet5_mnist.yaml"
    with pytest.raises(ConfigError, match="no training pass has a circuit"):
        load(base, ["chip.inference.weight_bits=4"])
    with pytest.raises(ConfigError, match="2 bits at least"):
        load(base, ["chip.input_bits=1"])


def test_every_number_of_a_macro_is_explained():
    """Each has a formula and names inputs; those of training are absent, with the reason."""
    result = estimate(load(JIA))
    for path, value in leaves({"metrics": result["metrics"]}):
        answer = explain(result, path)
        assert answer.value == value
        assert answer.formula
        assert answer.inputs or value is None


def test_there_is_nothing_to_run(tmp_path):
    with pytest.raises(ValueError, match="there is nothing to run"):
        run(load(JIA), tmp_path)
