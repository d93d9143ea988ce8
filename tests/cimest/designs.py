"""Designs that several tests share."""

import contextlib
import importlib.util
import sys

import pytest

from cimest.config import Experiment
from cimest.learning import Trainer
from cimest.run import run
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


def stopped_run(experiment, out):
    """Run an experiment until Ctrl-C in its second epoch."""
    train = Trainer.run

    def stopped(self, callback, checkpoints):
        def then_stop(step):
            callback(step)
            if step.epoch == 2:
                raise KeyboardInterrupt

        return train(self, then_stop, checkpoints)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "run", stopped)
        with contextlib.suppress(KeyboardInterrupt):
            run(experiment, out, quiet=True)


def vgg8(**sections):
    """The paper's network and data set, on chips with flash ADCs and one sub-matrix per kernel position."""
    chip = {"mapping": "kernel_position", "adc": {"kind": "flash"}, **sections.pop("chip", {})}
    return experiment("vgg8", "cifar10", chip=chip, training={"batch": 200}, **sections)
