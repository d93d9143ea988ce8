"""The edge of the arrays: converters with offset, nonlinearity and noise; operands with a sign; read noise; ledger."""

import numpy as np
import pytest

from cimest.config.chip import Chip
from cimest.kernels import converters, converters_compiled, reference
from cimest.kernels.converters import Transfer
from cimest.kernels.types import Address, Quantiser
from cimest.learning import periphery
from cimest.learning.codes import Errors
from cimest.learning.ledger import taken
from cimest.learning.tile import AnalogTile
from cimest.mapping import operands
from cimest.mapping.operands import Operand
from cimest.network import linear
from hwlib.devices import load_device
from tests.cimest.learning_cases import trainer

EXACT = {"adc": {"kind": "ideal"}, "backward_adc": {"kind": "ideal"}, "weight_gradient": {"adc_kind": "ideal"}}


def tile(changes=None, number=0, **chip):
    device = load_device("ideal", changes)
    return AnalogTile(linear("fc", 40, 12), Chip(device=device, **chip), 3, number, 0.5, True, 32)


def curves(shape, offset=0.0, bow=0.0, skew=0.0):
    return Transfer(*(np.full(shape, value, dtype=np.float32) for value in (offset, bow, skew)))


def drawn(seed, signed=False, vectors=30, rows=40):
    rng = np.random.default_rng(seed)
    low, high, kind = (-127, 128, np.int8) if signed else (0, 256, np.uint8)
    return rng.integers(low, high, (vectors, rows)).astype(kind)


# Kernels


@pytest.mark.parametrize("signed", [False, True])
def test_the_compiled_products_are_the_specification(signed):
    rng = np.random.default_rng(0)
    x, weights = drawn(1, signed), rng.uniform(-1, 1, (40, 21)).astype(np.float32)
    edges, adc, bits = np.array([0, 17, 40]), Quantiser(0.3, -16, 15), 7 if signed else 8
    errors = Transfer(*(rng.normal(0, 0.7, (2, 21)).astype(np.float32) for _ in range(3)))
    found = [module.mvm_by(x, weights, edges, adc, errors, bits) for module in (converters, converters_compiled)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] > 0


def test_the_compiled_gradient_is_the_specification():
    rng = np.random.default_rng(0)
    x, errors = drawn(1, vectors=150, rows=9), rng.integers(-127, 128, (150, 5)).astype(np.int8)
    curve = Transfer(*(rng.normal(0, 0.7, (8, 9)).astype(np.float32) for _ in range(3)))
    significance = np.array([1, 2, 4, 8, 16, 32, 64, -128.0])
    arguments = x, errors, np.array([0, 70, 150]), Quantiser(2.5, 0, 15), curve, significance, 7
    found = [module.gradient_by(*arguments) for module in (converters, converters_compiled)]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] > 0


@pytest.mark.parametrize("signed", [False, True])
def test_converters_without_errors_are_those_of_the_plain_kernels(signed):
    x, weights = drawn(2, signed), np.random.default_rng(0).uniform(-1, 1, (40, 6)).astype(np.float32)
    edges, adc = np.array([0, 17, 40]), Quantiser(0.4, -16, 15)
    plain = reference.bit_serial_mvm(x, weights, edges, adc)
    found = converters.mvm_by(x, weights, edges, adc, curves((2, 6)), 7 if signed else 8)
    np.testing.assert_array_equal(found[0], plain[0])
    assert found[1] == plain[1]


def test_codes_by_hand():
    """Steps of 1 from -4 to 4 (full scale 4): an offset moves all, a bow the middle, a skew both halves apart."""
    sums, adc = np.array([-4.0, 0.0, 2.0, 4.0]), Quantiser(1.0, -4, 4)
    one = np.zeros(4, np.float32)
    assert converters.convert_by(sums, adc, Transfer(one + 1, one, one))[0].tolist() == [-3, 1, 3, 4]
    # 1.6 (1 - u²) at u = -1, 0, 0.5, 1: 0, 1.6, 1.2, 0; rounded with the sum
    assert converters.convert_by(sums, adc, Transfer(one, one + 1.6, one))[0].tolist() == [-4, 2, 3, 4]
    # 2.6 u (1 - u²) · skew 1: at u = 0.5 0.97, elsewhere 0
    assert converters.convert_by(sums, adc, Transfer(one, one, one + 1))[0].tolist() == [-4, 0, 3, 4]
    assert converters.convert_by(sums, adc, Transfer(one + 1, one, one))[1] == 1  # the last one clips


