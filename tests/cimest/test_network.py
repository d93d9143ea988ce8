"""Networks: shapes of the zoo against published sizes, graphs, and refusal of what does not fit together."""

import pytest

from cimest.network import (
    NETWORKS,
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
    arguments,
    linear,
    relu,
)
from cimest.network.stages import stages
from hwlib.registry import UnknownName


def test_vgg8_has_the_published_weights_and_operations():
    """12 973 440 weights and 615.9 M multiply-accumulates: Peng et al. 2021, VGG-8 on CIFAR-10."""
    net = NETWORKS.get("vgg8")((3, 32, 32), 10)
    assert net.weights == 12_973_440
    assert net.macs == 615_917_568
    assert [layer.weights for layer in net.matrices] == [
        3456, 147456, 294912, 589824, 1179648, 2359296, 8388608, 10240,
    ]  # fmt: skip


def test_lenet5_sizes():
    """150 + 2400 + 48000 + 10080 + 840 weights; 784·150 + 100·2400 + the rest operations, by hand."""
    net = NETWORKS.get("lenet5")((1, 28, 28), 10)
    assert net.weights == 150 + 2400 + 48000 + 10080 + 840
    assert net.macs == 784 * 150 + 100 * 2400 + 48000 + 10080 + 840
    assert net.output == (10, 1, 1)


@pytest.mark.parametrize(
    ("name", "parameters", "elsewhere", "gmacs"),
    [
        # Parameters of torchvision's models; biases and, in residual networks, scales and offsets lie elsewhere.
        # VGG-16: 13 convolutions with 4224 biases, 4096 + 4096 + 1000 in the classifier.
        ("vgg16", 138_357_544, 4224 + 9192, 15.47),
        # Convolutions have no bias, the classifier 1000; two values for each of 4800 and of 8512 normalised channels.
        ("resnet18", 11_689_512, 2 * 4800 + 1000, 1.814),
        ("resnet34", 21_797_672, 2 * 8512 + 1000, 3.664),
    ],
)
def test_imagenet_networks_have_the_published_sizes(name, parameters, elsewhere, gmacs):
    """Weights exactly; multiply-accumulates to the printed digits (Simonyan 2015; He et al. 2016 round to 1.8, 3.6)."""
    net = NETWORKS.get(name)((3, 224, 224), 1000)
    assert net.weights == parameters - elsewhere
    assert net.macs / 1e9 == pytest.approx(gmacs, abs=0.5 * 10 ** -len(str(gmacs).split(".")[1]))
    assert sum(layer.parameters for layer in net.layers) in (0, elsewhere - 1000)


