"""What in-memory rules cost: published counts and times, and the parts and actions of a priced chip."""

import numpy as np
import pytest

from cimest.activity import Activity, LayerActivity
from cimest.pricing import build_network, digital_reference, price_experiment, price_readings
from cimest.rules.in_array import InMemorySgd, share_of_a_vector
from cimest.rules.operations import operations
from tests.cimest.designs import experiment
from tests.cimest.in_memory_cases import rule

# Rasch et al. 2024, table 1: 512 by 512, pulses of 5 ns, reads of 40 ns, 0.175 T operations/s for an array
PUBLISHED = {"rate": 0.175e12, "pulse": 5e-9, "read": 40e-9}
EVERY_TWO = {"reads": 1, "every": 2}


@pytest.mark.parametrize(
    ("chosen", "slots", "nanoseconds"),
    [
        (InMemorySgd(), 5, 30.9),
        (rule("tiki_taka_v2", **EVERY_TWO), 5, 56.3),
        (rule("chopped_tiki_taka", **EVERY_TWO), 5, 56.3),
        (rule("agad", **EVERY_TWO), 5, 62.1),
        (rule("mixed_precision", vectors=100), 5, 3024.5),
        (rule("agad", reads=1, every=10), 1, 17.1),
    ],
)
def test_update_times_are_those_published(chosen, slots, nanoseconds):
    # one decimal place is printed
    assert operations(chosen, 512, 512, slots).time(**PUBLISHED) * 1e9 == pytest.approx(nanoseconds, abs=0.05)


def test_digital_operations_and_storage_are_those_published():
    n = 512
    two = {name: operations(rule(name, **EVERY_TWO), n, n, 5) for name in ("tiki_taka_v2", "agad")}
    # table 1 in words of a byte: 2N + 2N/n_s and 2N + 6N/n_s operations; N² + 2N and 3N² + 2N bytes; 16N/n_s bits
    assert two["tiki_taka_v2"].digital == 2 * n + 2 * n / 2
    assert two["agad"].digital == 2 * n + 6 * n / 2
    assert two["tiki_taka_v2"].stored_words == n**2 + 2 * n
    assert two["agad"].stored_words == 3 * n**2 + 2 * n
    assert two["tiki_taka_v2"].moved_words * 8 == 16 * n / 2
    # the table has 50N/n_s bits with its choppers; here 40N and a fifth of a word at a flip
    assert two["agad"].moved_words * 8 == pytest.approx((40 + 8 / 5) * n / 2)
    mixed = operations(rule("mixed_precision", vectors=100), n, n, 5)
    assert (mixed.digital, mixed.stored_words) == (2 * n**2 + n, n**2 + 2 * n * 100)
    assert mixed.moved_words * 8 == 16 * n**2 / 100


def test_operations_broadcast_over_designs():
    sizes = np.array([64, 512])
    together = operations(rule("agad"), sizes, sizes, 5).time(**PUBLISHED)
    apart = [operations(rule("agad"), size, size, 5).time(**PUBLISHED) for size in sizes]
    assert together == pytest.approx(apart)


def in_arrays(name, chip=None, rate=0.01, **options):
    """A network of two fully connected layers that learns in its arrays, image by image."""
    chip = {"weight_gradient": {"unit": "in_array"}, "array": {"rows": 128, "columns": 128}, **(chip or {})}
    training = {"rule": {"name": name, **options}, "batch": 1, "learning_rate": {"start": rate}}
    network = {"name": "mlp", "hidden": [64]}
    return experiment(network, chip=chip, training=training, dataflow={"loop_order": "image_outer"})


def count(priced, part, action, layer="fc1", pass_=None):
    """How often a part acts in a layer, for one sample."""
    rows = (row for row in priced.actions if (row.part, row.action, row.layer) == (part, action, layer))
    return sum(row.count for row in rows if pass_ in (None, row.pass_))


def test_assumed_pulses_grow_with_the_learning_rate_where_trains_are_one_slot():
    """k < 1 expected pulses of the largest product: both sides fire with the root of k (gokmen2016rpu)."""
    states = experiment().chip.device.states
    few, many = (price_experiment(in_arrays("sgd", rate=k * 2 / states)) for k in (0.05, 0.5))
    pulses = [priced.activity.layers["fc1"].most_written for priced in (few, many)]
    assert pulses[1] == pytest.approx(10 * pulses[0])