# Offsets


def test_an_offset_cancels_between_two_phases_and_stays_in_one():
    """No input at all: every conversion gives the offset, 3 steps. Two phases subtract; one adds 255 of them."""
    edges, adc, weights = np.array([0, 20, 40]), Quantiser(0.5, -16, 15), np.zeros((40, 4), np.float32)
    errors = curves((2, 4), offset=3.0)
    unsigned, signed = np.zeros((2, 40), np.uint8), np.zeros((2, 40), np.int8)
    one = periphery.product(unsigned, weights, edges, adc, errors, Operand(8, "none"))[0]
    assert np.all(one == 0.5 * 3 * 255 * 2)
    assert np.all(periphery.product(signed, weights, edges, adc, errors, Operand(8, "two_phase"))[0] == 0)
    # two's complement: 127 - 128
    assert np.all(periphery.product(signed, weights, edges, adc, errors, Operand(8, "twos_complement"))[0] == -0.5 * 6)


def test_offsets_are_those_of_converters_not_of_columns():
    """12 columns, 5 to a converter: three patterns of the drawn spread, other ones in each block of rows."""
    reader = tile(adc={"offset": 0.4, "columns_per_adc": 5}, array={"rows": 20, "columns": 128})
    offsets = reader.readout.curves["forward"].offset
    assert offsets.shape == (2, 12)
    for block in offsets:
        assert [len(set(block[part])) for part in (slice(0, 5), slice(5, 10), slice(10, 12))] == [1, 1, 1]
    assert len(np.unique(offsets)) == 6
    many = periphery.transfer(0.4, 0.0, Address(1, 0, 0), 0, 40, np.arange(100))
    assert np.std(many.offset) == pytest.approx(0.4, rel=4 / np.sqrt(2 * 4000))  # four standard errors
    assert reader.unit.curves is None
    assert tile(number=1, adc={"offset": 0.4}).readout.curves["forward"].offset[0, 0] != offsets[0, 0]


def test_arrays_end_where_blocks_do():
    # two arrays of 5 and 4 lines, two lines to a converter
    assert periphery.positions(np.array([0, 5, 9]), 2).tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 4]
    assert periphery.positions(np.array([0, 4, 8, 9]), 4).tolist() == [0] * 4 + [1] * 4 + [2]


def test_no_converter_is_less_linear_than_it_says():
    """Full scale in 2 001 points: at most 0.7 steps from the straight line, and some converter comes within 10 %."""
    errors = periphery.transfer(0.0, 0.7, Address(1, 0, 0), 0, 1, np.arange(200))
    u = np.linspace(-1, 1, 2001)[:, None]
    departure = np.abs((errors.bow + errors.skew * converters.PEAK * u) * (1 - u**2)).max(axis=0)
    assert departure.max() <= 0.7 * (1 + 1e-6)
    assert departure.max() > 0.63


@pytest.mark.parametrize("kind", ["offset", "inl"])
def test_worse_converters_read_worse(kind):
    x, errors = drawn(3, vectors=200), []
    for size in (0.0, 1.0, 3.0):
        reader = tile(adc={"bits": 8, kind: size})
        exact = x.astype(float) @ reader.weights
        errors.append(np.std(reader.forward(x) - exact))
    assert errors[0] < errors[1] < errors[2]


def test_the_gradient_unit_has_converters_of_its_own():
    x, errors = drawn(3, vectors=300), np.random.default_rng(0).integers(-60, 61, (300, 12)).astype(np.int8)
    plain = tile().weight_gradient(x, Errors(errors, 1.0))
    for change in ({"adc_offset": 0.6}, {"adc_inl": 0.9}, {"adc_noise": 0.5}):
        changed = tile(weight_gradient=change)
        found = changed.weight_gradient(x, Errors(errors, 1.0))
        assert not np.array_equal(found, plain)
        np.testing.assert_array_equal(tile(weight_gradient=change).weight_gradient(x, Errors(errors, 1.0)), found)
        assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] > 0.7  # errors of half a step where counts take few


