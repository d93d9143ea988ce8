"""Networks of YAML and ONNX files: the same as the zoo's, and what is wrong is said with its place."""

from pathlib import Path

import pytest

from cimest.config import ConfigError, load
from cimest.network import NETWORKS, Activation, Add, Conv, MaxPool, Normalise, builder
from cimest.pricing import build_network, price_experiment

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

NET = """\
layers:
  - {kind: conv, name: stem, out_channels: 8, kernel: 3, padding: 1}
  - relu
  - {kind: conv, out_channels: 8, kernel: 3, padding: 1, groups: 8}
  - {kind: normalise, name: normal}
  - {kind: add, name: sum, from: [normal, relu2]}
  - {kind: max_pool, window: 2}
  - global_average
  - linear
"""


def test_a_yaml_network_by_hand(tmp_path):
    (tmp_path / "net.yaml").write_text(NET)
    net = builder(str(tmp_path / "net.yaml"))((3, 8, 8), 10)
    assert [layer.name for layer in net.layers] == [
        "stem", "relu2", "conv3", "normal", "sum", "max_pool6", "global_average7", "linear8",
    ]  # fmt: skip
    assert net.sources_of(net.layer("sum")) == ("normal", "relu2")
    assert net.weights == 27 * 8 + 9 * 8 + 8 * 10
    assert net.name == "net"


def test_the_example_by_hand():
    """27·16 weights, 16 blocks of 9, 16·16, 144·32 and 32·10."""
    net = builder(str(Path(__file__).parents[2] / "examples" / "networks" / "separable.yaml"))((3, 32, 32), 10)
    assert net.name == "separable"
    assert net.weights == 27 * 16 + 16 * 9 + 16 * 16 + 144 * 32 + 320


def test_an_experiment_names_a_file_beside_it(tmp_path):
    (tmp_path / "net.yaml").write_text(NET)
    file = tmp_path / "e.yaml"
    file.write_text("network: net.yaml\ndataset: cifar10\nchip: {device: rram}\n")
    priced = price_experiment(load(file))
    assert priced.network.weights == 27 * 8 + 9 * 8 + 8 * 10
    assert priced.estimate.time() > 0


@pytest.mark.parametrize(
    ("line", "place", "said"),
    [
        ("  - conf", "10:5", "no kind of layer is named 'conf' (did you mean 'conv'?"),
        (
            "  - {kind: conv, out_channels: 3, kernel: 3, pad: 1}",
            "10:46",
            "unknown key (did you mean layers.9.padding?",
        ),
        ("  - {kind: conv, out_channels: 0, kernel: 3}", "10:32", "0 is less than 1"),
        ("  - {kind: relu, from: normel}", "10:24", "no layer before it is named 'normel' (did you mean 'normal'?"),
        ("  - {kind: conv, out_channels: 3, kernel: 3}", "10:5", "does not fit into a map of 1x1"),
        ("  - {kind: relu, from: [normal, sum]}", "10:5", "takes one source"),
        ("  - {kind: linear, features: 7}", "10:5", "ends with (7, 1, 1), but the data set has 10 classes"),
        ("  - {kind: linear, name: stem}", "2:3", "layer names must differ"),
        ("  - {name: x}", "10:5", "kind is missing"),
    ],
)
def test_mistakes_in_a_yaml_network_have_their_place(tmp_path, line, place, said):
    (tmp_path / "net.yaml").write_text(NET + line + "\n")
    (tmp_path / "e.yaml").write_text("network: net.yaml\ndataset: cifar10\nchip: {device: rram}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "e.yaml")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'net.yaml'}:{place}: layers")
    assert said in message


def test_a_missing_file_is_said_where_it_is_named(tmp_path):
    (tmp_path / "nett.yaml").write_text(NET)
    (tmp_path / "e.yaml").write_text("dataset: cifar10\nnetwork: net.yaml\nchip: {device: rram}\n")
    with pytest.raises(ConfigError, match=r"e.yaml:2:10: network.name: .*nett.yaml"):
        load(tmp_path / "e.yaml")


def model(tmp_path, nodes, shapes, sample=(3, 8, 8), out="out"):
    """An ONNX file with nodes and constants of given sizes; the constants are zero."""
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, sizes, b"\0" * 4 * int(onnx.numpy_helper.np.prod(sizes)), raw=True)
        for name, sizes in shapes.items()
    ]
    inputs = [helper.make_tensor_value_info("in", TensorProto.FLOAT, ["batch", *sample])]
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)]
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, constants)), str(path))
    return path


