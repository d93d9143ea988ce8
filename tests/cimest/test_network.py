"""Networks: shapes of the zoo against published sizes, and refusal of what does not fit together."""

import pytest

from cimest.network import NETWORKS, Conv, MaxPool, Network, Relu, linear
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
        Network("n", (linear("a", 4, 5), Relu("r", (6, 1, 1))))
    with pytest.raises(ValueError, match="differ"):
        Network("n", (linear("a", 4, 5), linear("a", 5, 2)))
    with pytest.raises(ValueError, match="no layer with weights"):
        Network("n", (Relu("r", (6, 1, 1)),))
    with pytest.raises(UnknownName, match="did you mean 'vgg8'"):
        NETWORKS.get("vgg9")