def test_noise_of_the_gradient_unit_adds_the_variances_of_all_conversions():
    """Three blocks, two signs, 8 stored and 7 streamed bits: step² noise² 3 · (4^8 - 1) / 3 · 2 (4^7 - 1) / 3."""
    x, errors = drawn(3, vectors=300), np.random.default_rng(0).integers(-60, 61, (300, 12)).astype(np.int8)
    noisy, quiet = tile(weight_gradient={"adc_noise": 0.5}), tile()
    difference = noisy.unit.gradient(x, errors, 1.0) - quiet.unit.gradient(x, errors, 1.0)
    step = noisy.converters["weight_gradient"].step
    expected = step * 0.5 * np.sqrt(3 * (4**8 - 1) / 3 * 2 * (4**7 - 1) / 3)
    assert difference.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * difference.size))


# Ranges


def test_a_range_by_design_is_a_fraction_of_the_largest():
    reader = tile(adc={"bits": 6, "range": 0.25}, weight_gradient={"adc_bits": 3, "adc_range": 0.5})
    reader.forward(drawn(1))
    reader.weight_gradient(drawn(1), Errors(np.ones((30, 12), np.int8), 1.0))
    assert reader.converters["forward"] == Quantiser(pytest.approx(0.25 * 40 / 31), -32, 31)
    assert reader.converters["weight_gradient"] == Quantiser(pytest.approx(0.5 * 30 / 7), 0, 7)


def test_ideal_converters_read_exact_products():
    """Forty products are summed in single precision: 1e-6 of the largest output."""
    reader, x = tile(**EXACT), drawn(1)
    w, delta = reader.weights.astype(float), Errors(drawn(2, signed=True, rows=12), 0.25)
    for found, exact in (
        (reader.forward(x), x @ w),
        (reader.forward(drawn(4, signed=True)), drawn(4, signed=True) @ w),
        (reader.backward(delta), 0.25 * delta.codes @ w.T),
    ):
        np.testing.assert_allclose(found, exact, atol=1e-6 * np.abs(exact).max())
    assert reader.clipped["forward"] == reader.clipped["backward"] == 0


def test_exact_products_are_exact():
    """Sums on a grid do not depend on the order: the same with the rows reversed, to the last bit."""
    rng = np.random.default_rng(0)
    x, w = drawn(1, vectors=20, rows=500), (rng.normal(0, 1, (500, 7)) * 10.0 ** rng.integers(-6, 1, (500, 7)))
    one, other = periphery.exact_product(x, w), periphery.exact_product(x[:, ::-1], w[::-1])
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, x @ w, atol=1e-8 * np.abs(w).max() * 255 * 500)


# Inputs with a sign


@pytest.mark.parametrize(("signs", "cycles", "power"), [
    ("none", 8, sum(4**bit for bit in range(8))),
    ("two_phase", 14, 2 * sum(4**bit for bit in range(7))),
    ("twos_complement", 8, sum(4**bit for bit in range(8))),
])  # fmt: skip
def test_operands_by_hand(signs, cycles, power):
    assert (Operand(8, signs).cycles, Operand(8, signs).power) == (cycles, power)


@pytest.mark.parametrize("signs", ["two_phase", "twos_complement"])
def test_inputs_with_a_sign_are_read_and_counted_as_they_run(signs):
    """12-bit converters lose next to nothing: a few 1e-3 of the spread, and each cycle is one conversion a column."""
    reader, x = tile(adc={"bits": 12}, signed_inputs=signs), drawn(5, signed=True)
    exact = x.astype(float) @ reader.weights
    assert np.abs(reader.forward(x) - exact).max() < 0.01 * exact.std()
    assert reader.converted["forward"] == 30 * 12 * operands.inputs(reader.chip, signed=True).cycles


@pytest.mark.parametrize("bits", [4, 8])
def test_the_gradient_of_inputs_with_a_sign(bits):
    """Words of 4 or 8 bits are stored in two's complement; a 12-bit unit gives the centred product to 1e-4."""
    half = 2 ** (bits - 1) - 1
    x = np.random.default_rng(0).integers(-half, half + 1, (300, 40)).astype(np.int8)
    errors = np.random.default_rng(1).integers(-60, 61, (300, 12)).astype(np.int8)
    reader = tile(input_bits=bits, weight_gradient={"adc_bits": 12})
    exact = (x - x.mean(axis=0)).T @ errors.astype(float)
    found = reader.weight_gradient(x, Errors(errors, 1.0))
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
    coarse = tile(input_bits=bits, weight_gradient={"adc_bits": 5}).weight_gradient(x, Errors(errors, 1.0))
    assert np.corrcoef(coarse.ravel(), exact.ravel())[0, 1] > 0.95
    curved = tile(input_bits=bits, weight_gradient={"adc_bits": 12, "adc_offset": 1e-9})
    np.testing.assert_allclose(curved.weight_gradient(x, Errors(errors, 1.0)), found, atol=1e-4 * np.abs(exact).max())


