"""The price of networks that are graphs: counts by hand, conservation, and any geometry."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimest.estimate import energies, operations
from cimest.network import (
    NETWORKS,
    Activation,
    Attention,
    AveragePool,
    Conv,
    GlobalAverage,
    Lstm,
    MaxPool,
    Network,
    Normalise,
    PlaceEmbedding,
    linear,
    relu,
)
from cimest.network.stack import Stack
from cimest.pricing import price_experiment
from tests.cimest.designs import experiment
from tests.cimest.test_network import RESIDUAL

BATCH, WORD = 10, 256
"""Samples of a batch, and bits of a word of the global buffer."""


def priced(network, dataflow=None, **chip):
    """A network priced on arrays of 8x4 cells with 2 columns for each ADC, with plain descent."""
    chip = {"array": {"rows": 8, "columns": 4}, "adc": {"columns_per_adc": 2}, **chip}
    training = {"batch": BATCH, "rule": {"name": "sgd"}}
    with patch("cimest.pricing.build_network", lambda _: network):
        return price_experiment(experiment(chip=chip, training=training, dataflow=dataflow or {}))


def total(result, part, action, layer=None, pass_=None) -> float:
    """Sum of counts."""
    return sum(
        row.count
        for row in result.actions
        if (row.part, row.action) == (part, action) and layer in (None, row.layer) and pass_ in (None, row.pass_)
    )


def test_a_residual_block_in_the_global_buffer_by_hand():
    """Each map has 48 values of 8 bits, and each rectifier remembers 48 signs.

    See `test_stages_of_a_residual_block_by_hand` for what crosses stages. All images pass the normalisation before any
    goes on, so that its values are read once for the statistics and once more to be normalised.
    """
    result, one, signs = priced(RESIDUAL), 48 * 8 / WORD, 48 / WORD
    # Forward: the sum reads the branch beside the matrix's own input; what is normalised is kept beside the result.
    assert total(result, "global_buffer", "read", "b", "forward") == 2 * one
    assert total(result, "global_buffer", "write", "b", "forward") == one + signs
    scales = 2 * 3 * 16 / WORD
    assert total(result, "global_buffer", "read", "a", "forward") == one + one + scales
    assert total(result, "global_buffer", "write", "a", "forward") == 2 * one + signs
    # Backward: a reads errors, signs and what was normalised twice, for the sums and for the errors; it writes and
    # reads the error at its matrix, and writes that at its input.
    assert total(result, "global_buffer", "read", "a", "backward") == 2 * (2 * one + signs) + one + scales
    assert total(result, "global_buffer", "write", "a", "backward") == 2 * one
    # b passes its error on twice, the stem adds two errors and passes none on.
    assert total(result, "global_buffer", "read", "b", "backward") == one + signs
    assert total(result, "global_buffer", "write", "b", "backward") == 2 * one
    assert total(result, "global_buffer", "read", "stem", "backward") == 2 * one + signs
    assert total(result, "global_buffer", "write", "stem", "backward") == one


def test_digital_actions_of_a_residual_block_by_hand():
    result = priced(RESIDUAL)
    assert total(result, "adder", "add", "b", "forward") == 48
    assert total(result, "adder", "add", "stem", "backward") == 48
    assert total(result, "adder", "add") == 96
    assert total(result, "relu", "apply", pass_="forward") == 3 * 48
    assert total(result, "vector_unit", "multiply_accumulate", "a", "forward") == 4 * 48
    assert total(result, "vector_unit", "multiply_accumulate", "a", "backward") == 4 * 48
    # Three scales and three offsets change once a batch, three deviations are found once a batch.
    assert total(result, "vector_unit", "multiply_accumulate", "a", "weight_update") == pytest.approx(6 / BATCH)
    assert total(result, "root_table", "look_up") == pytest.approx(3 / BATCH)
    assert total(result, "backward_adc", "convert", "stem") == 0


def test_a_residual_block_through_dram_by_hand():
    """Naive: all that crosses a stage is written once and read by each reader; bits without the gradients."""
    result, one, signs = priced(RESIDUAL, {"base": "naive"}), 48 * 8, 48
    # Read by the stem, by a and again before it normalises, by b beside the branch, and by fc.
    assert total(result, "dram", "read", pass_="forward") == 32 * 8 + 2 * one + 2 * one + one
    assert total(result, "dram", "write", pass_="forward") == one + 2 * one + one + 3 * signs
    # Errors: 5 of the loss, one map each at the inputs of fc, b and a, one beside b, and those at the matrices of a
    # and the stem for the weight gradient.
    assert total(result, "dram", "write", pass_="backward") == 5 * 8 + 3 * one + one + 2 * one
    # Read: those of the loss, by b one map, by a one and what was normalised, both twice, by the stem two.
    a = 2 * (2 * one + signs)
    assert total(result, "dram", "read", pass_="backward") == 5 * 8 + one + signs + a + 2 * one + signs


def test_depthwise_layers_by_hand():
    """Four 9 x 1 blocks, each in two arrays of 8 rows of its own: 8 arrays, 2 conversions for each output and bit."""
    layers = (Conv("c", (4, 4, 4), 4, kernel=3, padding=1, groups=4), relu("r", (4, 4, 4)), linear("fc", 64, 3))
    result = priced(Network("n", layers))
    assert result.plan.placements[0].arrays == 8
    assert total(result, "adc", "convert", "c") == 16 * 8 * 2 * 4
    assert total(result, "array", "write_row", "c") == pytest.approx(4 * 9 / BATCH)
    assert total(result, "update_control", "convert", "c") == pytest.approx(36 / BATCH)
    digital = priced(Network("n", layers), weight_gradient={"unit": "digital", "lanes": 4})
    # Blocks of 2 x 2 gradients at 16 positions: 5 down and 1 across for each of 4 groups.
    assert total(digital, "outer_product", "accumulate", "c") == 16 * 5 * 4


def test_an_lstm_by_hand():
    """5 steps of 3 inputs and 2 cells: a 5 x 8 matrix, 14 cycles for words with sign, gates for each cell and step."""
    network = Network("n", (Lstm("l", (3, 5, 1), 2), linear("fc", 2, 4, 5)))
    result = priced(network)
    assert total(result, "adc", "convert", "l") == 5 * 14 * 8
    # Back through time: 8 errors of 14 cycles in two column blocks to 5 rows, though nothing before the layer learns.
    assert total(result, "backward_adc", "convert", "l") == 5 * 14 * 2 * 5
    assert total(result, "lstm_gates", "forward") == 5 * 2
    assert total(result, "lstm_gates", "backward") == 5 * 2
    # Forward the buffer takes the sample, hidden states and six values of each cell; backward it gives the latter and
    # the errors at the outputs, takes the errors of 8 gates, and gives them to the arrays.
    assert total(result, "global_buffer", "write", "l", "forward") * WORD == 5 * (3 + 2 + 6 * 2) * 8
    assert total(result, "global_buffer", "read", "l", "backward") * WORD == 5 * (6 * 2 + 2 + 8) * 8
    assert total(result, "global_buffer", "write", "l", "backward") * WORD == 5 * 8 * 8
    copied = priced(network, duplication="fill_tile", tile={"pes": 16})
    times = [
        sum(row.serial for row in run.actions if (row.part, row.layer, row.pass_) == ("adc", "l", "forward"))
        for run in (result, copied)
    ]
    assert times[0] == times[1], "steps wait for one another, whatever the number of copies"


def attention(causal=False):
    """3 places, 2 heads of 2 values."""
    layers = (linear("qkv", 4, 12, 3), Attention("att", (12, 3, 1), 2, causal), linear("out", 4, 4, 3))
    return Network("n", layers)


def test_attention_by_multipliers_by_hand():
    result = priced(attention(), attention={"kind": "digital", "lanes": 4})
    # Blocks of 2 x 2 results, 2 heads: scores 2·2 blocks of 2 products, values 2·1 blocks of 3.
    assert total(result, "attention_lanes", "accumulate", pass_="forward") == 2 * (4 * 2 + 2 * 3)
    # Errors of values, queries and keys 2·1 blocks of 3 each, those of the weights 2·2 blocks of 2.
    assert total(result, "attention_lanes", "accumulate", pass_="backward") == 2 * (3 * 2 * 3 + 4 * 2)
    executed = [
        4
        * sum(
            row.count * row.arguments["executed"]
            for row in result.actions
            if row.part == "attention_lanes" and row.pass_ == pass_
        )
        for pass_ in ("forward", "backward")
    ]
    assert executed == pytest.approx([72, 144])  # 2 T² d = 2·9·4, and for both operands of both products
    assert total(result, "softmax", "normalise") == 3 * 2
    assert total(result, "vector_unit", "multiply_accumulate", pass_="backward") == 2 * 2 * 9


def test_a_mask_spares_multipliers_and_no_operations():
    """Of 3 x 3 pairs of places 6 remain."""
    full, masked = (priced(attention(causal), attention={"lanes": 4}) for causal in (False, True))
    lanes = [total(result, "attention_lanes", "accumulate") for result in (full, masked)]
    assert lanes[1] == pytest.approx(lanes[0] * 6 / 9)
    assert operations(full.network) == operations(masked.network)


def test_attention_in_rewritable_arrays_by_hand():
    result = priced(attention(), attention={"kind": "rewritable"})
    # Scores: keys in 2 rows of 3 words, queries of 14 cycles; values: 3 rows of 2 words, weights of 8 cycles.
    assert total(result, "attention_array", "write_row", pass_="forward") == 2 * (2 + 3)
    assert total(result, "attention_adc", "convert", pass_="forward") == 2 * (9 * 8 * 14 + 6 * 8 * 8)
    # Backward: errors 3 rows, values 2, keys 3, queries 3; weights again have 8 cycles, errors 14.
    assert total(result, "attention_array", "write_row", pass_="backward") == 2 * (3 + 2 + 3 + 3)
    assert total(result, "attention_adc", "convert", pass_="backward") == 2 * 8 * (6 * 8 + 9 * 14 + 6 * 14 + 6 * 14)
    assert total(result, "attention_shift_add", "shift_add") == total(result, "attention_adc", "convert")
    # Words that are streamed: 3 queries of 2 values against keys, 3 rows of 3 weights against values.
    assert total(result, "attention_register", "store", pass_="forward") == 2 * (3 * 2 + 3 * 3)
    assert "attention_lanes" not in result.parts


def test_operations_by_hand():
    """Two each: matrices forward and weight gradient, backward where something before learns; attention 1 and 2."""
    assert operations(RESIDUAL) == 2 * (2 * (96 + 144 + 144 + 240) + 144 + 144 + 240)
    assert operations(Network("n", (Lstm("l", (3, 5, 1), 2), linear("fc", 2, 4, 5)))) == 2 * 3 * (5 * 40 + 5 * 8)
    assert operations(attention()) == 2 * (2 * (144 + 48) + 48 + 3 * 72)


def test_a_table_of_words_lies_in_dram_by_hand():
    """5 tokens in vectors of 4 values of 16 bits: read, and read and written by the update; errors get that far."""
    network = NETWORKS.get("lstm")((1, 5, 1), 7, 7, embedding=4, hidden=3)
    result = priced(network)
    assert total(result, "dram", "write", "lstm1", "weight_update") == 5 * 4 * 16
    assert total(result, "dram", "read", "lstm1", "forward") == 5 * 8 + 5 * 4 * 16
    assert total(result, "backward_adc", "convert", "lstm1") > 0


def test_functions_take_a_table_forward_and_their_slope_backward():
    layers = (linear("a", 5, 6), Activation("t", (6, 1, 1), "tanh"), linear("b", 6, 3))
    result = priced(Network("n", layers))
    assert total(result, "function_table", "look_up") == 6
    assert total(result, "vector_unit", "multiply_accumulate") == 2 * 6
    assert total(result, "adc", "convert", "b") == 14 * 3  # one block; a tanh has signs, so two phases of 7 bits


@st.composite
def networks(draw):
    """Up to seven layers of any kind that fits, then a classifier."""
    small = st.integers(1, 5)
    if draw(st.booleans()):
        stack = Stack((draw(small), draw(st.integers(1, 9)), draw(st.integers(1, 9))))
    else:
        stack = Stack((draw(st.integers(1, 40)), draw(st.integers(1, 9)), 1))
    for i in range(draw(st.integers(0, 7))):
        _layer(draw, stack, f"layer{i}")
    if draw(st.booleans()):
        stack.each("last", draw(small)) if stack.shape[2] == 1 else stack.dense("last", draw(small))
    else:
        stack.dense("last", draw(small))
    return stack.network("random")


def _layer(draw, stack, name):
    channels, height, width = stack.shape
    side = min(height, width)
    fitting = {
        "conv": lambda: stack.put(
            Conv, name, draw(st.integers(1, 4)) * channels, draw(st.integers(1, side)), draw(st.integers(1, 3)),
            draw(st.integers(0, 2)), draw(st.sampled_from([1, channels])),
        ),
        "relu": lambda: stack.put(relu, name),
        "function": lambda: stack.put(Activation, name, draw(st.sampled_from(["tanh", "sigmoid"]))),
        "norm": lambda: stack.put(Normalise, name, draw(st.sampled_from(["batch", "layer"]))),
        "max": lambda: stack.put(MaxPool, name, draw(st.integers(1, side)), draw(st.integers(1, 3))),
        "mean": lambda: stack.put(AveragePool, name, draw(st.integers(1, side))),
        "global": lambda: stack.put(GlobalAverage, name),
        "dense": lambda: stack.dense(name, draw(st.integers(1, 9))),
    }  # fmt: skip
    alike = [
        other for other, shape in stack.shapes.items() if shape == stack.shape and other not in ("input", stack.last)
    ]
    if alike:
        fitting["add"] = lambda: stack.add(name, draw(st.sampled_from(alike)))
    if width == 1:
        fitting["lstm"] = lambda: stack.put(Lstm, name, draw(st.integers(1, 9)))
        fitting["places"] = lambda: stack.put(PlaceEmbedding, name)
        if channels % 3 == 0:
            fitting["attention"] = lambda: stack.put(Attention, name, draw(st.sampled_from([1, channels // 3])))
    fitting[draw(st.sampled_from(sorted(fitting)))]()


chips = st.fixed_dictionaries(
    {
        "array": st.fixed_dictionaries({"rows": st.integers(2, 300), "columns": st.integers(2, 300)}),
        "adc": st.fixed_dictionaries({"columns_per_adc": st.integers(1, 2), "kind": st.sampled_from(["sar", "flash"])}),
        "mapping": st.sampled_from(["unrolled", "kernel_position"]),
        "duplication": st.sampled_from(["none", "fill_tile"]),
        "attention": st.fixed_dictionaries(
            {"kind": st.sampled_from(["digital", "rewritable"]), "lanes": st.sampled_from([1, 5, 1024])}
        ),
        "weight_gradient": st.fixed_dictionaries(
            {
                "unit": st.sampled_from(["sram_cim", "digital", "in_array"]),
                "lanes": st.integers(1, 2000),
                "rows": st.integers(2, 300),
            }
        ),
        "input_bits": st.integers(2, 8),
        "error_bits": st.integers(2, 8),
        "bus_bits": st.sampled_from([8, 100, 1024]),
    }
)


@settings(deadline=None, max_examples=40)
@given(network=networks(), chip=chips, batch=st.integers(1, 7), base=st.sampled_from(["naive", "optimised"]))
def test_any_geometry_has_a_price(network, chip, batch, base):
    """Batch 1, odd sizes, 1x1 maps, arrays larger than layers: finite, not negative, and the sum of its parts."""
    in_array = chip["weight_gradient"]["unit"] == "in_array"  # which has one rule and one order
    training = {"batch": batch, "rule": {"name": "sgd" if in_array else "momentum"}}
    dataflow = {"base": base, **({"loop_order": "image_outer", "pipelined": False} if in_array else {})}
    with patch("cimest.pricing.build_network", lambda _: network):
        result = price_experiment(experiment(chip=chip, training=training, dataflow=dataflow))
    estimate = result.estimate
    for row in result.actions:
        assert np.isfinite(row.count), row
        assert row.count >= 0, row
        assert row.serial >= 0, row
    parts = [*estimate.energy.values(), *estimate.latency.values()]
    assert np.all(np.isfinite(parts))
    assert min(parts) >= 0
    within, data = energies(estimate), estimate.dataset()
    assert 0 < within["macro"] < within["chip"] < within["system"]
    assert float((data.energy + data.leakage_energy).sum()) == pytest.approx(within["system"], rel=1e-9)
    assert float(data.latency.sum()) == pytest.approx(estimate.time(), rel=1e-9)
    assert estimate.time() > 0


@pytest.mark.parametrize("kind", ["digital", "rewritable"])
def test_one_call_prices_many_chips(kind):
    """Words of activations as an array give what each gives alone, for every kind of layer of a transformer."""
    network = NETWORKS.get("transformer")((1, 6, 1), 3, 20, width=8, heads=2, feed_forward=12, depth=1)
    exp = experiment(chip={"attention": {"kind": kind}}, training={"batch": BATCH})

    def cost(bits):
        chip = exp.chip.model_copy(update={"input_bits": bits})
        with patch("cimest.pricing.build_network", lambda _: network):
            estimate = price_experiment(exp.model_copy(update={"chip": chip})).estimate
        return energies(estimate)["system"], estimate.time()

    together = cost(np.array([4, 6, 8]))
    for i, bits in enumerate((4, 6, 8)):
        assert np.asarray(together)[:, i] == pytest.approx(np.array(cost(bits)), rel=1e-9)
