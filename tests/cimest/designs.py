"""Designs that several tests share."""

from cimest.config import Experiment
from hwlib.devices import load_device


def experiment(network="lenet5", dataset="mnist_subset", device="rram", chip=None, **sections):
    """An experiment with given sections, everything else default."""
    named = {"name": network} if isinstance(network, str) else network
    return Experiment(
        network=named, dataset={"name": dataset}, chip={"device": load_device(device), **(chip or {})}, **sections
    )


def vgg8(**sections):
    """The paper's network and data set, on chips with flash ADCs and one sub-matrix per kernel position."""
    chip = {"mapping": "kernel_position", "adc": {"kind": "flash"}, **sections.pop("chip", {})}
    return experiment("vgg8", "cifar10", chip=chip, training={"batch": 200}, **sections)
