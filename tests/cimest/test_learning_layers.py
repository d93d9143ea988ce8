"""Layers of the simulator: by hand, by finite differences, by plain arithmetic in double precision, and by learning."""

import numpy as np
import pytest

from cimest.config import Experiment
from cimest.config.chip import Chip
from cimest.datasets import Data
from cimest.learning import Trainer
from cimest.learning.attention import AttentionPart
from cimest.learning.codes import Codes, Encoder, Errors, aligned, power_of_two, quantise
from cimest.learning.embedding import EmbeddingPart, PlaceEmbeddingPart
from cimest.learning.layers import ActivationPart, AddPart, AveragePoolPart, MaxPoolPart
from cimest.learning.losses import centre, cross_entropy
from cimest.learning.matrix import Matrix
from cimest.learning.model import encoded
from cimest.learning.normalisation import NormalisePart
from cimest.learning.recurrent import FORGET, LstmPart
from cimest.learning.tile import AnalogTile
from cimest.network import (
    NETWORKS,
    Activation,
    Add,
    Attention,
    AveragePool,
    Conv,
    Embedding,
    GlobalAverage,
    Lstm,
    MaxPool,
    Network,
    Normalise,
    PlaceEmbedding,
    linear,
    relu,
)
from hwlib.devices import load_device

IDEAL = {"adc": {"kind": "ideal"}, "backward_adc": {"kind": "ideal"}, "weight_gradient": {"unit": "digital"}}
"""Exact products of the codes."""


def tile(layer, centred=True, **chip):
    whole = Chip(device=load_device("ideal"), **{**IDEAL, **chip})
    return AnalogTile(layer, whole, 3, 0, 0.5, True, 32, centred=centred)


@pytest.fixture
def exact_errors(monkeypatch):
    """Errors as they are, not as eight-bit codes."""
    monkeypatch.setattr("cimest.learning.matrix.quantise", lambda error, bits, of_labels: Errors(error, 1.0))
    monkeypatch.setattr("cimest.learning.recurrent.quantise", lambda error, bits: Errors(error, 1.0))
    monkeypatch.setattr(
        "cimest.learning.recurrent.aligned", lambda parts: Errors(np.concatenate([part.codes for part in parts]), 1.0)
    )


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


# Codes


def test_codes_without_a_sign_by_hand():
    # full scale 4 in 256 steps of 1/64: 0.4 steps and less are 0, what is beyond 255 steps is clipped and closed, and
    # so is what a rectifier cuts off
    encoder = Encoder(8, signed=False)
    z = np.array([0.0, 0.4, 1.6, 254.7, 300.0], dtype=np.float32) / 64
    codes, step = encoder.forward(z, training=True, measuring=False)
    assert (codes.tolist(), codes.dtype, step) == ([0, 0, 2, 255, 255], np.uint8, 1 / 64)
    assert encoder.backward(np.ones(5, dtype=np.float32)).tolist() == [0, 1, 1, 1, 0]


def test_codes_with_a_sign_by_hand():
    # four bits, full scale 1: steps of 1/8 from -7 to 7
    encoder = Encoder(4, signed=True, full=1.0)
    z = np.array([-2.0, -0.5, 0.06, 0.8, 0.99], dtype=np.float32)
    codes, step = encoder.forward(z, training=True, measuring=False)
    assert (codes.tolist(), codes.dtype, step) == ([-7, -4, 0, 6, 7], np.int8, 1 / 8)
    assert encoder.backward(np.ones(5, dtype=np.float32)).tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("signed", [False, True])
def test_full_scale_follows_the_size_by_powers_of_two(signed):
    # A normal variable, or its positive half: full scale is near four of its standard deviations, and a size that
    # is less than a factor of two away changes nothing
    encoder = Encoder(8, signed)
    z = normal(20000) if signed else np.maximum(normal(20000), 0)
    before = encoder.step
    encoder.forward(np.float32(1.9) * z, training=True, measuring=True)
    assert encoder.step == before
    encoder.forward(np.float32(5) * z, training=True, measuring=False)
    assert encoder.step == before
    encoder.forward(np.float32(5) * z, training=True, measuring=True)
    assert encoder.step == 4 * before  # the power of two nearest to 5
    fixed = Encoder(8, signed, adapts=False)
    fixed.forward(np.float32(5) * z, training=True, measuring=True)
    assert fixed.step == before