def block():
    """Convolution with bias, batch normalisation and rectifier; then depthwise, residual sum, pooling, two layers."""
    node = helper.make_node
    return [
        node("Conv", ["in", "w1", "b1"], ["c1"], "stem", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c1", "b1", "b1", "b1", "b1"], ["n1"], "norm"),
        node("Relu", ["n1"], ["r1"], "relu"),
        node("Conv", ["r1", "w2"], ["c2"], "depthwise", group=6, kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
        node("Add", ["c2", "r1"], ["s"], "sum"),
        node("Tanh", ["s"], ["t"], "tanh"),
        node("MaxPool", ["t"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["p"], ["f"], "flatten"),
        node("Gemm", ["f", "w3", "b3"], ["g"], "fc1", transB=1),
        node("Sigmoid", ["g"], ["h"], "sigmoid"),
        node("MatMul", ["h", "w4"], ["m"], "fc2"),
        node("Add", ["m", "b4"], ["out"], "bias"),
    ]


SHAPES = {
    "w1": [6, 3, 3, 3], "b1": [6], "w2": [6, 1, 3, 3], "w3": [12, 24], "b3": [12], "w4": [12, 10], "b4": [10],
}  # fmt: skip


def test_an_onnx_network_by_hand(tmp_path):
    net = builder(str(model(tmp_path, block(), SHAPES)))((3, 8, 8), 10)
    kinds = [Conv, Normalise, Activation, Conv, Add, Activation, MaxPool, Conv, Activation, Conv]
    assert [type(layer) for layer in net.layers] == kinds
    stem, depthwise, fc1, fc2 = net.matrices
    assert stem.output == (6, 4, 4)
    assert (depthwise.groups, depthwise.padding, depthwise.weights) == (6, 1, 54)
    assert net.sources_of(net.layer("sum")) == ("depthwise", "relu")
    assert (fc1.fan_in, fc1.fan_out, fc2.fan_in, fc2.fan_out) == (24, 12, 12, 10)


def test_an_onnx_network_is_priced(tmp_path):
    model(tmp_path, block(), SHAPES)
    (tmp_path / "e.yaml").write_text(
        "network: net.onnx\nchip: {device: rram}\ndataset: {name: none, shape: [3, 8, 8], classes: 10, samples: 100}\n"
    )
    exp = load(tmp_path / "e.yaml")
    assert build_network(exp).weights == 27 * 6 + 54 + 24 * 12 + 120
    assert price_experiment(exp).estimate.time() > 0


def test_an_exported_zoo_network_is_the_same(tmp_path):
    """LeNet-5 as another tool would write it, with average pooling told apart and Reshape in place of Flatten."""
    node = helper.make_node
    nodes = [
        node("Conv", ["in", "w1"], ["1"], "conv1", kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        node("Relu", ["1"], ["2"]),
        node("MaxPool", ["2"], ["3"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["3", "w2"], ["4"], "conv2", kernel_shape=[5, 5]),
        node("Relu", ["4"], ["5"]),
        node("MaxPool", ["5"], ["6"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Constant", [], ["to"], value=helper.make_tensor("v", TensorProto.INT64, [2], [-1, 400])),
        node("Reshape", ["6", "to"], ["7"]),
        node("Gemm", ["7", "w3"], ["8"], "fc1"),
        node("Relu", ["8"], ["9"]),
        node("Gemm", ["9", "w4"], ["10"], "fc2"),
        node("Relu", ["10"], ["11"]),
        node("Gemm", ["11", "w5"], ["12"], "fc3"),
        node("Softmax", ["12"], ["out"]),
    ]
    shapes = {"w1": [6, 1, 5, 5], "w2": [16, 6, 5, 5], "w3": [400, 120], "w4": [120, 84], "w5": [84, 10]}
    net = builder(str(model(tmp_path, nodes, shapes, (1, 28, 28))))((1, 28, 28), 10)
    assert net.matrices == NETWORKS.get("lenet5")((1, 28, 28), 10).matrices
    assert [layer.output for layer in net.layers] == [
        layer.output for layer in NETWORKS.get("lenet5")((1, 28, 28), 10).layers
    ]


def changed(number, *given, **attributes):
    """The block with one node in another form."""
    nodes = block()
    old = nodes[number]
    kind, *inputs = given or (old.op_type, *old.input)
    nodes[number] = helper.make_node(kind, inputs, list(old.output), old.name, **attributes)
    return nodes


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (changed(2, "Relo", "n1"), "node 'relu' is Relo, did you mean 'Relu'? allowed: Add, AveragePool"),
        (changed(0, dilations=[2, 2], kernel_shape=[3, 3]), r"node 'stem' (Conv): dilation is not supported"),
        (changed(0, pads=[0, 0, 1, 1], kernel_shape=[3, 3]), "all sides must be padded alike"),
        (changed(0, strides=[2, 1], kernel_shape=[3, 3]), "windows must be square"),
        (changed(3, auto_pad="SAME_UPPER", strides=[2, 2], group=6), "only for odd windows with stride 1"),
        (changed(3, group=3), "its kernel takes 3 channels, but there are 6"),
        (changed(6, ceil_mode=1, kernel_shape=[2, 2]), "ceil_mode is not supported"),
        (changed(6, "AveragePool", "t", kernel_shape=[2, 2]), "windows must lie side by side"),
        (changed(6, "GlobalAveragePool", "t"), "node 'fc1' (Gemm): its matrix takes 24 values, but there are 6"),
        (changed(8, "MatMul", "f", "f"), "its second operand must be constant"),
        (changed(8, transA=1, transB=1), "a transposed input"),
        (changed(11, "Identity", "h"), "one output, that of its last layer, 'fc2'"),
    ],
)
def test_what_onnx_has_and_the_chip_has_not_is_refused_by_name(tmp_path, nodes, said):
    path = model(tmp_path, nodes, SHAPES)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (its text is looked at)
        builder(str(path))((3, 8, 8), 10)
    assert said in str(caught.value)


def test_onnx_of_another_shape_and_no_onnx(tmp_path):
    path = model(tmp_path, block(), SHAPES)
    with pytest.raises(ValueError, match=r"samples are 3x8x8, those of the data set \(3, 9, 9\)"):
        builder(str(path))((3, 9, 9), 10)
    with pytest.raises(ValueError, match="has 11 classes"):
        builder(str(path))((3, 8, 8), 11)
    path.write_text("no model")
    with pytest.raises(ValueError, match="no ONNX model"):
        builder(str(path))((3, 8, 8), 10)