def test_the_digital_reference_has_no_arrays():
    """It descends plainly whatever pulses the arrays, so it is the same beside all rules."""
    found = []
    for name in ("sgd", "tiki_taka_v2", "agad", "mixed_precision"):
        exp = in_arrays(name)
        reference = digital_reference(exp, price_experiment(exp))
        found.append([reference[key] for key in ("area_mm2", "leakage_w", "latency_per_sample_s")])
    assert found == [found[0]] * 4


def test_rows_of_arrays_beside_each_other_are_written_together():
    """784 rows in arrays of 128: seven arrays, the fullest of which has 128 rows, every 100 vectors."""
    (row,) = (
        row
        for row in price_experiment(in_arrays("mixed_precision")).actions
        if (row.part, row.action, row.layer) == ("array", "write_row", "fc1")
    )
    some = 1 - np.exp(-LayerActivity().transferred * 64)
    assert row.serial == pytest.approx(128 / 100 * some)
    assert row.count == pytest.approx(784 / 100 * some)


def test_mixed_precision_has_what_fires_up_to_31_pulses_and_no_trains():
    """±31 pulses are six bits a weight; a single pulse of either sign two."""
    mixed, taka = (price_experiment(in_arrays(name)) for name in ("mixed_precision", "tiki_taka_v2"))
    assert "pulse_generator" in mixed.parts
    assert "pulse_generator" not in taka.parts
    assert {"row_trains", "column_trains", "row_write_driver"} <= set(taka.parts) - set(mixed.parts)
    # sums of 100 products of a word with a sign by one without: both words, less a sign, and 7 bits
    chip = in_arrays("mixed_precision").chip
    assert mixed.parts["outer_product"].component.sum_bits == chip.input_bits + chip.error_bits - 1 + 7
    often = price_experiment(in_arrays("mixed_precision", vectors=50))
    bits = [
        count(priced, "chip_interconnect", "transfer", pass_="transfer") * chip.bus_bits for priced in (mixed, often)
    ]
    assert bits[1] - bits[0] == pytest.approx(784 * 64 * 6 / 100)


def test_operands_of_mixed_precision_stream_past_its_lanes_by_hand():
    """784 x 64 gradients in blocks of 32 x 32: 25 · 2 turns of the lanes for a vector, each with its operands.

    The 100 vectors between two writes, of 8 bits, are 627 200 bits on one side and 51 200 on the other; blocks of one
    stay in the half of the buffer, of 2^18 bits, so that each operand comes once. An error comes with the bit that says
    whether the rectifier passes it.
    """
    exp = in_arrays("mixed_precision", chip={"weight_gradient": {"unit": "in_array", "operand_buffer": 2**18}})
    priced = price_experiment(exp)
    assert count(priced, "outer_product", "accumulate") == count(priced, "operand_buffer", "read") == 25 * 2
    assert count(priced, "operand_buffer", "write") * 32 * 16 == pytest.approx(784 * 8 + 64 * (8 + 1))
    assert count(priced, "tile_buffer", "write", pass_="weight_update") == 0  # nothing is pulsed in the arrays


def test_copies_of_a_layer_get_the_operands_that_are_pulsed_in_them():
    exp = in_arrays(
        "sgd", chip={"duplication": "fill_tile", "tile": {"pes": 16}, "array": {"rows": 128, "columns": 128}}
    )
    alone = price_experiment(in_arrays("sgd", chip={"tile": {"pes": 16}}))
    copied = price_experiment(exp)
    times = {
        part: count(copied, part, action, "fc2", "weight_update") / count(alone, part, action, "fc2", "weight_update")
        for part, action in (("row_trains", "load"), ("tile_interconnect", "transfer"))
    }
    assert times["row_trains"] > 1
    assert times["tile_interconnect"] == pytest.approx(times["row_trains"])


