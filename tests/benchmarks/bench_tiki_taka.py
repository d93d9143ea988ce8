"""Rules that update in the arrays at work: `python -m tests.benchmarks.bench_tiki_taka toy|fcn|lenet|speed|extract`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
from numba import njit

from cimest.config import Experiment, load
from cimest.kernels import in_memory_types as types
from cimest.kernels import sample_chain
from cimest.kernels.in_memory import OPTIONS, update_vector
from cimest.learning import Trainer
from cimest.learning import in_memory_cells as cells
from cimest.learning.extract import extract
from cimest.learning.in_memory import InMemoryUpdate
from cimest.learning.trainer import Progress
from cimest.rules.in_array import InMemorySgd
from cimest.run import build_trainer
from tests.cimest.in_memory_cases import challenging, rule

EXAMPLES = Path(__file__).parents[2] / "examples"

LENET = ("network=lenet5", "training.batch=8")
"""Changes to the fully connected network's experiment."""

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


def load_experiment(data: str | None, states: int, changes: Iterable[str]) -> Experiment:
    """The network of the papers on all of MNIST, with cells of so many states."""
    own = (
        f"dataset={{name: mnist, path: {data or 'null'}}}",
        f"chip.device.states={states}",
        f"chip.device.cycle_to_cycle.sigma={0.3 / states}",
    )
    return load(EXAMPLES / "fcn_tiki_taka.yaml", [*own, *changes])


def training(options: argparse.Namespace, decay: bool = True) -> Trainer:
    """Of a rule, its step size falling or not."""
    changes = [
        f"training.rule={options.rule}",
        f"training.epochs={options.epochs}",
        f"training.learning_rate={{start: {options.rate}, schedule: {'cosine' if decay else 'constant'}}}",
        f"seed={options.seed}",
        *(LENET if options.what == "lenet" else ()),
    ]
    return build_trainer(load_experiment(options.data, options.states, changes))


def epochs(options: argparse.Namespace) -> None:
    """Epochs with the CPU time of each, its test included."""
    before = time.process_time()

    def look(progress: Progress) -> None:
        nonlocal before
        if progress.batch == progress.batches:
            print(f"epoch {progress.epoch}: {time.process_time() - before:.1f} CPU s", flush=True)
            before = time.process_time()

    for epoch in training(options).run(look):
        print(
            f"{options.rule}, {options.states} states, epoch {epoch.epoch}: loss {epoch.loss:.3f}, "
            f"train {100 * epoch.train_accuracy:.2f} %, test {100 * epoch.test_accuracy:.2f} %"
        )


def extraction(options: argparse.Namespace) -> None:
    """What the mean of late weights gains over the last ones, at a constant and at a falling step size."""
    for decay in (False, True):
        trainer = training(options, decay)
        trained = trainer.experiment.training.epochs
        while len(trainer.history) < trained - 1:
            trainer.history.append(trainer._epoch(None))
        found = extract(trainer, 50, (3, 4, 6), trainer.experiment.chip.device)
        accuracies = ", ".join(f"{name} {100 * share:.2f} %" for name, share in found.accuracy.items())
        print(f"{options.rule}, {'cosine' if decay else 'constant'}: {accuracies}", flush=True)


def speed() -> None:
    """One vector through 512 by 512 weights with 7-bit DACs, noise and 9-bit ADCs."""
    rng, shape = np.random.default_rng(0), (512, 512)
    weights, room = rng.uniform(-0.3, 0.3, shape).astype(np.float32), sample_chain.room([shape])
    words = rng.integers(-127, 128, 512).astype(np.float32)
    full, step, bound, noise = (np.full((2, 1), value, np.float32) for value in (127, 12 / 255, 12, 0.06))
    converters = sample_chain.Converters(1 / 63, full, step, bound, noise, True, 4)
    out, stats, edges = np.zeros(512 + types.SPARE, np.float32), np.zeros(3, np.int64), np.array([0, 512])

    @njit(**OPTIONS)
    def reads(count, weights, words, way, edges, converters, room, out, stats):
        for step in range(count):
            sample_chain.read(
                weights, np.uint32(1), np.uint32(2), np.uint32(step), words, way, 0, edges, converters, room, out, stats
            )

    for way, name in enumerate(("forward", "backward")):
        arguments = (weights, words, way, edges, converters, room, out, stats)
        reads(1, *arguments)
        best = np.inf
        for _ in range(20):
            before = time.process_time()
            reads(200, *arguments)
            best = min(best, (time.process_time() - before) / 200)
        print(f"noisy MVM 512 x 512, one vector, {name}: {best * 1e6:.1f} us CPU")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("toy", "fcn", "lenet", "speed", "extract"))
    parser.add_argument("--rule", default="tiki_taka_v2")
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="of the toy problem")
    parser.add_argument("--data", help="folder with the official files of MNIST")
    options = parser.parse_args()
    if options.what == "toy":
        toy_table(options.seeds)
    elif options.what == "speed":
        speed()
    else:
        (extraction if options.what == "extract" else epochs)(options)


if __name__ == "__main__":
    main()
