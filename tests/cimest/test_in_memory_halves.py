"""Rules in the arrays: what was simulated is what is priced and reported, and what is not modelled is refused."""

import numpy as np
import pytest

from cimest.config import load
from cimest.config.messages import ConfigError
from cimest.datasets import Data
from cimest.kernels import in_memory, in_memory_reference
from cimest.kernels import in_memory_types as types
from cimest.learning import Trainer
from cimest.learning import in_memory_cells as cells
from cimest.learning.in_array import Arrays
from cimest.pricing import price_experiment
from cimest.report.headline import place
from cimest.report.tables import passes_of
from cimest.rules import advice
from cimest.run import estimate
from hwlib.devices import load_device
from tests.cimest.designs import experiment
from tests.cimest.in_memory_cases import Layer, challenging, device, rule
from tests.cimest.learning_cases import trainer
from tests.cimest.test_run import LENET

CONSTANT = "{form: polynomial, coefficients: [0.05]}"
DRIFT = f"{{exponent_mean: {CONSTANT}, exponent_sigma: {CONSTANT}, start: 20 s}}"
NOISE = f"{{coefficient: {CONSTANT}, relative_to: largest, spectrum: 1/f, read_time: 1e-6}}"

BATCH, BATCHES = 6, 4
OPTIONS = {
    "tiki_taka_v2": {"pace": 1.0},
    "agad": {"pace": 1.0, "reads": 784, "period": 0, "flip": 0.5},
    "multi_tile": {"pace": 1.0, "slower": 2},
    "residual": {"pace": 1.0},
    "mixed_precision": {"vectors": 2},
}


def trained(name, network, cell="crossbar"):
    """An experiment of a few images on arrays of 48 rows and 128 columns, trained for an epoch."""
    chip = {"array": {"rows": 48, "columns": 128, "cell": cell}, "weight_gradient": {"unit": "in_array"}}
    training = {"batch": BATCH, "epochs": 1, "rule": {"name": name, **OPTIONS.get(name, {})}}
    exp = experiment(
        network,
        chip=chip,
        training={**training, "learning_rate": {"start": 0.5}},
        dataflow={"loop_order": "image_outer"},
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH * BATCHES, 1, 28, 28)).astype(np.uint8)
    data = Data(images, np.arange(len(images)) % 10, images[:0], np.arange(0))
    runner = Trainer(exp, price_experiment(exp).network, data, False)
    runner.run()
    return exp, runner


@pytest.mark.parametrize("name", ["sgd", *OPTIONS])
def test_the_priced_trains_and_writes_are_those_that_were_simulated(name):
    network = (
        {"name": "lstm", "hidden": 6, "predict": "sequence"} if name == "residual" else {"name": "mlp", "hidden": [30]}
    )
    exp, runner = trained(name, network)
    priced, samples = price_experiment(exp, runner.activity()), BATCH * BATCHES
    transferred = 0.0
    for matrix, state in zip(runner.model.matrices, runner.states, strict=True):
        layer, counts = matrix.layer, state["counts"]
        rows = [action for action in priced.actions if action.layer == layer.name]
        blocks = len(matrix.tile.row_edges) - 1
        assert len(matrix.tile.column_edges) == 2  # all columns of a row are in one array

        def found(pass_, part, action, times, rows=rows):
            chosen = [row for row in rows if (row.pass_, row.part, row.action) == (pass_, part, action)]
            return samples * sum(row.count * times(row.arguments) for row in chosen)

        # A column fires for its sign alone, a row for errors of both; signs of inputs, or choppers, double the trains
        signed = runner.network.takes_signed(layer) or name == "agad"
        assert found("weight_update", "row_trains", "slot", lambda _: 1) == pytest.approx(
            (4 if signed else 2) * counts[types.SLOTS] * blocks
        )
        fired = found("weight_update", "row_write_driver", "pulse", lambda given: given["lines_driven"])
        assert fired == pytest.approx(2 * counts[types.LINES_ROWS])
        fired = found("weight_update", "write_driver", "pulse", lambda given: given["lines_driven"])
        assert fired == pytest.approx((2 if signed else 1) * counts[types.LINES_COLUMNS] * blocks)
        part = "array" if name == "sgd" else "fast_array"
        met = found("weight_update", part, "pulse_outer_product", lambda given: given["coincidences"] * 48 * 128)
        assert met == pytest.approx(counts[types.UP_FAST] + counts[types.DOWN_FAST])
        assert met > 0 or name == "mixed_precision"
        written = found(
            "transfer", "array", "write_row",
            lambda given: given["cells_up"] * given["pulses_up"] + given["cells_down"] * given["pulses_down"],
        )  # fmt: skip
        assert written == pytest.approx(counts[types.UP_SLOW] + counts[types.DOWN_SLOW])
        transferred += written
    assert transferred > 0 or name == "sgd"


