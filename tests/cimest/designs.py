"""Designs that several tests share."""

import importlib.util
import sys

from cimest.config import Experiment
from hwlib.devices import load_device


def experiment(network="lenet5", dataset="mnist_subset", device="rram", chip=None, **sections):
    """An experiment with given sections, everything else default."""
    named = {"name": network} if isinstance(network, str) else network
    return Experiment(
        network=named, dataset={"name": dataset}, chip={"device": load_device(device), **(chip or {})}, **sections
    )


def script(path):
    """The module of a study, which lies in no package."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_study", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def vgg8(**sections):
    """The paper's network and data set, on chips with flash ADCs and one sub-matrix per kernel position."""
    chip = {"mapping": "kernel_position", "adc": {"kind": "flash"}, **sections.pop("chip", {})}
    return experiment("vgg8", "cifar10", chip=chip, training={"batch": 200}, **sections)
