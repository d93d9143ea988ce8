"""Plain descent in floating point on an LSTM that tells the next character: what rules on chips could reach."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from cimest.config import Experiment
from cimest.datasets.dataset import choose
from cimest.explore.training import Record

STEP = 30.0
"""By which the study's step sizes are multiplied here, where they are not in units of a cell's range (our choice)."""

LARGEST = 5.0
"""Norm of all gradients above which they are scaled down (our choice)."""


class Layer(NamedTuple):
    """What a layer has computed for a batch, shapes (steps, samples, ...).

    Parameters
    ----------
    x : array
        Inputs.
    gates : array
        Input, forget and output gate, and new content, beside each other.
    cell, hidden : array
        One step longer: the first is what the layer begins with, zero.
    """

    x: np.ndarray
    gates: np.ndarray
    cell: np.ndarray
    hidden: np.ndarray


def forward(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> Layer:
    """An LSTM layer over all steps; rows of the weights are inputs, then the hidden state."""
    (steps, samples, inputs), size = x.shape, len(bias) // 4
    gates = x @ weights[:inputs] + bias
    cell, hidden = (np.zeros((steps + 1, samples, size), np.float32) for _ in range(2))
    for t in range(steps):
        gates[t] += hidden[t] @ weights[inputs:]
        gates[t, :, : 3 * size] = 1 / (1 + np.exp(-gates[t, :, : 3 * size]))
        gates[t, :, 3 * size :] = np.tanh(gates[t, :, 3 * size :])
        i, f, o, g = np.split(gates[t], 4, axis=1)
        cell[t + 1] = f * cell[t] + i * g
        hidden[t + 1] = o * np.tanh(cell[t + 1])
    return Layer(x, gates, cell, hidden)


def backward(done: Layer, weights: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of inputs, weights and bias; `error` is that of the hidden states, through which the steps are tied."""
    inputs, delta = done.x.shape[2], np.empty_like(done.gates)
    late, carried = np.zeros_like(error[0]), np.zeros_like(error[0])
    for t in range(len(error) - 1, -1, -1):
        i, f, o, g = np.split(done.gates[t], 4, axis=1)
        shape, late = np.tanh(done.cell[t + 1]), late + error[t]
        carried = carried + late * o * (1 - shape**2)
        parts = (carried * g * i * (1 - i), carried * done.cell[t] * f * (1 - f), late * shape * o * (1 - o),
                 carried * i * (1 - g**2))  # fmt: skip
        delta[t] = np.concatenate(parts, axis=1)
        carried, late = carried * f, delta[t] @ weights[inputs:].T
    rows, flat = np.concatenate([done.x, done.hidden[:-1]], axis=2), delta.reshape(-1, delta.shape[2])
    return delta @ weights[:inputs].T, rows.reshape(len(flat), -1).T @ flat, flat.sum(axis=0)


def first_weights(rng: np.random.Generator, sizes: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Embedding, then weights and bias of layers and outputs; `sizes`: characters, embedding, hidden state, depth."""
    characters, embedding, hidden, depth = sizes

    def drawn(rows: int, columns: int) -> np.ndarray:
        return rng.uniform(-(hidden**-0.5), hidden**-0.5, (rows, columns)).astype(np.float32)

    found = [rng.normal(0, 1, (characters, embedding)).astype(np.float32)]
    for layer in range(depth):
        found += [drawn((hidden if layer else embedding) + hidden, 4 * hidden), np.zeros(4 * hidden, np.float32)]
    return [*found, drawn(hidden, characters), np.zeros(characters, np.float32)]


def loss(
    weights: list[np.ndarray], tokens: np.ndarray, labels: np.ndarray, learn: bool = True
) -> tuple[float, float, list[np.ndarray]]:
    """Mean cross entropy of all labels, share told right, and the gradients of all weights, if they are asked for."""
    table, *layers, out, offset = weights
    x, told, done = table[tokens.T], labels.T.reshape(-1), []
    for matrix, bias in zip(layers[::2], layers[1::2], strict=True):
        done.append(forward(x, matrix, bias))
        x = done[-1].hidden[1:]
    flat = x.reshape(-1, x.shape[2])
    outputs = flat @ out + offset
    correct = float(np.mean(outputs.argmax(axis=1) == told))
    outputs -= outputs.max(axis=1, keepdims=True)
    error = np.exp(outputs)
    error /= error.sum(axis=1, keepdims=True)
    places = np.arange(len(told)), told
    value = -float(np.mean(np.log(np.maximum(error[places], 1e-12))))
    if not learn:
        return value, correct, []
    error[places] -= 1
    error /= len(told)
    found, back = [flat.T @ error, error.sum(axis=0)], (error @ out.T).reshape(x.shape)
    for number in range(len(done) - 1, -1, -1):
        back, of_weights, of_bias = backward(done[number], layers[2 * number], back)
        found = [of_weights, of_bias, *found]
    of_table = np.zeros_like(table)
    np.add.at(of_table, tokens.T, back)
    return value, correct, [of_table, *found]


def history(experiment: Experiment) -> list[Record]:
    """Loss, accuracy and time of each epoch, with the data, seed, batch and schedule of an experiment."""
    choice, training, options = experiment.dataset, experiment.training, experiment.network.options
    source = choose(choice.name, choice.options)
    data = source.load(choice.path, choice.train, choice.test).held_out(choice.validation)
    tokens, tests = (part[:, 0, :, 0].astype(np.int64) for part in (data.train_images, data.test_images))
    rng, rate = np.random.default_rng(experiment.seed), training.learning_rate
    weights = first_weights(rng, (source.vocabulary, options["embedding"], options["hidden"], options["depth"]))
    batches, found = len(tokens) // training.batch, []
    for epoch in range(training.epochs):
        order, before = rng.permutation(len(tokens)), time.process_time()
        for number in range(batches):
            some = order[number * training.batch : (number + 1) * training.batch]
            *_, gradients = loss(weights, tokens[some], data.train_labels[some])
            norm = float(np.sqrt(sum(np.square(one).sum() for one in gradients)))
            share = 0.5 * (1 + np.cos(np.pi * (epoch * batches + number) / (batches * training.epochs)))
            falling = rate.end + (1 - rate.end) * share if rate.schedule == "cosine" else 1.0
            step = np.float32(STEP * rate.start * falling * min(1.0, LARGEST / norm))
            for one, gradient in zip(weights, gradients, strict=True):
                one -= step * gradient
        seconds = time.process_time() - before
        value, correct, _ = loss(weights, tests, data.test_labels, learn=False)
        found.append({"test_loss": value, "test_accuracy": correct, "seconds": seconds})
    return found