def test_a_line_at_full_scale_fires_in_every_slot():
    layer = Layer(rule("tiki_taka", slots=7, every=100), device(noise=0), (4, 3))
    layer.learn(in_memory, np.ones((5, 4), np.float32), np.ones((5, 3), np.float32), 0.1, gain=7.0)
    for signed, cycles in ((False, 2), (True, 4)):
        done = Arrays(layer.rule, layer.device, layer.state, signed, np.array([0, 3, 4]))
        found = done.activity(1)
        assert (found["train_slots"], found["train_rows"], found["train_columns"]) == (7, 1, 1)
        assert found["train_coincidences"] == 1
        assert found["most_written"] == 5 * 7  # of the fast array: no transfer yet
        # of 7 slots in each of the trains: a row without its column, or a column without its row
        assert layer.rule.cycles(signed) == cycles
        assert done.half_selected == 5 * 7 * 12 * (1 if not signed else 2)


def test_rows_half_select_the_cells_of_their_own_block():
    """Each pulse disturbs the other cells of its column in its array, the last of which has fewer rows."""
    runner = trainer(epochs=1, rate=0.3, chip={"array": {"cell": "crossbar", "rows": 20, "columns": 10}})
    runner.run()
    for matrix in runner.model.matrices:
        tile = matrix.tile
        assert np.diff(tile.row_edges)[-1] < np.diff(tile.row_edges)[0]
        blocks = zip(tile.row_edges[:-1], tile.row_edges[1:], strict=True)
        in_columns = sum(int(tile.written[a:b].sum()) * int(b - a - 1) for a, b in blocks)
        entry = runner.entries()[matrix.layer.name]
        slots = runner.ledger.sums[runner.model.matrices.index(matrix)][2]
        assert entry["half_selected"] == in_columns + slots - tile.written.sum()
        assert slots <= tile.written.sum() * 10  # a slot has at least one pulse, and at most ten cells
        assert slots > tile.written.sum()


@pytest.mark.parametrize("law", ["soft_bounds", "power"])
def test_a_cell_that_has_had_its_endurance_gets_pulses_and_stays(law):
    kind = device(law).model_copy(update={"endurance": 30})
    layers = [Layer(rule("tiki_taka_v2", strength=2.0, pace=0.3), kind) for _ in range(2)]
    rng = np.random.default_rng(0)
    x, d = (rng.normal(0, 1, (200, n)).astype(np.float32) for n in (6, 5))
    for layer, kernels in zip(layers, (in_memory_reference, in_memory), strict=True):
        layer.learn(kernels, x, d, 0.1)
    slow, fast = layers
    assert np.array_equal(slow.state["written"], fast.state["written"])
    assert fast.state["fast"] == pytest.approx(slow.state["fast"], abs=2e-4)  # see test_in_memory_kernels
    before, written = fast.state["fast"].copy(), fast.state["written"].copy()
    worn = written[1:] >= 30
    assert worn.mean() > 0.5
    fast.learn(in_memory, x, d, 0.1)
    assert np.array_equal(fast.state["fast"][worn], before[worn])
    assert np.all(fast.state["written"][1:][worn] > written[1:][worn])
    done = Arrays(fast.rule, kind, fast.state, False, np.array([0, 6]))
    assert done.worn == np.mean(fast.state["written"] >= 30)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("chip.device={base: rram, write_noise: 0.01}", "device.write_noise.*must be 0"),
        (f"chip.device={{base: rram, drift: {DRIFT}}}", "device.drift.*must be null"),
        (f"chip.device={{base: rram, read_noise: {NOISE}}}", "must be white"),
        ("training.clip=3", "clip.*must be null"),
        ("chip.adc.offset=0.5", "adc.offset.*must be 0"),
        ("chip.adc.inl=0.5", "adc.inl.*must be 0"),
    ],
)
def test_what_the_arrays_do_not_model_is_refused(change, reason):
    base = ["chip.weight_gradient.unit=in_array", "dataflow.loop_order=image_outer", "training.rule=tiki_taka_v2"]
    load(LENET, [*base, "chip.device=rram"])
    with pytest.raises(ConfigError, match=reason):
        load(LENET, [*base, change])