def test_errors_are_codes_of_a_power_of_two():
    error = normal(4000, 5)
    codes, scale = quantise(error, 8)
    assert scale == power_of_two(8 * np.sqrt(np.square(error).mean())) / 128
    assert np.abs(codes * scale - error).max() <= scale / 2 * (1 + 1e-6)  # nothing of a normal variable is clipped
    assert quantise(np.zeros((2, 2)), 8).scale == 1


def test_errors_at_labels_are_not_cut():
    """Of 96 classes, errors of -0.9 at every other label and -0.1 at the rest: 8 root mean squares are 0.53."""
    error = np.zeros((50, 96), dtype=np.float32)
    error[np.arange(50), np.arange(50)] = -0.1
    error[np.arange(0, 50, 2), np.arange(0, 50, 2)] = -0.9
    assert quantise(error, 8).scale * 127 < 0.5
    codes, scale = quantise(error, 8, of_labels=True)
    assert np.abs(codes * scale - error).max() <= scale / 2 * (1 + 1e-6)
    few = normal(4000, 10)
    assert quantise(few, 8, of_labels=True).scale == quantise(few, 8).scale  # of ten classes 8 rms are more


def test_errors_of_several_reads_are_shifted_to_the_largest_scale():
    # 5 · 1/4 = 1.25 and 6 · 1/4 = 1.5, to even: 1 and 2
    joined = aligned([Errors(np.array([[5, 6]], dtype=np.int8), 0.25), Errors(np.array([[-7, 1]], dtype=np.int8), 1.0)])
    assert joined.scale == 1
    assert joined.codes.tolist() == [[1, 2], [-7, 1]]


# Digital layers


def test_max_pool_by_hand_drops_the_border_and_sends_errors_to_the_winner():
    part = MaxPoolPart(MaxPool("pool", (1, 3, 5), 2))
    maps = np.array([[1, 5, 2, 2, 9], [4, 3, 2, 0, 9], [9, 9, 9, 9, 9]], dtype=np.uint8).reshape(1, 3, 5, 1)
    largest = part.forward(Codes(maps, 0.5), training=True)
    assert (largest.codes.ravel().tolist(), largest.step) == ([5, 2], 0.5)
    (back,) = part.backward(np.array([10, 20], dtype=np.float32).reshape(1, 1, 2, 1))
    assert back.reshape(3, 5).tolist() == [[0, 10, 20, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]  # first of equals


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8])
def test_padding_never_wins_in_overlapping_windows(dtype):
    rng = np.random.default_rng(0)
    maps = rng.integers(-100 if dtype != np.uint8 else 0, 100, (2, 7, 7, 3)).astype(dtype)
    part = MaxPoolPart(MaxPool("pool", (3, 7, 7), 3, stride=2, padding=1))
    got = part.forward(maps if dtype == np.float32 else Codes(maps, 1.0), training=False)
    got = got if dtype == np.float32 else got.codes
    assert got.shape == (2, 4, 4, 3)
    for y, x in np.ndindex(4, 4):
        window = maps[:, max(0, 2 * y - 1) : 2 * y + 2, max(0, 2 * x - 1) : 2 * x + 2]
        assert np.array_equal(got[:, y, x], window.max(axis=(1, 2)))


def test_averages_by_hand():
    maps = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    half, whole = AveragePoolPart(AveragePool("half", (1, 3, 4), 2)), AveragePoolPart(GlobalAverage("all", (1, 3, 4)))
    assert half.forward(maps, training=True).ravel().tolist() == [2.5, 4.5]  # (0 + 1 + 4 + 5) / 4, (2 + 3 + 6 + 7) / 4
    assert whole.forward(maps, training=True).ravel().tolist() == [5.5]
    (back,) = half.backward(np.array([4, 8], dtype=np.float32).reshape(1, 1, 2, 1))
    assert back[0, :, :, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 0, 0]]


