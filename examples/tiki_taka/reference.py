"""Plain descent in floating point, sample by sample, on a fully connected network: what rules on chips could reach."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from reference_lstm import history as recurrent

from cimest.config import Experiment
from cimest.datasets.dataset import choose
from cimest.explore.functional import key
from cimest.explore.training import Record, write_whole


@njit(fastmath=True, cache=True)
def _outputs(image, weights, biases, values):
    """Values of all layers, hyperbolic tangents but in the last."""
    values[0][:] = image
    for layer in range(len(weights)):
        x, y = values[layer], values[layer + 1]
        y[:] = biases[layer]
        for row in range(len(x)):
            if x[row] != 0:
                line = weights[layer][row]
                for column in range(len(y)):
                    y[column] += x[row] * line[column]
        if layer + 1 < len(weights):
            y[:] = np.tanh(y)


@njit(fastmath=True, cache=True)
def _loss(output, label, error):
    """Cross entropy of one sample; `error` becomes its derivative."""
    error[:] = np.exp(output - output.max())
    error /= error.sum()
    loss = -np.log(max(error[label], np.float32(1e-12)))
    error[label] -= np.float32(1)
    return loss


@njit(fastmath=True, cache=True)
def _descend(images, labels, order, rates, weights, biases, values, errors):
    for number in range(len(order)):
        sample, rate = order[number], np.float32(rates[number])
        _outputs(images[sample], weights, biases, values)
        _loss(values[-1], labels[sample], errors[-1])
        for layer in range(len(weights) - 1, -1, -1):
            x, d = values[layer], errors[layer + 1]
            for row in range(len(x)):
                line, total = weights[layer][row], np.float32(0)
                if layer > 0:
                    for column in range(len(d)):
                        total += line[column] * d[column]
                    errors[layer][row] = total * (np.float32(1) - x[row] * x[row])
                if x[row] != 0:
                    change = rate * x[row]
                    for column in range(len(d)):
                        line[column] -= change * d[column]
            for column in range(len(d)):
                biases[layer][column] -= rate * d[column]


@njit(fastmath=True, cache=True)
def _test(images, labels, weights, biases, values, errors):
    loss, correct = 0.0, 0
    for sample in range(len(images)):
        _outputs(images[sample], weights, biases, values)
        correct += values[-1].argmax() == labels[sample]
        loss += _loss(values[-1], labels[sample], errors[-1])
    return loss / len(images), correct / len(images)


def train(experiment: Experiment, folder: Path) -> list[Record]:
    """Loss, accuracy and time of each epoch, with the data, seed and schedule of an experiment; kept in a folder."""
    file = folder / f"float_{key(experiment)}.json"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        found = recurrent(experiment) if experiment.network.name == "lstm" else _history(experiment)
        write_whole(file, json.dumps(found, indent=1))
    return json.loads(file.read_text())


def _history(experiment: Experiment) -> list[Record]:
    choice, training = experiment.dataset, experiment.training
    data = choose(choice.name, choice.options).load(choice.path, choice.train, choice.test).held_out(choice.validation)
    images, tests = (
        (part.reshape(len(part), -1) / np.float32(255)).astype(np.float32)
        for part in (data.train_images, data.test_images)
    )
    sizes = [images.shape[1], *experiment.network.options["hidden"], int(data.train_labels.max()) + 1]
    rng, pairs = np.random.default_rng(experiment.seed), list(pairwise(sizes))
    weights = tuple(rng.uniform(-(a**-0.5), a**-0.5, (a, b)).astype(np.float32) for a, b in pairs)
    biases = tuple(np.zeros(size, np.float32) for size in sizes[1:])
    values, errors = (tuple(np.zeros(size, np.float32) for size in sizes) for _ in range(2))
    history, total, rate = [], len(images) * training.epochs, training.learning_rate
    for epoch in range(training.epochs):
        order, before = rng.permutation(len(images)), time.process_time()
        share = 0.5 * (1 + np.cos(np.pi * (epoch * len(images) + np.arange(len(images))) / total))
        falling = rate.end + (1 - rate.end) * share if rate.schedule == "cosine" else np.ones(len(images))
        _descend(images, data.train_labels, order, rate.start * falling, weights, biases, values, errors)
        seconds = time.process_time() - before
        loss, accuracy = _test(tests, data.test_labels, weights, biases, values, errors)
        history.append({"test_loss": loss, "test_accuracy": accuracy, "seconds": seconds})
    return history