# Read noise


def white(sigma, relative_to="largest", spectrum="white"):
    coefficient = {"form": "polynomial", "coefficients": [sigma]}
    noise = {"coefficient": coefficient, "read_time": "1 us", "relative_to": relative_to, "spectrum": spectrum}
    return {"read_noise": noise}


@pytest.mark.parametrize("encoding", ["reference_column", "differential_pair"])
def test_white_noise_of_cells_adds_up_over_rows_and_bits(encoding):
    """Each cell's conductance by 0.02 of the largest, 0.02 / 0.99 of the range: a weight by twice that, once a bit.

    All inputs 255: variance 40 rows · (4^8 - 1) / 3 · (0.04 / 0.99)²; of a pair two cells, each with half the weight.
    """
    array = {"encoding": encoding}
    noisy, quiet = (tile(changes, array=array, **EXACT) for changes in (white(0.02), None))
    x = np.full((2000, 40), 255, dtype=np.uint8)
    difference = noisy.forward(x) - quiet.forward(x)
    cells = 2 if encoding == "differential_pair" else 1
    expected = 0.04 / 0.99 * np.sqrt(40 * (4**8 - 1) / 3 / cells)
    assert difference.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * difference.size))


def test_flicker_noise_stays_through_a_vector():
    """As above, but the square of the whole word, 255², and the growth sqrt(ln(2 / 2)) = 0 right after a write."""
    changes = white(0.02, spectrum="1/f")
    fresh, quiet, aged = tile(changes, **EXACT), tile(**EXACT), tile(changes, **EXACT)
    x = np.full((2000, 40), 255, dtype=np.uint8)
    np.testing.assert_array_equal(fresh.forward(x), quiet.forward(x))
    aged.wait(1.0)
    difference = aged.forward(x) - quiet.forward(x)
    expected = 0.04 / 0.99 * np.sqrt(40 * np.log((1 + 1e-6) / 2e-6)) * 255
    assert difference.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * difference.size))


def test_noise_that_goes_with_the_conductance_feels_the_ratio_of_on_to_off():
    """At the low end a cell of 1 / 24 Mohm makes a hundredth of the noise of one of 1 / 240 kohm."""
    noisy = tile(white(0.02, "conductance"), **EXACT)
    noisy.cells[0].weights[:] = -1
    low = noisy.readout.variance().copy()
    noisy.cells[0].weights[:] = 1
    noisy.readout.noise = None
    np.testing.assert_allclose(noisy.readout.variance() / low, 100.0**2, rtol=1e-5)


# Ledger


def test_the_ledger_agrees_with_the_cells_and_the_history():
    runner = trainer(epochs=2, chip={"adc": {"bits": 4, "range": 0.05}})
    history = runner.run()
    entries = runner.entries()
    assert list(entries) == ["fc1", "fc2"]
    for matrix in runner.model.matrices:
        entry = entries[matrix.layer.name]
        assert entry["pulses_up"] + entry["pulses_down"] == matrix.tile.written.sum()
        assert entry["most_pulsed"] == matrix.tile.written.max()
        assert entry["half_selected"] == 0  # transistors cut the others off
        # 2 epochs of 12 batches of 20 vectors, 8 cycles, one block of rows
        assert entry["converted"]["forward"] == 24 * 20 * 8 * matrix.layer.fan_out
    totals = [sum(e["clipped"]["forward"] * e["converted"]["forward"] for e in entries.values()),
              sum(e["converted"]["forward"] for e in entries.values())]  # fmt: skip
    assert totals[0] / totals[1] == pytest.approx(np.mean([line.clipped_forward for line in history]))
    assert totals[0] > 0
    assert taken(runner.model.matrices[0])[0] > 0  # what the last test converted has not been counted


def test_a_crossbar_half_selects():
    """One slot, all 480 cells of 40 x 12 pulsed once: 39 others in each column for each pulse, none in a row."""
    runner = trainer(epochs=1, chip={"array": {"cell": "crossbar"}})
    matrix = runner.model.matrices[0]
    matrix.tile.pulse(np.ones(matrix.tile.shape), "nearest")
    runner.ledger.add_update([m.tile.take_counts() for m in runner.model.matrices])
    rows, columns = matrix.tile.shape
    assert runner.entries()["fc1"]["half_selected"] == rows * columns * (rows - 1)