MAPS = (4, 6, 5)
DIGITAL = {
    "relu": lambda: (ActivationPart(Activation("a", MAPS, "relu")), 1),
    "tanh": lambda: (ActivationPart(Activation("a", MAPS, "tanh")), 1),
    "sigmoid": lambda: (ActivationPart(Activation("a", MAPS, "sigmoid")), 1),
    "max_pool": lambda: (MaxPoolPart(MaxPool("p", MAPS, 3, stride=2, padding=1)), 1),
    "average_pool": lambda: (AveragePoolPart(AveragePool("p", MAPS, 2)), 1),
    "global_average": lambda: (AveragePoolPart(GlobalAverage("p", MAPS)), 1),
    "add": lambda: (AddPart(), 3),
    "batch_normalisation": lambda: (NormalisePart(Normalise("n", MAPS, "batch")), 1),
    "layer_normalisation": lambda: (NormalisePart(Normalise("n", MAPS, "layer")), 1),
    "places": lambda: (PlaceEmbeddingPart(PlaceEmbedding("e", (4, 6, 1)), 0, 0), 1),
    "attention": lambda: (AttentionPart(Attention("t", (12, 6, 1), heads=2)), 1),
    "causal_attention": lambda: (AttentionPart(Attention("t", (12, 6, 1), heads=2, causal=True)), 1),
}
INPUTS = {"places": (6, 1, 4), "attention": (6, 1, 12), "causal_attention": (6, 1, 12)}


@pytest.mark.parametrize("name", DIGITAL)
def test_errors_of_a_digital_layer_are_finite_differences(name):
    """Single precision leaves some 1e-7 of a loss of about 10 in 0.02, hence 1e-3 of errors of about one."""
    part, sources = DIGITAL[name]()
    given = [normal(3, *INPUTS.get(name, (6, 5, 4)), seed=seed) for seed in range(sources)]
    for learned in ("gain", "offset", "vectors"):
        if hasattr(part, learned):
            getattr(part, learned)[...] += 0.5 * normal(*getattr(part, learned).shape, seed=9)
    wanted = normal(*part.forward(*given, training=True).shape, seed=5)

    def loss(changed):
        return float((part.forward(*changed, training=True).astype(np.float64) * wanted).sum())

    part.forward(*given, training=True)
    found = part.backward(wanted)
    rng, step = np.random.default_rng(1), 1e-2 if name != "max_pool" and name != "relu" else 1e-3
    for source, place in ((s, tuple(rng.integers(0, given[s].shape))) for s in range(sources) for _ in range(12)):
        up, down = ([entry.copy() for entry in given] for _ in range(2))
        up[source][place] += step
        down[source][place] -= step
        slope = (loss(up) - loss(down)) / (2 * step)
        assert found[source][place] == pytest.approx(slope, rel=1e-2, abs=2e-3 * 1e-2 / step), (source, place)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_scale_and_offset_of_a_normalisation_go_downhill(kind):
    part, z, wanted = NormalisePart(Normalise("n", (4, 6, 5), kind)), normal(3, 6, 5, 4), normal(3, 6, 5, 4, seed=1)
    part.gain, part.offset = 1 + 0.3 * normal(4, seed=2), 0.3 * normal(4, seed=3)

    def loss():
        return float((part.forward(z, training=True).astype(np.float64) * wanted).sum())

    loss()
    part.backward(wanted)
    for name in ("gain", "offset"):
        for channel in range(4):
            values = getattr(part, name)
            values[channel] += np.float32(0.01)
            up = loss()
            values[channel] -= np.float32(0.02)
            slope = (up - loss()) / 0.02
            values[channel] += np.float32(0.01)
            assert getattr(part, f"{name}_error")[channel] == pytest.approx(slope, rel=1e-3, abs=1e-3)
    before = loss()
    part.learn(0.001)
    assert loss() < before


def test_batch_normalisation_tests_with_running_statistics():
    part = NormalisePart(Normalise("n", (2, 4, 4), "batch"))
    first, second = 3 + 2 * normal(50, 4, 4, 2), normal(50, 4, 4, 2, seed=1)
    trained = part.forward(first, training=True)
    assert trained.mean() == pytest.approx(0, abs=1e-4)
    assert trained.std() == pytest.approx(1, abs=1e-3)
    # The first batch's statistics are taken whole, so testing on it gives the same
    np.testing.assert_allclose(part.forward(first, training=False), trained, atol=1e-4)
    part.forward(second, training=True)
    mean = 0.9 * first.mean(axis=(0, 1, 2)) + 0.1 * second.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(part.mean, mean, rtol=1e-5)


def test_running_statistics_follow_a_change_of_scale():
    """Twice the input has twice the mean and four times the variance: a test gives the same."""
    part = NormalisePart(Normalise("n", (2, 4, 4), "batch"))
    values = 3 + 2 * normal(50, 4, 4, 2)
    part.forward(values, training=True)
    before = part.forward(values, training=False)
    part.rescale(2.0)
    np.testing.assert_allclose(part.forward(2 * values, training=False), before, atol=1e-4)


