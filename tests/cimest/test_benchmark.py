"""The table of `cimest bench`: its arithmetic, and that what it compares computes the same."""

import numpy as np
import pytest

from cimest import benchmark, benchmark_training
from cimest.kernels import in_memory_types as types
from cimest.kernels import reference
from cimest.kernels.types import Quantiser


def test_rows_hold_by_their_ratio():
    assert benchmark.at_most("", 6.9, 1.0, "", 7).holds
    assert not benchmark.at_most("", 7.1, 1.0, "", 7).holds
    assert benchmark.at_least("", 8.0, 2.0, "", 4).holds
    assert not benchmark.at_least("", 7.9, 2.0, "", 4).holds
    row = benchmark.at_most("name", 6.0, 2.0, "limit", 4).plain()
    assert set(row) >= {"name", "figure", "limit", "ratio", "goal", "holds"}  # the contract of --json
    assert row["ratio"] == 3


def test_the_numpy_loop_is_the_product_that_is_timed():
    # Sums of whole numbers below 2^24: exact
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 256, (5, 40)).astype(np.uint8), rng.integers(0, 2, (40, 7)).astype(np.uint8)
    adc = Quantiser(2.0, 0, 7)
    expected, _ = reference.bit_serial_mvm(x, w, np.array([0, 16, 40]), adc)
    assert np.array_equal(benchmark.numpy_loop(x, w.astype(np.float32), np.array([0, 16, 40]), adc), expected)


@pytest.mark.parametrize(("dense", "pulses"), [(True, 2.0e6), (False, 8.4e4)])
def test_trains_have_the_coincidences_of_the_recorded_rival(dense, pulses):
    # Mean number of device pulses in its recorded runs: 2.0 million and 83 800; random vectors within 40 %
    work, counts = benchmark.outer_product(dense)
    work()
    assert counts[types.VECTORS] == benchmark.VECTORS
    assert (counts[types.UP_FAST] + counts[types.DOWN_FAST]) / benchmark.VECTORS == pytest.approx(pulses, rel=0.4)


def test_the_timed_network_is_vgg8():
    # 616 million multiply-accumulates for an image (Peng et al. 2021: VGG-8 on CIFAR-10)
    assert sum(layer.macs for layer in benchmark_training.network().matrices) == pytest.approx(616e6, rel=0.01)