def test_measured_rows_are_those_that_are_priced():
    exp = in_arrays("tiki_taka_v2")
    for rows in (0.1, 0.4):
        one = LayerActivity(train_slots=2.0, transferred=0.01, transfer_rows=rows)
        priced = price_experiment(exp, Activity("measured", dict.fromkeys(("fc1", "fc2"), one)))
        assert count(priced, "array", "write_row") == pytest.approx(2 * rows)  # two rows are read after each vector
        (row,) = (row for row in priced.actions if (row.part, row.action, row.layer) == ("array", "write_row", "fc1"))
        assert row.count * (row.arguments["cells_up"] + row.arguments["cells_down"]) == pytest.approx(2 * 64 * 0.01)


@pytest.mark.parametrize(("name", "beside"), [("residual", 2), ("residual_v2", 2), ("multi_tile", 4), ("agad", 0)])
def test_fast_arrays_that_are_part_of_the_weights_are_read_with_them(name, beside):
    """Each with an array that holds its references; others are only read by transfers."""
    priced = price_experiment(in_arrays(name))
    for pass_, read in (("forward", "read"), ("backward", "read_transposed")):
        weights = count(priced, "array", read, "fc2", pass_)
        assert weights > 0
        assert count(priced, "fast_array", read, "fc2", pass_) == beside * weights


def test_vectors_that_are_gathered_wait_in_the_buffer():
    """Operands of 100 vectors, 784 + 64 + 64 + 10 of them, of 8 bits: what has no room goes to DRAM."""
    exp = in_arrays("mixed_precision", chip={"global_buffer": {"size": 8 * 8 * 1024}})
    priced = price_experiment(exp)
    kept = sum(priced.design.kept_bits(placement) for placement in priced.plan.placements)
    spilled = 1 - 8 * 8 * 1024 / (100 * kept)
    for placement in priced.plan.placements:
        assert priced.design.spill(placement) == pytest.approx(spilled)
    assert count(priced, "dram", "write", pass_="forward") > 0
    few = price_experiment(exp.model_copy(update={"training": in_arrays("tiki_taka_v2").training}))
    assert all(few.design.spill(placement) == 0 for placement in few.plan.placements)


def test_images_of_a_batch_wait_until_all_have_been_read():
    """Weights are pulsed after the batch, as in the simulation: 50 images of 784 + 64 + 64 + 10 words of 8 bits."""
    exp = in_arrays("tiki_taka_v2", chip={"global_buffer": {"size": 8 * 8 * 1024}})
    batch = price_experiment(exp.model_copy(update={"training": exp.training.model_copy(update={"batch": 50})}))
    kept = sum(batch.design.kept_bits(placement) for placement in batch.plan.placements)
    for placement in batch.plan.placements:
        assert batch.design.spill(placement) == pytest.approx(1 - 8 * 8 * 1024 / (50 * kept))


def test_vectors_of_an_image_share_the_learning_rate():
    """784 and 100 positions of the first layers of LeNet-5 (padded); as many vectors as labels have all of it."""
    lenet, lstm = (
        build_network(experiment(name, dataset)) for name, dataset in (("lenet5", "mnist"), ("lstm", "war_and_peace"))
    )
    found = {layer.name: share_of_a_vector(lenet, layer) for layer in lenet.matrices}
    assert found == pytest.approx({"conv1": 1 / 28, "conv2": 1 / 10, "fc1": 1, "fc2": 1, "fc3": 1})
    assert all(share_of_a_vector(lstm, layer) == 1 for layer in lstm.matrices)


def test_readings_that_extract_weights_leak_while_they_last():
    """What else lies on the chip leaks meanwhile: the difference of two chips whose global buffers differ."""
    small, large = (in_arrays("agad", chip={"global_buffer": {"size": size}}) for size in (2**20, 2**24))
    (energy, seconds), (more, as_long) = (price_readings(exp, 3) for exp in (small, large))
    leakage = [sum(price_experiment(exp).estimate.leakage.values()) for exp in (small, large)]
    assert seconds == as_long
    assert more - energy == pytest.approx((leakage[1] - leakage[0]) * seconds)
    beside, alone = (price_readings(in_arrays(name), 3)[0] for name in ("residual", "tiki_taka"))
    assert beside > alone  # its fast arrays and their references are read with the weights