def test_only_tokens_in_the_batch_learn():
    part = EmbeddingPart(Embedding("e", (1, 3, 1), vocabulary=6, width=4), seed=0, number=0)
    assert 0.4 < np.abs(part.vectors).max() <= 0.5  # of 24 uniform numbers
    tokens = np.array([[0, 2, 2], [5, 2, 0]]).reshape(2, 1, 3, 1).transpose(0, 2, 3, 1)
    out = part.forward(tokens, training=True)
    assert np.array_equal(out[1, 0, 0], part.vectors[5])
    error, before = normal(2, 3, 1, 4), part.vectors.copy()
    assert part.backward(error) == ()
    np.testing.assert_allclose(part.gradient[1], (error[0, 1, 0] + error[0, 2, 0] + error[1, 1, 0]) / 3, rtol=1e-5)
    part.learn(0.1)
    assert np.array_equal(np.flatnonzero((part.vectors != before).any(axis=1)), [0, 2, 5])
    part.learn(1e3)
    assert np.abs(part.vectors).max() == 1


def test_a_causal_place_sees_nothing_behind_it():
    part, given = AttentionPart(Attention("t", (6, 5, 1), heads=1, causal=True)), normal(2, 5, 1, 6)
    before = part.forward(given, training=False)
    given[:, 3:] += 1
    after = part.forward(given, training=False)
    assert np.array_equal(before[:, :3], after[:, :3])
    assert not np.allclose(before[:, 3:], after[:, 3:])
    np.testing.assert_allclose(before[:, 0], given[:, 0, :, 4:], rtol=1e-6)  # the first place sees its own value