@pytest.mark.parametrize("name", ["residual_v2", "multi_tile"])
def test_cells_of_the_weights_are_told_from_arrays_that_add_to_them(name):
    """What is at an end, and conducts, is the slow array; the sum goes beyond the range of its cells."""
    made = {"device": {"states": 20, "cycle_to_cycle": {"sigma": 0.01}}, "epochs": 2, "rate": 0.3, "batch": 4}
    rule_ = {"name": name, "gamma": 0.9}
    runner = trainer(**made, chip={"weight_gradient": {"unit": "in_array"}}, rule=rule_, stacked=False)
    runner.run()
    for arrays, entry, matrix in zip(runner.arrays(), runner.entries().values(), runner.model.matrices, strict=True):
        slow, law = arrays.state["slow"], matrix.tile.cells[0].single
        ends = (slow <= law.low + 1e-4) | (slow >= law.high - 1e-4)
        assert entry["saturated_cells"] == np.mean(ends)
        assert arrays.conductance == pytest.approx((1 + slow.mean()) / 2, abs=1e-6)
        assert not np.array_equal(slow, matrix.tile.weights)


def test_read_noise_of_arrays_that_add_to_the_weights_is_theirs_and_their_references():
    """At the middle conductance G of cells that range from near 0 to 2 G: σ of a weight is 2 · 0.05 G / 2 G."""
    noise = {"coefficient": {"form": "polynomial", "coefficients": [0.05]}, "read_time": 1e-6, "spectrum": "white"}
    chip, variances = {"weight_gradient": {"unit": "in_array"}}, {}
    for name, options in (("tiki_taka_v2", {}), ("residual_v2", {"gamma": 0.5})):
        runner = trainer(device={"read_noise": noise}, chip=chip, rule={"name": name, **options}, stacked=False)
        variances[name] = runner.model.matrices[0].tile.readout.variance()
    device_ = runner.experiment.chip.device
    low, high = device_.conductance_min, device_.conductance_max
    one = (2 * 0.05 * (low + high) / 2 / (high - low)) ** 2
    np.testing.assert_allclose(variances["residual_v2"] - variances["tiki_taka_v2"], 2 * 0.25 * one, rtol=1e-4)


def test_a_finished_run_taken_up_again_knows_what_its_arrays_did():
    made = {"device": {"states": 20, "cycle_to_cycle": {"sigma": 0.01}}, "epochs": 2, "rate": 0.3, "batch": 4}
    chip = {"weight_gradient": {"unit": "in_array"}}
    whole, again = (trainer(**made, chip=chip, rule={"name": "agad"}, stacked=False) for _ in range(2))
    whole.run()
    again.restore(whole.state())
    assert again.activity() == whole.activity()
    assert again.entries() == whole.entries()
    assert whole.activity().layers["fc1"].train_slots > 0


def test_words_round_to_their_steps_and_are_priced_at_their_width():
    # 8 bits over ±1 are 128ths: readings of 0.25 at rate 0.4 · 10 · 0.0149 add 0.0149, which is 2 of them; at a
    # tenth of that rate less than half of one, which is lost
    kind = device(states=20, noise=0)
    for rate, hidden in ((0.4 * 0.0149, 10 * 2 / 128), (0.4 * 0.00149, 0.0)):
        for kernels in (in_memory, in_memory_reference):
            layer = Layer(rule("tiki_taka_v2", reads=1, pace=1.0, bits=8), kind, (1, 1))
            layer.state["fast"][...] = 0.25
            none = np.zeros((10, 1), np.float32)
            layer.learn(kernels, none, none, rate)
            assert layer.state["hidden"][0, 0] == hidden
    for name, matrices in (("tiki_taka_v2", 1), ("agad", 3), ("mixed_precision", 1), ("residual_v2", 1)):
        sizes = []
        for bits in (8, 16):
            exp = in_array_experiment(name, bits=bits)
            priced = price_experiment(exp)
            sizes.append(float(priced.parts["rule_memory"].component.size))
            assert sizes[-1] == priced.network.weights * bits * matrices
        assert sizes[1] == 2 * sizes[0]


def in_array_experiment(name, **options):
    return experiment(
        chip={"weight_gradient": {"unit": "in_array"}}, training={"rule": {"name": name, **options}, "batch": 5},
        dataflow={"loop_order": "image_outer"},
    )  # fmt: skip


def test_stuck_fast_cells_are_read_where_they_are_stuck():
    kind = device(noise=0, stuck_high=0.5, up_down=0.2)
    for reference in ("exact", "alternating"):
        layer = Layer(rule("residual", reference=reference), kind, (40, 30), start=0.1)
        stuck = ~np.isnan(cells.stuck(kind, 0, 3, 1, (40, 30)))
        assert stuck.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(1200))  # four standard errors
        fast = layer.state["fast"][0]
        # alternating pulses find a stuck cell where it is, so that nothing is left of it
        expected = 1 - layer.update.references[1][stuck] if reference == "exact" else 0
        assert fast[stuck] == pytest.approx(expected)
        assert np.all(fast[~stuck] == 0)
        assert layer.visible == pytest.approx(0.1 + 0.1 * fast)  # gamma is 0.1
        before = fast[stuck].copy()
        layer.learn(in_memory, np.ones((5, 40), np.float32), np.ones((5, 30), np.float32), 0.1)
        assert np.array_equal(layer.state["fast"][0][stuck], before)
        assert np.any(layer.state["fast"][0][~stuck] != 0)


