"""Products of whole vectors with noise and converters, and voltage lost along wires."""

import numpy as np
import pytest

from cimest.kernels import compiled, reference
from cimest.kernels.types import Address, MvmCounts, Periphery

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
HERE = Address(1, 2, 3)


@BOTH
def test_a_noiseless_array_with_converters_by_hand(kernels):
    # Inputs 0.3 and 0.9 in steps of 0.25: 0.25 and 1.0; times 0.5 and 0.8 is 0.925, in steps of 0.1 is 0.9
    x, w = np.array([[0.3, 0.9]], np.float32), np.array([[0.5], [0.8]], np.float32)
    y, counts = kernels.noisy_mvm(x, w, 0.0, Periphery(0.25, 0.1, 2.0), HERE)
    assert y[0, 0] == pytest.approx(0.9, rel=1e-6)  # single precision
    assert counts == MvmCounts(1, 0)


@BOTH
def test_management_scales_inputs_and_repeats_clipped_reads_by_hand(kernels):
    # Inputs 4 and 2 become 1 and 0.5: sum 1.5 beyond 1; halved, 0.75 within it: 0.75 · 2 · 4 = 6, after two reads
    x, w = np.array([[4.0, 2.0]], np.float32), np.ones((2, 1), np.float32)
    y, counts = kernels.noisy_mvm(x, w, 0.0, Periphery(0.0, 0.0, 1.0, normalise=True, retries=3), HERE)
    assert y[0, 0] == 6
    assert counts == MvmCounts(2, 0)
    y, counts = kernels.noisy_mvm(x, w, 0.0, Periphery(0.0, 0.0, 1.0, normalise=True), HERE)
    assert y[0, 0] == 4  # clipped to 1, times 4
    assert counts == MvmCounts(1, 1)


@pytest.mark.parametrize("shape", [(1, 1), (40, 45), (64, 64), (40, 300)])  # 300: many numbers at once, and few
@pytest.mark.parametrize("variance", ["none", "shared", "each"])
@pytest.mark.parametrize(
    "periphery", [Periphery(), Periphery(1 / 63, 1 / 16, 1.5, 0.06, True, 3)], ids=["analog", "converted"]
)
def test_compiled_reads_equal_the_specification(shape, variance, periphery):
    # The same random numbers; sums in single and double precision: 1e-5 where nothing is quantised, and an output at
    # a threshold of the ADC may fall to the other side, by one step of the largest scale, 1/16 · 8 · 1.5
    rng = np.random.default_rng(0)
    x, w = rng.normal(0, 0.3, (300, shape[0])).astype(np.float32), rng.uniform(-0.3, 0.3, shape).astype(np.float32)
    spread = {"none": 0.0, "shared": 1e-4, "each": rng.uniform(0, 1e-3, shape).astype(np.float32)}[variance]
    expected, counts = reference.noisy_mvm(x, w, spread, periphery, HERE)
    y, count = compiled.noisy_mvm(x, w, spread, periphery, HERE)
    difference = np.abs(y - expected)
    assert (difference > 1e-5).mean() < (1e-3 if periphery.output_step else 1e-9)
    assert difference.max() < 1.0
    assert abs(count.reads - counts.reads) <= 1


def test_noise_at_the_output_is_that_of_cells_drawn_one_by_one():
    # Same variance as with a new normal number for every cell, 20 000 reads of 3 columns: four standard errors
    rng = np.random.default_rng(4)
    x, variance = rng.uniform(-1, 1, 30).astype(np.float32), rng.uniform(0, 1e-2, (30, 3)).astype(np.float32)
    y, _ = compiled.noisy_mvm(
        np.tile(x, (20_000, 1)), np.zeros((30, 3), np.float32), variance, Periphery(output_noise=0.02), HERE
    )
    cells = rng.normal(size=(20_000, 30, 3)) * np.sqrt(variance) * x[:, None]
    drawn = cells.sum(axis=1) + 0.02 * rng.normal(size=(20_000, 3))
    assert np.abs(y.std(axis=0) / drawn.std(axis=0) - 1).max() < 4 * np.sqrt(1 / 20_000)


def test_reads_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(900, 50)).astype(np.float32), rng.normal(size=(50, 40)).astype(np.float32)
    before, results = compiled.set_threads(1), []
    for count in (1, 2, 3):
        compiled.set_threads(count)
        results.append(
            (compiled.noisy_mvm(x, w, 1e-3, Periphery(1 / 63, 0.1, 9.0, 0.1, True, 2), HERE)[0], compiled.matmul(x, w))
        )
    compiled.set_threads(before)
    for other in results[1:]:
        assert all(np.array_equal(one, two) for one, two in zip(results[0], other, strict=True))


# Wires


def test_one_cell_is_three_resistors_in_a_row():
    # 1 V over a segment, the cell and a segment: 1 / (10 + 1000 + 10) A
    current = compiled.ir_drop(np.array([[1e-3]]), np.array([[1.0]]), 10.0)
    assert current[0, 0] == pytest.approx(1 / 1020, rel=1e-9)


@pytest.mark.parametrize(
    ("rows", "columns", "resistance"), [(2, 3, 100.0), (1, 9, 5.0), (9, 1, 5.0), (40, 25, 1.0), (33, 33, 50.0)]
)
def test_currents_are_those_of_a_sparse_solution(rows, columns, resistance):
    # Conductances from 10 to 100 uS; the solver's tolerance of 1e-7 in energy leaves less than 1e-6 of the currents
    rng = np.random.default_rng(6)
    conductance, voltages = rng.uniform(1e-5, 1e-4, (rows, columns)), rng.random((3, rows))
    exact = reference.ir_drop(conductance, voltages, resistance)
    assert np.abs(compiled.ir_drop(conductance, voltages, resistance) / exact - 1).max() < 1e-6


def test_without_resistance_to_speak_of_nothing_is_lost():
    rng = np.random.default_rng(7)
    conductance, voltages = rng.uniform(1e-5, 1e-4, (20, 30)), rng.random((2, 20))
    # at most 50 segments of 1e-6 ohm in series with 10 kohm, with all other currents on them: 30 · 1e-6 · 50 / 1e4
    assert np.abs(compiled.ir_drop(conductance, voltages, 1e-6) / (voltages @ conductance) - 1).max() < 1e-6


def test_the_correction_takes_most_of_the_loss_away():
    # 64 x 64 at 1 ohm loses 13 % of its currents (CrossSim comparison: 13.1 %); fitted on eight vectors, the
    # correction leaves less than 1 % on others
    rng = np.random.default_rng(8)
    conductance, voltages = rng.uniform(1e-5, 1e-4, (64, 64)), rng.random((4, 64))
    exact = compiled.ir_drop(conductance, voltages, 1.0)
    assert np.mean(1 - exact / (voltages @ conductance)) == pytest.approx(0.131, abs=0.01)
    corrected = voltages @ (conductance * compiled.ir_drop_correction(conductance, 1.0))
    assert np.sqrt(np.mean(np.square(corrected / exact - 1))) < 0.01
