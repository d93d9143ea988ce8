"""The simulator converts exactly what the estimate prices: conversions of every layer and pass of a training step."""

import numpy as np
import pytest

from cimest.dataflow import resolve
from cimest.datasets import Data
from cimest.learning import Trainer
from cimest.mapping import stored_edges
from cimest.network import Conv
from cimest.pricing import price_experiment
from cimest.run import shares_arrays
from tests.cimest.designs import experiment

PARTS = {"forward": "adc", "backward": "backward_adc", "weight_gradient": "gradient_adc"}

BATCH = 6

MANAGED = {
    "kind": "whole_vector", "noise_management": "abs_max", "bound_management": "iterative", "output_range": 0.7,
}  # fmt: skip

NETWORKS = {
    "lenet5": "lenet5",
    "mlp": {"name": "mlp", "hidden": [30]},
    "lstm": {"name": "lstm", "hidden": 12, "predict": "sequence"},
    "residual": {"name": "resnet18", "width": 0.04},
    "transformer": {"name": "transformer", "width": 12, "depth": 1, "heads": 2, "feed_forward": 24},
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dataflow", ["naive", "optimised", "split"])
@pytest.mark.parametrize("mapping", ["unrolled", "kernel_position"])
@pytest.mark.parametrize("signs", ["two_phase", "twos_complement", "levels"])
def test_conversions_agree(name, dataflow, mapping, signs):
    if signs == "levels" and (dataflow, mapping) not in (("naive", "unrolled"), ("optimised", "kernel_position")):
        pytest.skip("neither changes what is read")
    if signs == "twos_complement" and name not in ("lstm", "transformer"):
        pytest.skip("inputs without a sign")
    chip = {"array": {"rows": 48, "columns": 20}, "mapping": mapping, "weight_gradient": {"rows": 40, "adc_bits": 2}}
    chip |= {"periphery": MANAGED} if signs == "levels" else {"signed_inputs": signs}
    flow = {"loop_order": "split", "image_layers": 1} if dataflow == "split" else {"base": dataflow}
    exp = experiment(NETWORKS[name], chip=chip, training={"batch": BATCH, "epochs": 1}, dataflow=flow)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, 1, 28, 28)).astype(np.uint8)
    labels = np.arange(BATCH) % 10
    schedule = resolve(exp.dataflow)
    priced = price_experiment(exp)
    data = Data(images, labels, images[:0], labels[:0])
    trainer = Trainer(
        exp, priced.network, data, shares_arrays(priced.network, schedule), schedule.operand_writes == "once"
    )
    trainer.run()
    if signs == "levels":  # how often vectors are read again depends on the data
        priced = price_experiment(exp, trainer.activity())
        assert any(reads["forward"] > 1 and reads["backward"] > 1 for reads in trainer.ledger.reads())
    for matrix in trainer.model.matrices:
        converted = trainer.entries()[matrix.layer.name]["converted"]  # what calibrates the ranges is no part of it
        for pass_, part in PARTS.items():
            counted = priced.estimate.count.get((matrix.layer.name, pass_, part), 0.0) * BATCH
            simulated = converted[pass_]
            if pass_ == "weight_gradient" and simulated == 0:
                # Every count has its code, so the simulator takes the exact product instead of converting.
                assert matrix.layer.positions == 1
                continue
            assert simulated == pytest.approx(counted), (matrix.layer.name, pass_)


@pytest.mark.parametrize("verify", ["none", "row"])
@pytest.mark.parametrize("array", [
    {}, {"encoding": "differential_pair"}, {"encoding": "differential_pair", "pair_update": "push_pull"},
])  # fmt: skip
def test_pulses_agree(array, verify):
    """Pulses at all cells in two updates are those that the priced row writes deliver, refreshes, rounds and all."""
    chip = {"array": {"rows": 48, "columns": 20, "refresh_every": 1, **array}, "write": {"verify": verify}}
    rate = {"learning_rate": {"start": 0.5}}
    exp = experiment(NETWORKS["mlp"], chip=chip, training={"batch": BATCH, "epochs": 2, **rate})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, 1, 28, 28)).astype(np.uint8)
    data = Data(images, np.arange(BATCH) % 10, images[:0], np.arange(0))
    trainer = Trainer(exp, price_experiment(exp).network, data, True)
    trainer.run()
    priced, ledger = price_experiment(exp, trainer.activity()), trainer.entries()
    for layer, entry in ledger.items():
        writes = [a for a in priced.actions if (a.layer, a.part, a.action) == (layer, "array", "write_row")]
        for way in ("up", "down"):
            told = sum(a.count * a.arguments[f"cells_{way}"] * a.arguments[f"pulses_{way}"] for a in writes)
            assert told * BATCH * 2 == pytest.approx(entry[f"pulses_{way}"])
        if verify == "row" and not array:
            tile = next(matrix.tile for matrix in trainer.model.matrices if matrix.layer.name == layer)
            assert sum(a.count for a in writes) * BATCH * 2 == pytest.approx(tile.row_writes)
    if array.get("pair_update", "one_sided") == "one_sided" and array:
        assert sum(entry["refreshed"] for entry in ledger.values()) > 0


def test_stored_blocks_by_hand():
    """A 4x4 map under a 3x3 kernel without padding: 2x2 outputs; with 8 rows an array holds two lines of the map."""
    layer = Conv("c", (1, 4, 4), 2, kernel=3)
    edges = stored_edges(layer, images=2, rows=8, stacked=True)
    assert len(edges) == 9
    # At the upper left of the kernel the four outputs see places 0, 1, 4, 5: one block for each image.
    assert edges[0].tolist() == [0, 4, 8]
    # One line further down they see 4, 5, 8, 9: two blocks for each image.
    assert edges[3].tolist() == [0, 2, 4, 6, 8]
    # Two lines down: 8, 9, 12, 13, all in the second block.
    assert edges[6].tolist() == [0, 4, 8]