def test_no_random_number_is_drawn_twice():
    shape, streams = (4, 4), (types.SPREAD, types.SEARCH, types.READ_OUT)
    drawn = [cells.normal(0, 3, stream, step, shape)[0, 0] for stream in streams for step in range(300)]
    assert len(set(drawn)) == len(drawn)
    assert len(set(range(types.STREAMS)) & set(streams)) == len(streams)


def test_rare_pulses_are_not_rounded_away():
    # 0.9 of a unit of 2^-16 is rounded to one: 50 000 lines in 31 slots fire 23.7 times, five deviations of 4.9
    layer = Layer(rule("tiki_taka"), device())
    tile, _ = layer.update.tile(layer.state, layer.visible)
    fires = in_memory_reference.trains(tile, types.TRAIN_ROWS, 0, np.full(50_000, 0.9 / 65536, np.float32), 31)
    assert abs(fires.sum() - 50_000 * 31 / 65536) < 5 * 4.9


def test_automatic_strength_broadcasts_over_devices():
    chosen = rule("tiki_taka_v2")
    kind = device().model_copy(update={"states": np.array([2, 20, 100, 1200])})
    # a two-hundredth of the states, from 0.03 to 1
    assert chosen.effective_strength(kind) == pytest.approx([0.03, 0.1, 0.5, 1.0])


def test_the_result_names_what_the_rule_works_with():
    found = estimate(in_array_experiment("chopped_tiki_taka", reference="alternating"))
    layer = found["network"]["layers"][0]
    values = found["rule"][layer["name"]]
    # two rows are read for each vector, five reads of a row lie between flips, 400 pulses find a balance point
    assert values["sweep_vectors"] == layer["fan_in"] / 2
    assert values["chopper_vectors"] == 5 * layer["fan_in"] / 2
    assert values["reference_pulses"] == 400 * layer["weights"]
    assert values["word_step"] == 2.0**-11
    assert any("400" not in text and "not in the training energy" in text for text in found["warnings"])
    assert estimate(experiment())["rule"] is None


def test_descent_is_priced_with_the_trains_that_its_step_needs():
    # 0.09 of half the range on 60 states: 2.7 pulses of the largest product, in three slots for each sign; in
    # convolutions over the root of 784 and 100 positions, less than one
    exp = experiment(
        chip={"weight_gradient": {"unit": "in_array"}}, dataflow={"loop_order": "image_outer"},
        training={"rule": {"name": "sgd"}, "learning_rate": {"start": 0.09}, "batch": 5},
    )  # fmt: skip
    trains = {action.layer: action.arguments["train_length"] for action in price_experiment(exp).actions
              if action.action == "pulse_outer_product"}  # fmt: skip
    assert exp.chip.device.states == 60
    assert trains == {"conv1": 2, "conv2": 2, "fc1": 6, "fc2": 6, "fc3": 6}


def test_advice():
    # 784 rows, two a vector: a row is read every 392 vectors; 1000 vectors are 2.6 reads of what the rate makes of one
    network = price_experiment(in_array_experiment("tiki_taka_v2")).network
    chosen, kind = rule("tiki_taka_v2"), challenging()
    for learning_rate, slow in ((1e-6, True), (1.0, False)):
        found = advice.effective(chosen, network, kind, learning_rate, 1000)
        told = " ".join(advice.advice(chosen, kind, found))
        assert ("in the first epoch" in told) == slow
    # descent suits constant steps of 1 200 states; soft bounds pull to a balance point, 20 states are too few for it
    for law, states, told in (("linear", 1200, True), ("soft_bounds", 1200, False), ("linear", 20, False)):
        suits = device(
            {**load_device("ideal").update.model_dump(), "law": "linear"} if law == "linear" else law, states
        )
        texts = advice.advice(chosen, suits, advice.effective(chosen, network, suits, 1.0, 1000))
        assert any("rule sgd fits it better" in text for text in texts) == told
    # step up 1 - w and down 1 + w: at one half they are 0.5 and 1.5
    assert advice.asymmetry(device({"law": "soft_bounds", "low": -1, "high": 1}, 1000)) == pytest.approx(0.5, abs=0.01)


def test_passes_in_which_nothing_happens_are_not_shown():
    without, with_one = estimate(experiment()), estimate(in_array_experiment("tiki_taka_v2"))
    assert "transfer" not in passes_of(without)
    assert "transfer" in passes_of(with_one)
    assert place("weight_update of conv_6") == "weight update of conv_6"
