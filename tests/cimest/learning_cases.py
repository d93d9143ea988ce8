"""A small learning problem that several tests share."""

import numpy as np

from cimest.config import Experiment
from cimest.datasets import Data
from cimest.learning import Trainer
from cimest.network import NETWORKS
from hwlib.devices import load_device


def bars(train=240, test=80, size=8, seed=0):
    """Images of one bright row or column in noise; four classes: upper or lower row, left or right column."""
    rng = np.random.default_rng(seed)

    def part(count):
        labels = rng.integers(0, 4, count)
        images = rng.integers(0, 60, (count, 1, size, size))
        for image, label in zip(images, labels, strict=True):
            place = rng.integers(0, size // 2) + (label % 2) * size // 2
            line = (0, place) if label < 2 else (0, slice(None), place)
            image[line] += 180
        return images.astype(np.uint8), labels

    return Data(*part(train), *part(test))


def experiment(device=None, epochs=6, batch=20, rate=0.03, network=None, chip=None, seed=0, **training):
    """An experiment on `bars`; its data set is named, but never loaded."""
    return Experiment(
        network=network or {"name": "mlp", "hidden": [24]},
        dataset={"name": "mnist_subset"},
        chip={"device": load_device("rram", device), **(chip or {})},
        training={"epochs": epochs, "batch": batch, "learning_rate": {"start": rate}, **training},
        seed=seed,
    )


def trainer(data=None, stacked=True, **changes):
    """A trainer of that experiment."""
    chosen = experiment(**changes)
    network = NETWORKS.get(chosen.network.name)((1, 8, 8), 4, **chosen.network.options)
    return Trainer(chosen, network, data or bars(), stacked)
