"""A training step of VGG-8 beside the matrix products that it consists of: images per second, memory, two threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from cimest.benchmark import Row, at_least
from cimest.config import Experiment
from cimest.datasets import Data
from cimest.kernels import compiled
from cimest.kernels.threads import single_blas
from cimest.learning import Trainer
from cimest.network import NETWORKS, Network
from hwlib.devices import load_device

BATCH = 50
REPEATS = 4

RIVAL = 93
"""How much slower a layer is in NeuroSim's wrapper with its ADCs than without, in the best case (recorded)."""

IDEAL = {"adc": {"kind": "ideal"}, "weight_gradient": {"unit": "digital"}}
"""A chip without converters."""


def network() -> Network:
    """VGG-8 for 32 x 32 colour images."""
    return NETWORKS.get("vgg8")((3, 32, 32), 10)


def trainer(chip: dict[str, Any], batch: int) -> Trainer:
    """One epoch of one batch of noise."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (batch, 3, 32, 32)).astype(np.uint8), rng.integers(0, 10, batch)
    experiment = Experiment(
        network={"name": "vgg8"},
        dataset={"name": "cifar10"},
        chip={"device": load_device("rram"), **chip},
        training={"epochs": 1, "batch": batch, "rule": {"name": "sgd"}},
    )
    return Trainer(experiment, network(), Data(images, labels, images[:1], labels[:1]), True)


def ready(chip: dict[str, Any], batch: int) -> Trainer:
    """A trainer that has its ranges and its memory: what it does from now on is a training step like any other."""
    work = trainer(chip, batch)
    step(work)
    work.model.measure(False)
    step(work)
    return work


def step(work: Trainer) -> tuple[float, float]:
    """CPU time and time of a training step. [s]"""
    cpu, wall = time.process_time(), time.perf_counter()
    work.model.train(work.data.train_images, work.data.train_labels, work.rule, work.states, 0.01)
    return time.process_time() - cpu, time.perf_counter() - wall


def product_times(images: int) -> list[float]:
    """CPU time of the matrix products of a training step by sgemm alone, layer by layer. [s]"""
    rng, times = np.random.default_rng(0), []
    for number, layer in enumerate(network().matrices):
        x = rng.random((images * layer.positions, layer.fan_in), dtype=np.float32)
        weights = rng.random((layer.fan_in, layer.fan_out), dtype=np.float32)
        y, turned = x @ weights, np.ascontiguousarray(weights.T)
        gradient = np.empty_like(weights)
        start = time.process_time()
        np.matmul(x, weights, out=y)
        np.matmul(x.T, y, out=gradient)
        if number:
            np.matmul(y, turned, out=x)
        times.append(time.process_time() - start)
    return times


def peak_memory() -> float:
    """Largest memory of this process so far. [GB]"""
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0) / 1e9


def training() -> Iterator[Row]:
    """Rows of the training step; the first ones on one thread."""
    single_blas()
    before = compiled.set_threads(1)
    try:
        exact = ready(IDEAL, BATCH)
        turns = [(step(exact)[0], product_times(BATCH)) for _ in range(REPEATS)]
        taken = min(cpu for cpu, _ in turns)
        products = float(np.min([layers for _, layers in turns], axis=0).sum())  # the least of each layer
        name, beside = "VGG-8 step without ADC, batch 50 [images/s]", "its products by sgemm"
        yield at_least(name, BATCH / taken, BATCH / products, beside, 0.8)
        one = ready({}, BATCH)
        turns_alone = [step(one) for _ in range(2)]
        taken = min(cpu for cpu, _ in turns_alone)
        yield at_least("VGG-8 step with ADC, batch 50 [images/s]", BATCH / taken, BATCH / products, beside, 1 / RIVAL)
        memory = peak_memory()
        known = "NeuroSim's wrapper, batch 200, recorded"
        yield Row("peak memory of both [GB]", memory, 7.7, known, "figure < 2", memory < 2)
        compiled.set_threads(2)
        two = ready({}, BATCH)
        turns_together = [step(two) for _ in range(2)]
        alone, together = (min(wall for _, wall in steps) for steps in (turns_alone, turns_together))
        yield at_least("two threads, times faster than one", alone / together, 2.0, "two cores, if idle", 0.8)
        same = all(
            np.array_equal(a.tile.weights, b.tile.weights)
            for a, b in zip(one.model.matrices, two.model.matrices, strict=True)
        )
        yield Row("weights that differ between them", float(not same), 1.0, "all", "figure == 0", same)
    finally:
        compiled.set_threads(before)
