"""Rules that update in the arrays at work: `python -m tests.benchmarks.bench_tiki_taka toy|fcn|speed|extract`."""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np
from numba import njit

from cimest.datasets.mnist import Mnist
from cimest.kernels import in_memory_chain
from cimest.kernels import in_memory_types as types
from cimest.kernels.in_memory import OPTIONS, update_vector
from cimest.learning import in_memory_cells as cells
from cimest.learning.extract import Average, averaged, quantised
from cimest.learning.in_memory import InMemoryUpdate
from cimest.learning.in_memory_chain import PERIPHERY, Chain
from cimest.rules import RULES
from cimest.rules.in_array import InMemorySgd
from tests.cimest.in_memory_cases import challenging, rule

TOY, TOY_VECTORS, AVERAGING = (20, 20), 100_000, 200
"""Layer, vectors and averaging length of the published toy problem (rasch2024fast)."""


@njit(**OPTIONS)
def _toy(tile, plan, target, inputs, gain, speed, periphery, room):
    """Linear regression to a target; mean square of what is left, over the last quarter."""
    total, count = 0.0, 0
    error = np.empty(target.shape[1], np.float32)
    for number in range(len(inputs)):
        x = inputs[number]
        error[:] = 0
        for row in range(target.shape[0]):
            for column in range(target.shape[1]):
                error[column] += (tile.visible[row, column] - target[row, column]) * x[row]
        update_vector(tile, plan, x, error, gain, speed, periphery, room)
        if number >= len(inputs) * 3 // 4 and number % 100 == 0:
            total += np.mean((tile.visible - target) ** 2)
            count += 1
    return total / count


def toy(name: str, rate: float, offset: float, seed: int, states: int = 20) -> float:
    """Weight error of a rule on the toy problem, in units of half the range."""
    rng = np.random.default_rng(seed)
    target = np.clip(rng.normal(0, 0.3, TOY), -1, 1).astype(np.float32)
    inputs = rng.uniform(-1, 1, (TOY_VECTORS, TOY[0])).astype(np.float32)
    options = {"strength": 1.0, "pace": 1.0, "reads": 1, "every": 2, "reference_error": offset}
    if name in ("chopped_tiki_taka", "agad"):
        options |= {"period": 0, "flip": 0.1}
    chosen = InMemorySgd(slots=5) if name == "sgd" else rule(name, **options)
    weights = cells.draw(challenging(states, imbalance=0.1, ends=0.0), seed, 0, 0, TOY)
    fast = challenging(states)
    update = InMemoryUpdate(chosen, fast, weights, TOY, seed, 0)
    visible = np.zeros(TOY, np.float32)
    tile, _ = update.tile(update.start(chosen.init(TOY), visible), visible)
    plan = update.plan._replace(running=name != "sgd")  # descent at the true gradient, as published
    gain = chosen.gain(TOY, fast, rate)
    return float(_toy(tile, plan, target, inputs, gain, rate / AVERAGING, types.IDEAL, update.room) ** 0.5)


def toy_table(seeds: int) -> None:
    """Best learning rate at no offset, then the same rate at all offsets, and the best for each of them."""
    rates, offsets = (0.003, 0.01, 0.03, 0.1, 0.3), (0.0, 0.1, 0.5)
    print(f"weight error, mean of {seeds} seeds; at the best rate of offset 0 | at the best rate of each offset")
    for name in ("sgd", "tiki_taka", "tiki_taka_v2", "chopped_tiki_taka", "agad", "residual_v2"):
        found = {
            (rate, offset): np.mean([toy(name, rate, offset, seed) for seed in range(seeds)])
            for rate, offset in product(rates, offsets if name != "sgd" else offsets[:1])
        }
        best = min(rates, key=lambda rate: found[rate, 0.0])
        if name == "sgd":
            print(f"{name:18s} {found[best, 0.0]:.3f}; by rate {[round(float(found[r, 0.0]), 3) for r in rates]}")
            continue
        fixed = [f"{found[best, offset]:.3f}" for offset in offsets]
        own = [f"{min(found[rate, offset] for rate in rates):.3f}" for offset in offsets]
        print(f"{name:18s} rate {best}: {' '.join(fixed)} | {' '.join(own)}", flush=True)


def mnist(path: str, validation: bool) -> tuple[np.ndarray, ...]:
    """Images from 0 to 1 and labels of both parts; under validation, the last 10 000 training images are the second."""
    data = Mnist().load(path)
    train, test = (
        (images.reshape(len(images), -1) / 255).astype(np.float32) for images in (data.train_images, data.test_images)
    )
    if validation:
        return train[:-10_000], data.train_labels[:-10_000], train[-10_000:], data.train_labels[-10_000:]
    return train, data.train_labels, test, data.test_labels