def test_resnet18_on_small_images_by_hand():
    """CIFAR stem 3·9·64; stages of 64, 128, 256, 512 channels; three 1x1 shortcuts; 555.4 M multiply-accumulates."""
    net = NETWORKS.get("resnet18")((3, 32, 32), 10)
    blocks = 4 * 64 * 64 * 9
    for wide in (128, 256, 512):
        blocks += wide // 2 * wide * 9 + 3 * wide * wide * 9 + wide // 2 * wide
    assert net.weights == 3 * 9 * 64 + blocks + 512 * 10
    # Each stage has a quarter of the places of the one before: 1024, 256, 64, 16.
    stage = 3 * 9 * 64 * 1024 + 4 * 64 * 64 * 9 * 1024
    for wide, places in ((128, 256), (256, 64), (512, 16)):
        stage += (wide // 2 * wide * 9 + 3 * wide * wide * 9 + wide // 2 * wide) * places
    assert net.macs == stage + 5120


def test_lstm_by_hand():
    """65 characters in vectors of 64, 128 cells with 4 gates of 64 + 128 inputs, 65 characters out, at 50 steps."""
    net = NETWORKS.get("lstm")((1, 50, 1), 65, 65, embedding=64, hidden=128)
    assert net.weights == 4 * 128 * (64 + 128) + 128 * 65
    assert net.macs == 50 * net.weights
    assert net.output == (65, 50, 1)
    assert net.layers[0].parameters == 65 * 64
    assert net.matrices[0].recurrent
    assert not net.matrices[1].recurrent


def test_an_image_is_a_sequence_of_lines():
    net = NETWORKS.get("lstm")((1, 28, 28), 10, predict="sequence")
    assert net.layers[0].input == (28, 28, 1)
    assert net.output == (10, 1, 1)


def test_transformer_by_hand():
    """Each block: 3 d² + d² of attention, 2 d f of neurons; 2 T² d products of activations; then the classes."""
    steps, width, wide = 20, 32, 48
    net = NETWORKS.get("transformer")((1, steps, 1), 3, 100, width=width, depth=2, heads=4, feed_forward=wide)
    assert net.weights == 2 * (4 * width**2 + 2 * width * wide) + width * 3
    in_blocks = 2 * (steps * (4 * width**2 + 2 * width * wide) + 2 * steps**2 * width)
    assert net.macs == in_blocks + width * 3
    # Tables for words and places, scale and offset of four normalisations.
    assert sum(layer.parameters for layer in net.layers) == 100 * width + steps * width + 4 * 2 * width
    with pytest.raises(ValueError, match="heads must divide width"):
        NETWORKS.get("transformer")((1, 8, 1), 3, 100, width=10, heads=4)


def test_groups_divide_the_matrix():
    """Depthwise: each of 8 channels has a 9 x 1 block; two groups of a 4-to-6 layer have 2·9 x 3."""
    depthwise = Conv("c", (8, 5, 5), 8, kernel=3, padding=1, groups=8)
    assert (depthwise.fan_in, depthwise.fan_out, depthwise.weights) == (9, 8, 72)
    assert depthwise.macs == 25 * 72
    grouped = Conv("c", (4, 5, 5), 6, kernel=3, groups=2)
    assert (grouped.fan_in, grouped.fan_out, grouped.weights) == (18, 6, 108)


def test_mlp_takes_its_widths():
    net = NETWORKS.get("mlp")((1, 28, 28), 10, hidden=[256, 128])
    assert net.weights == 784 * 256 + 256 * 128 + 128 * 10


def test_reduced_width():
    net = NETWORKS.get("vgg8")((3, 32, 32), 10, width=1 / 8)
    assert [layer.out_channels for layer in net.matrices] == [16, 16, 32, 32, 64, 64, 128, 10]


@pytest.mark.parametrize(
    ("layer", "output"),
    [
        (Conv("c", (3, 32, 32), 8, kernel=3, padding=1), (8, 32, 32)),
        (Conv("c", (3, 32, 32), 8, kernel=3, stride=2, padding=1), (8, 16, 16)),
        (Conv("c", (3, 5, 7), 8, kernel=5), (8, 1, 3)),
        (MaxPool("p", (8, 7, 7), 2), (8, 3, 3)),
        (MaxPool("p", (8, 112, 112), 3, stride=2, padding=1), (8, 56, 56)),
        (AveragePool("p", (8, 7, 7), 3), (8, 2, 2)),
        (GlobalAverage("p", (8, 7, 4)), (8, 1, 1)),
        (Lstm("l", (8, 7, 1), 5), (5, 7, 1)),
        (Embedding("e", (1, 7, 1), 100, 5), (5, 7, 1)),
        (Attention("a", (24, 7, 1), 2), (8, 7, 1)),
        (linear("f", 12, 5), (5, 1, 1)),
    ],
)
def test_output_shapes_by_hand(layer, output):
    assert layer.output == output


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        Conv("c", (1, 3, 3), 4, kernel=5)
    with pytest.raises(ValueError, match="does not fit"):
        MaxPool("p", (1, 1, 1), 2)
    with pytest.raises(ValueError, match="expects"):
        Network("n", (linear("a", 4, 5), relu("r", (6, 1, 1))))
    with pytest.raises(ValueError, match="differ"):
        Network("n", (linear("a", 4, 5), linear("a", 5, 2)))
    with pytest.raises(ValueError, match="no layer with weights"):
        Network("n", (relu("r", (6, 1, 1)),))
    with pytest.raises(UnknownName, match="did you mean 'vgg8'"):
        NETWORKS.get("vgg9")


RESIDUAL = Network(
    "residual",
    (
        Conv("stem", (2, 4, 4), 3, kernel=1),
        relu("relu0", (3, 4, 4)),
        Conv("a", (3, 4, 4), 3, kernel=1),
        Normalise("norm", (3, 4, 4)),
        relu("relu1", (3, 4, 4)),
        Conv("b", (3, 4, 4), 3, kernel=1),
        Add("add", (3, 4, 4)),
        relu("relu2", (3, 4, 4)),
        linear("fc", 48, 5),
    ),
    {"add": ("b", "relu0")},
)


def test_a_graph_knows_sources_and_consumers():
    layers = {layer.name: layer for layer in RESIDUAL.layers}
    assert RESIDUAL.sources_of(layers["add"]) == ("b", "relu0")
    assert RESIDUAL.sources_of(layers["stem"]) == ("input",)
    assert RESIDUAL.sources_of(layers["fc"]) == ("relu2",)
    assert RESIDUAL.consumers_of("relu0") == (layers["a"], layers["add"])
    assert RESIDUAL.consumers_of("fc") == ()
    assert not RESIDUAL.passes_error_on(layers["stem"])
    assert RESIDUAL.passes_error_on(layers["a"])


def test_stages_of_a_residual_block_by_hand():
    stem, a, b, fc = stages(RESIDUAL)
    assert [stage.stored_values for stage in (stem, a, b, fc)] == [48, 48, 48, 5]
    assert [stage.operand_values for stage in (stem, a, b, fc)] == [0, 0, 48, 0]
    # Two layers read the stem's output, so two errors come back, whose sum is needed; normalisation needs arithmetic.
    assert [stage.returned_values for stage in (stem, a, b, fc)] == [96, 48, 48, 5]
    assert [stage.compact for stage in (stem, a, b, fc)] == [False, False, True, True]
    assert [stage.remembered_values for stage in (stem, a, b, fc)] == [0, 48, 0, 0]


def test_signs_follow_from_what_comes_before():
    layers = {layer.name: layer for layer in RESIDUAL.layers}
    assert not RESIDUAL.takes_signed(layers["a"])
    assert RESIDUAL.takes_signed(layers["relu2"])
    embedded = NETWORKS.get("transformer")((1, 8, 1), 3, 100)
    assert all(embedded.takes_signed(layer) for layer in embedded.matrices if not layer.name.endswith("ff2"))


def test_a_graph_that_does_not_fit_is_refused():
    conv, act = Conv("conv", (2, 4, 4), 2, kernel=1), relu("act", (2, 4, 4))
    with pytest.raises(ValueError, match="'later' of act is no layer before it"):
        Network("n", (conv, act), {"act": ("later",)})
    with pytest.raises(ValueError, match="nothing takes the output of conv"):
        Network("n", (conv, act), {"act": ("input",)})
    with pytest.raises(ValueError, match="add adds, but has one source"):
        Network("n", (conv, Add("add", (2, 4, 4))))
    with pytest.raises(ValueError, match="act takes one source"):
        Network("n", (conv, act), {"act": ("conv", "input")})
    with pytest.raises(ValueError, match="which are not among its layers"):
        Network("n", (conv, act), {"akt": ("conv",)})
    with pytest.raises(ValueError, match="3 groups do not divide"):
        Conv("c", (4, 5, 5), 6, kernel=3, groups=3)
    with pytest.raises(ValueError, match=r"tokens has the shape \(1, steps, 1\)"):
        Embedding("e", (2, 5, 1), 10, 4)
    with pytest.raises(ValueError, match="not query, key and value for 4 heads"):
        Attention("a", (30, 5, 1), 4)


def test_tokens_are_for_networks_that_read_them():
    class Text:
        shape, classes, vocabulary = (1, 5, 1), 7, 7

    assert arguments(NETWORKS.get("lstm"), Text()) == ((1, 5, 1), 7, 7)
    with pytest.raises(ValueError, match="reads images"):
        arguments(NETWORKS.get("mlp"), Text())


@pytest.mark.parametrize("name", NETWORKS.names())
def test_only_networks_without_branches_steps_and_normalisation_are_chains(name):
    shape, classes = ((1, 8, 1), 20) if name in ("lstm", "transformer") else ((3, 32, 32), 10)
    assert NETWORKS.get(name)(shape, classes).chain == (name in ("mlp", "lenet5", "vgg8", "vgg16"))