# Layers on arrays


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_convolution_of_groups_by_plain_arithmetic(groups):
    """Products of the codes are exact here, so forward and backward agree to single precision."""
    layer = Conv("c", (4, 5, 5), 8, kernel=3, stride=2, padding=1, groups=groups)
    part = Matrix(layer, tile(layer), 1.0, 8, passes=True)
    codes = np.random.default_rng(0).integers(-127, 128, (6, 5, 5, 4)).astype(np.int8)
    part.forward(Codes(codes, 1 / 32), training=True)
    weights = part.tile.weights.astype(float)
    padded = np.pad(codes / 32, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y, error = np.zeros((6, 3, 3, 8)), normal(6, 3, 3, 8, seed=1)
    (back,) = part.backward(error)
    delta = (part.delta.codes * part.delta.scale).reshape(6, 3, 3, 8)
    expected, gradient = np.zeros_like(padded), np.zeros(part.tile.shape)
    inputs, outputs = 4 // groups, 8 // groups
    for group, i, j in np.ndindex(groups, 3, 3):
        window = np.s_[:, i : i + 5 : 2, j : j + 5 : 2, group * inputs : (group + 1) * inputs]
        columns = slice(group * outputs, (group + 1) * outputs)
        rows = slice((3 * i + j) * inputs, (3 * i + j + 1) * inputs)
        y[..., columns] += padded[window] @ weights[rows, columns]
        expected[window] += delta[..., columns] @ weights[rows, columns].T
        seen = padded[window].reshape(-1, inputs)
        gradient[rows, columns] = (seen - seen.mean(axis=0)).T @ delta[..., columns].reshape(-1, outputs) * 32
    centred = (y - y.mean(axis=(0, 1, 2))) * part.centring.scale
    part.centring.batches = 0
    np.testing.assert_allclose(part.forward(Codes(codes, 1 / 32), training=True), centred, atol=1e-4)
    np.testing.assert_allclose(back, expected[:, 1:-1, 1:-1] * part.centring.scale, atol=1e-4)
    found = part.tile.weight_gradient(part.x, part.delta)
    np.testing.assert_allclose(found, gradient, atol=1e-4 * np.abs(gradient).max())


def test_outputs_are_shifted_to_the_size_of_one_and_the_last_shift_stays():
    layer = linear("fc", 40, 12)
    part = Matrix(layer, tile(layer), 1.0, 8, passes=False)
    codes = np.random.default_rng(0).integers(-127, 128, (200, 1, 1, 40)).astype(np.int8)
    for followers, expected in (([], 4), ([Encoder(8, signed=True)], 1)):  # the last layer has none
        part.centring.batches, part.centring.free, part.centring.followers = 0, True, followers
        first = part.forward(Codes(codes, 1 / 256), training=True)
        assert 0.7 < first.std() < 1.42  # the nearest power of two
        larger = part.forward(Codes(codes, 1 / 64), training=True)
        assert power_of_two(larger.std() / first.std()) == expected


@pytest.mark.parametrize("centred", [True, False])
def test_errors_count_from_the_mean_of_the_batches_before(centred):
    """The first batch's are taken as they are; then a tenth of each new mean goes into the running one."""
    layer = linear("fc", 5, 3)
    part = Matrix(layer, tile(layer), 1.0, 8, passes=False, errors_too=centred)
    part.forward(Codes(np.ones((400, 1, 1, 5), np.int8), 1.0), training=True)
    offset, mean = np.array([2.0, 0, -1]), np.zeros(3)
    for number in range(3):
        error = normal(400, 1, 1, 3, seed=number) + offset.astype(np.float32)
        part.backward(error.copy())
        expected = quantise(error.reshape(-1, 3) - mean.astype(np.float32), 8)
        assert part.delta.scale == expected.scale
        # a value in the middle between two codes may go to either
        assert np.abs(part.delta.codes.astype(int) - expected.codes).max() <= 1
        assert (part.delta.codes == expected.codes).mean() > 0.99
        if centred:
            latest = error.reshape(-1, 3).mean(axis=0)
            mean = latest if number == 0 else 0.9 * mean + 0.1 * latest


def test_outputs_that_are_not_centred_stay_as_they_are():
    layer = linear("fc", 40, 12)
    part = Matrix(layer, tile(layer, centred=False), 1.0, 8, passes=False)
    codes = np.random.default_rng(0).integers(0, 128, (200, 1, 1, 40)).astype(np.int8)
    for _ in range(2):
        found = part.forward(Codes(codes, 1 / 256), training=True).reshape(-1, 12)
    plain = codes.reshape(-1, 40) / 256 @ part.tile.weights.astype(float)
    np.testing.assert_allclose(found, plain * part.centring.scale, rtol=1e-4, atol=1e-5)
    part.backward(normal(200, 1, 1, 12))
    gradient = part.x.astype(float).T @ (part.delta.codes * part.delta.scale)
    found = part.tile.weight_gradient(part.x, part.delta)
    np.testing.assert_allclose(found, gradient, atol=1e-4 * np.abs(gradient).max())


def lstm_by_arithmetic(part, weights, x):
    """Hidden states (samples, steps, hidden) in double precision; no codes between the steps."""
    hidden, steps, samples = part.hidden, x.shape[1], len(x)
    h = c = np.zeros((samples, hidden))
    states = []
    for step in range(steps):
        z = (np.concatenate([x[:, step], h], axis=1) @ weights - part.centring.mean) * part.centring.scale
        i, f, g, o = np.split(z, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f + FORGET, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


@pytest.fixture
def lstm():
    """An LSTM layer after its first batch, and inputs for it."""
    layer = Lstm("l", (5, 7, 1), 6)
    part = LstmPart(layer, tile(layer), 1.0, 8, passes=True, input_bits=8)
    codes = np.random.default_rng(0).integers(-127, 128, (40, 7, 1, 5)).astype(np.int8)
    part.forward(Codes(codes, 1 / 32), training=True)  # finds mean and shift
    part.tile.measuring = False
    return part, codes


def test_lstm_forward_by_plain_arithmetic(lstm):
    """Codes of the hidden state are off by at most 1/256, five to seven steps in a row."""
    part, codes = lstm
    states, step = part.forward(Codes(codes, 1 / 32), training=False)
    exact = lstm_by_arithmetic(part, part.tile.weights.astype(float), codes[:, :, 0] / 128)
    assert step == 1 / 128
    assert np.abs(states[:, :, 0] / 128 - exact).max() < 0.02
    assert np.abs(exact).max() > 0.2


def lstm_gradients(part, codes):
    """Weight gradient and some errors at the inputs: of the layer, and by finite differences."""
    wanted, mean = normal(40, 7, 1, 6, seed=1), part.centring.mean
    part.forward(Codes(codes, 1 / 32), training=True)
    (back,) = part.backward(wanted)
    part.centring.mean = mean
    weights, x = part.tile.weights.astype(float), codes[:, :, 0] / 128  # in the unit of the hidden state

    def slope(of_weights, place):
        sums = []
        for sign in (1, -1):
            changed, inputs = weights.copy(), x.copy()
            (changed if of_weights else inputs)[place] += sign * 1e-5
            sums.append((lstm_by_arithmetic(part, changed, inputs) * wanted[:, :, 0]).sum())
        return (sums[0] - sums[1]) / 2e-5

    # The tile would centre the inputs, for the mean that is taken off its outputs; here that mean does not move
    gradient = part.x.astype(float).T @ (part.delta.codes * part.delta.scale) / 128 * part.centring.scale
    cells = list(np.ndindex(*weights.shape))[::5]
    rng = np.random.default_rng(2)
    places = [tuple(rng.integers(0, x.shape)) for _ in range(30)]
    errors = np.array([back[sample, step, 0, feature] for sample, step, feature in places])
    return [
        (np.array([gradient[cell] for cell in cells]), np.array([slope(True, cell) for cell in cells])),
        (errors * 4, np.array([slope(False, place) for place in places])),  # 4: an input of one in the layer's unit
    ]


def test_lstm_backward_by_finite_differences(lstm, exact_errors):
    """Codes of the hidden state leave some 1e-3 of the spread of all values."""
    for found, slopes in lstm_gradients(*lstm):
        assert np.abs(found - slopes).max() < 0.02 * slopes.std()


def test_lstm_with_eight_bit_errors_goes_in_nearly_the_same_direction(lstm):
    """Errors of gates are heavy-tailed, many are below half a code and few are clipped: about 0.98 and 0.9 are left."""
    for found, slopes in lstm_gradients(*lstm):
        assert np.corrcoef(found, slopes)[0, 1] > 0.96
        assert 0.8 < found.std() / slopes.std() < 1.05


def test_lstm_takes_codes_without_a_sign_at_half_their_resolution():
    layer = Lstm("l", (5, 7, 1), 6)
    unsigned, signed = (LstmPart(layer, tile(layer), 1.0, 8, passes=False, input_bits=8) for _ in range(2))
    codes = np.random.default_rng(0).integers(0, 256, (4, 7, 1, 5)).astype(np.uint8)
    one = unsigned.forward(Codes(codes, 1 / 256), training=True)
    two = signed.forward(Codes((codes // 2).astype(np.int8), 1 / 128), training=True)
    assert np.array_equal(one.codes, two.codes)
    assert unsigned.gain == signed.gain == 1


# Models


def experiment(seed=0, epochs=2, batch=20, rate=0.02, device="ideal", **chip):
    return Experiment(
        network={"name": "mlp"},
        dataset={"name": "mnist_subset"},
        chip={"device": load_device(device), **{**IDEAL, **chip}},
        training={"epochs": epochs, "batch": batch, "learning_rate": {"start": rate}},
        seed=seed,
    )


def recall(count=400, steps=6, seed=0):
    """Random tokens; the label of each step is the token of the step before, of the first one zero."""
    tokens = np.random.default_rng(seed).integers(0, 4, (count, steps))
    labels = np.concatenate([np.zeros((count, 1), dtype=int), tokens[:, :-1]], axis=1)
    samples = tokens.reshape(count, 1, steps, 1).astype(np.int32)
    return Data(samples[: count // 2], labels[: count // 2], samples[count // 2 :], labels[count // 2 :])


def most(count=400, steps=7, seed=0):
    """Random tokens of which 1 and 2 have a say: the label is whether there are more of the first."""
    tokens = np.random.default_rng(seed).integers(0, 3, (4 * count, steps))
    votes = (tokens == 1).sum(axis=1) - (tokens == 2).sum(axis=1)
    tokens, votes = tokens[votes != 0][:count], votes[votes != 0][:count]
    samples, labels = tokens.reshape(count, 1, steps, 1).astype(np.int32), (votes > 0).astype(np.int64)
    return Data(samples[: count // 2], labels[: count // 2], samples[count // 2 :], labels[count // 2 :])


def images(count=200, seed=0):
    """Noise with a bright upper or lower half."""
    rng = np.random.default_rng(seed)
    samples, labels = rng.integers(0, 150, (count, 2, 8, 8)), rng.integers(0, 2, count)
    for image, label in zip(samples, labels, strict=True):
        image[:, 4 * label : 4 * label + 4] += 60
    samples = samples.astype(np.uint8)
    return Data(samples[: count // 2], labels[: count // 2], samples[count // 2 :], labels[count // 2 :])


SMALL = {
    "lstm": lambda: (
        recall(),
        NETWORKS.get("lstm")((1, 6, 1), 4, vocabulary=4, embedding=8, hidden=16),
    ),
    "transformer": lambda: (
        most(),
        NETWORKS.get("transformer")((1, 7, 1), 2, vocabulary=3, width=8, depth=1, heads=2, feed_forward=16),
    ),
    "residual": lambda: (images(400), NETWORKS.get("resnet18")((2, 8, 8), 2, width=1 / 16)),
}


def small(name, **changes):
    data, network = SMALL[name]()
    return Trainer(experiment(**changes), network, data, True)


@pytest.mark.parametrize(
    ("name", "epochs", "least"), [("lstm", 12, 0.9), ("transformer", 10, 0.85), ("residual", 3, 0.9)]
)
def test_every_kind_of_network_learns(name, epochs, least):
    """Chance is 0.25, 0.5 and 0.5; the thresholds are some points below what several seeds reach."""
    history = small(name, epochs=epochs, device="rram", **{key: {} for key in IDEAL}).run()
    assert history[-1].test_accuracy > least
    assert history[-1].test_loss < 0.7 * -np.log(0.25 if name == "lstm" else 0.5)


@pytest.mark.parametrize("name", SMALL)
def test_a_stopped_training_goes_on_to_the_same_bits(name):
    chip = {key: {} for key in IDEAL}  # ordinary converters
    whole, first, second = (small(name, epochs=2, device="rram", **chip) for _ in range(3))
    whole.run()
    first.history.append(first._epoch(None))
    second.restore(first.state())
    second.run()
    for one, other in zip(whole.model.matrices, second.model.matrices, strict=True):
        assert np.array_equal(one.tile.weights, other.tile.weights)
    one, other = (runner.test(runner.data.test_images, runner.data.test_labels) for runner in (whole, second))
    assert one == other


def test_a_finished_run_taken_up_again_tests_the_same():
    """A test sets no range of a converter: what is restored gives the loss and accuracy that the run ended with."""
    coarse = {**{key: {} for key in IDEAL}, "adc": {"bits": 5}}
    whole, again = (small("lstm", epochs=1, device="rram", **coarse) for _ in range(2))
    whole.run()
    again.restore(whole.state())
    data = whole.data
    assert again.test(data.test_images, data.test_labels) == whole.test(data.test_images, data.test_labels)


def test_only_linear_layers_follow_the_size_of_their_outputs():
    """Hidden states of an LSTM are bounded, so the scale of its gates says nothing of the size of what leaves it."""
    model = small("lstm").model
    gates = next(part for part in model.matrices if isinstance(part, LstmPart))
    assert not gates.centring.adapts
    assert not gates.centring.followers


@pytest.mark.parametrize("last", ["relu", "tanh"])
def test_a_change_of_shift_changes_no_code(last):
    """All behind the first layer follows it, pools and their codes too: outputs are four times as large, or, where a
    hyperbolic tangent minds the size, as they were. Powers of two are exact in single precision.
    """
    layers = [
        Conv("c1", (2, 8, 8), 6, 3, padding=1), Activation("r1", (6, 8, 8)), MaxPool("p1", (6, 8, 8), 2),
        Conv("c2", (6, 4, 4), 5, 3, padding=1), Activation("r2", (5, 4, 4), last),
        Conv("c3", (5, 4, 4), 2, 4),
    ]  # fmt: skip
    data = images()
    model = Trainer(experiment(), Network("chain", layers), data, True).model
    model.matrices[-1].centring.offset = None  # what is added to the sizes of all classes
    for _ in range(3):
        model.outputs(data.train_images[:50], training=True)
    model.measure(False)
    before, first = model.outputs(data.test_images), model.matrices[0].centring
    codes = {name: encoder.step for name, encoder in model.encoders.items()}
    first.scale *= 4
    first._pass_on(4.0)
    after = model.outputs(data.test_images)
    if last == "relu":
        assert np.array_equal(after, 4 * before)
        assert {name: encoder.step for name, encoder in model.encoders.items()} == {n: 4 * s for n, s in codes.items()}
    else:
        assert np.array_equal(after, before)


def test_mean_errors_stay_where_a_larger_shift_passes_through_to_the_softmax():
    """All labels are the first of two classes: mean errors are near -1/2 and 1/2, however large the outputs are."""
    layers = [Conv("c1", (2, 8, 8), 6, 3), Activation("r1", (6, 6, 6)), linear("c2", 216, 2)]
    data = images()
    model = Trainer(experiment(), Network("chain", layers), data, True).model
    first, last = (part.centring for part in model.matrices)
    last.offset, labels = None, np.zeros(100, dtype=int)
    model.calibrate(data.train_images, labels)
    found = last.mean_error.copy()
    np.testing.assert_allclose(found, [-0.5, 0.5], atol=0.1)
    first.scale *= 4
    first._pass_on(4.0)
    model.measure(False)  # else the shift would be set back
    _, error = model.loss(model.outputs(data.train_images, training=True), labels)
    list(model._backward(error, len(labels)))
    delta = model.matrices[-1].delta
    # a quarter of the mean taken off would leave 0.375
    assert np.abs((delta.codes * delta.scale).mean(axis=0)).max() < 0.15


def test_errors_are_summed_where_the_graph_branches(exact_errors):
    """Two paths from `a` to the sum: weight gradients against plain arithmetic with the same codes, to rounding."""
    shapes = [linear("a", 30, 12), relu("a_relu", (12, 1, 1)), linear("b", 12, 12), Add("add", (12, 1, 1))]
    layers = (*shapes, relu("add_relu", (12, 1, 1)), linear("c", 12, 4))
    network = Network("branch", layers, {"add": ("b", "a_relu")})
    rng = np.random.default_rng(0)
    samples, labels = rng.integers(0, 256, (400, 30, 1, 1)).astype(np.uint8), np.arange(400) % 4
    runner = Trainer(experiment(batch=400), network, Data(samples, labels, samples, labels), True)
    model, gradients = runner.model, {}
    assert encoded(network) == ["a_relu", "add_relu"]
    for part in model.matrices:
        part.tile.pulse = lambda amount, rounding: None
        part.tile.weight_gradient = lambda x, delta, part=part: gradients.setdefault(
            part.layer.name, (x - x.mean(axis=0)).T @ (delta.codes * delta.scale)
        )
    model.train(samples, labels, runner.rule, runner.states, 0.1)
    (wa, sa), (wb, sb), (wc, sc) = ((part.tile.weights.astype(float), part.centring.scale) for part in model.matrices)

    def centred(y):
        return y - y.mean(axis=0)

    x = samples.reshape(400, 30) / 256
    za = centred(x @ wa) * sa
    a = np.clip(np.rint(64 * za), 0, 255) / 64
    total = centred(a @ wb) * sb + a
    after = np.clip(np.rint(64 * total), 0, 255) / 64
    _, error = cross_entropy(centred(after @ wc) * sc, labels)
    of_total = error @ wc.T * sc * (total > 0) * (total < 255 / 64)
    of_a = (of_total + of_total @ wb.T * sb) * (za > 0) * (za < 255 / 64)
    for name, inputs, errors in (("c", after, error), ("b", a, of_total), ("a", x, of_a)):
        expected = centred(inputs).T @ errors
        unit = 256 if name == "a" else 64  # of the codes that the inputs of the gradient are in
        assert np.abs(gradients[name] - expected * unit).max() < 1e-3 * unit * np.abs(expected).max(), name


def test_centres_of_a_softmax_are_its_classes_frequencies():
    # 5, 1 and 0 labels, each and one more, of 9: logarithms of 6/9, 2/9 and 1/9, counted from that of 1/3
    assert centre(np.array([0, 0, 0, 0, 0, 1]), 3) == pytest.approx(np.log([2, 2 / 3, 1 / 3]), rel=1e-6)
    assert centre(np.array([0, 1, 2]), 3) is None


def test_labels_that_do_not_fit_the_outputs_are_refused():
    data = recall()
    once = NETWORKS.get("lstm")((1, 6, 1), 4, vocabulary=4, hidden=4, predict="sequence")
    with pytest.raises(ValueError, match="outputs at 1 places, but the data set has 6 labels"):
        Trainer(experiment(), once, data, True)


def test_arrays_cannot_take_tokens():
    layers = (linear("one", 1, 4, 5), Embedding("e", (1, 5, 1), 4, 4), Add("sum", (4, 5, 1)))
    network = Network("mixed", layers, {"e": ("input",), "sum": ("one", "e")})
    with pytest.raises(ValueError, match="one would take tokens as numbers"):
        Trainer(experiment(), network, recall(steps=5), True)