def build(options: argparse.Namespace) -> Chain:
    """The fully connected network of the papers: 784-256-128-10, here with hyperbolic tangents."""
    chosen = InMemorySgd() if options.rule == "sgd" else RULES.get(options.rule)()
    kind = challenging(options.states)
    return Chain((784, 256, 128, 10), "tanh", "cross_entropy", chosen, kind, PERIPHERY, options.seed)


def fcn(options: argparse.Namespace) -> None:
    """Epochs at batch 1, with the CPU time of each."""
    train, labels, test, wanted = mnist(options.data, options.validation)
    chain = build(options)
    chain.train(train, labels, np.arange(2), options.rate)
    chain.accuracy(test[:2], wanted[:2])  # compiled
    for epoch in range(options.epochs):
        order = np.random.default_rng((options.seed, epoch)).permutation(len(train))
        before = time.process_time()
        loss, accuracy = chain.train(train, labels, order, options.rate * options.decay**epoch)
        seconds = time.process_time() - before
        print(
            f"{options.rule}, {options.states} states, epoch {epoch + 1}: loss {loss:.3f}, "
            f"train {100 * accuracy:.2f} %, "
            f"{'validation' if options.validation else 'test'} {100 * chain.accuracy(test, wanted):.2f} %, "
            f"{seconds:.1f} CPU s",
            flush=True,
        )


def extract(options: argparse.Namespace) -> None:
    """What the mean of late weights gains over the last ones, at a constant and at a falling rate."""
    train, labels, test, wanted = mnist(options.data, options.validation)
    for decay in (1.0, options.decay):
        chain, averages = build(options), []
        for epoch in range(options.epochs):
            order = np.random.default_rng((options.seed, epoch)).permutation(len(train))
            pieces = np.array_split(order, 50 if epoch == options.epochs - 1 else 1)
            for piece in pieces:
                chain.train(train, labels, piece, options.rate * decay**epoch)
                if len(pieces) > 1:
                    averages = averages or [Average.of(weights.shape) for weights in chain.visible]
                    averages = averaged(chain, averages)
        mean = [average.mean for average in averages]
        again = {sigma: programmed(mean, sigma, options.seed) for sigma in (0.05, 0.1)}
        last = {sigma: programmed(chain.visible, sigma, options.seed) for sigma in (0.05, 0.1)}
        print(f"{options.rule}, rate times {decay} an epoch: last {100 * chain.accuracy(test, wanted):.2f} %, "
              f"mean {100 * chain.accuracy(test, wanted, mean):.2f} %")  # fmt: skip
        for bits in (3, 4, 6):
            small = [quantised(weights, bits) for weights in mean]
            print(f"  mean in {bits} bits {100 * chain.accuracy(test, wanted, small):.2f} %")
        for sigma in again:
            print(f"  written with an error of {sigma}: last {100 * chain.accuracy(test, wanted, last[sigma]):.2f} %, "
                  f"mean {100 * chain.accuracy(test, wanted, again[sigma]):.2f} %", flush=True)  # fmt: skip


def programmed(weights: list[np.ndarray], sigma: float, seed: int) -> list[np.ndarray]:
    """Weights as another device holds them, each with a Gaussian error."""
    rng = np.random.default_rng(seed)
    return [np.clip(each + rng.normal(0, sigma, each.shape), -1, 1).astype(np.float32) for each in weights]


def speed() -> None:
    """One noisy vector through 512 by 512 weights, and one vector's update."""
    rng = np.random.default_rng(0)
    weights, room = rng.uniform(-0.3, 0.3, (512, 512)).astype(np.float32), [np.empty(600, np.float32) for _ in range(3)]
    x = rng.normal(0, 1, 512).astype(np.float32)

    @njit(**OPTIONS)
    def reads(count, weights, x, transposed, periphery, quantised, draws, out):
        for step in range(count):
            in_memory_chain.read(
                weights, np.uint32(1), np.uint32(2), np.uint32(step), x, transposed, periphery, quantised, draws, out
            )

    for transposed in (False, True):
        arguments = (weights, x, transposed, PERIPHERY, *room)
        reads(1, *arguments)
        best = np.inf
        for _ in range(20):
            before = time.process_time()
            reads(200, *arguments)
            best = min(best, (time.process_time() - before) / 200)
        print(f"noisy MVM 512 x 512, one vector, {'backward' if transposed else 'forward'}: {best * 1e6:.1f} us CPU")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("toy", "fcn", "speed", "extract"))
    parser.add_argument("--rule", default="tiki_taka_v2")
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.03)
    parser.add_argument("--decay", type=float, default=0.35)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", help="folder with the official files of MNIST")
    parser.add_argument("--validation", action="store_true", help="hold out training images instead of testing")
    options = parser.parse_args()
    if options.what == "toy":
        toy_table(options.seeds)
    elif options.what == "fcn":
        fcn(options)
    elif options.what == "extract":
        extract(options)
    else:
        speed()


if __name__ == "__main__":
    main()
