"""Weight programming: the error without sampling against sampling, the optimum against rules of thumb and evolution.

Everything is computed here: each ratio names what it is to. Takes some minutes; `--quick` leaves out the evolutions
and takes fewer samples.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: CPU time of one thread

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from cimest.programming.encoding import RULES, Encoding
from cimest.programming.error import Evaluator, Strategy, WeightError
from cimest.programming.evolution import evolve
from cimest.programming.moments import Moments, tabulate
from cimest.programming.population import DENSITIES, draw, named
from cimest.programming.sampling import addressed, generated, program
from cimest.programming.search import Search, minimum
from hwlib.devices import load_device

TIMES = (0.0, 3600.0, 86400.0, 30 * 86400.0, 365 * 86400.0)
"""Right after programming, 1 hour, 1 day, 30 days, 1 year. [s]"""
MONTH = 3
PUBLISHED = """The published example, 39 % less error at t0 and 17 % after a month, is against a rule that is not named
fully, on a device that is not published (mackin2022programming). Against most_first our gain does not fade; against
proportional it does; the spread of drift here is that of a similar cell, so neither reproduces the example."""
TOOL_SAMPLE = 10_240
"""Weights that the public implementation draws for one error (512 rows of 20)."""


def cpu(work: Callable[[], object], count: int) -> float:
    """Smallest CPU time of five runs, each of `count` calls, of one call. [s]"""
    work()
    times = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(count):
            work()
        times.append((time.process_time() - start) / count)
    return min(times)


def sampled(strategy: Strategy, moments: Moments, weights: np.ndarray, normal: Callable) -> np.ndarray:
    """Mean square error at each time from random numbers."""
    written = program(weights, strategy, moments.device, normal)
    before, found = np.abs(written.right_after()).mean(), []
    for number, at in enumerate(moments.times):
        now = written.read(at, number)
        found.append(np.mean((before / np.abs(now).mean() * now - weights) ** 2))
    return np.array(found)


def agreement(moments: Moments, samples: int) -> Iterator[str]:
    """Largest deviation of the rms over all times, by density and strategy."""
    rng, block = np.random.default_rng(0), 250_000
    ways = {"single pair": (Encoding((1.0,)), "least_first")}
    ways |= {rule: (Encoding.of(2, 2.0), rule) for rule in ("least_first", "most_first", "proportional")}
    for density in DENSITIES:
        evaluator, found = Evaluator(moments, named(density)), []
        strategies = {
            name: Strategy.by_rule(encoding, np.linspace(0, 1, 1001), rule, moments)
            for name, (encoding, rule) in ways.items()
        }
        strategies["optimum"] = Search(evaluator, 2).run(certify=False).strategy
        for name, strategy in strategies.items():
            square = np.mean(
                [
                    sampled(strategy, moments, draw(density, block, rng), generated(rng))
                    for _ in range(samples // block)
                ],
                axis=0,
            )
            worst = np.abs(evaluator.of_strategy(strategy).rms / np.sqrt(square) - 1).max()
            found.append(f"{name} {100 * worst:.2f} %")
        yield f"  {density:9} {', '.join(found)}"


def speed(moments: Moments) -> Iterator[str]:
    """One error from moments and from samples, of every rule."""
    evaluator, rng = Evaluator(moments, named("gaussian")), np.random.default_rng(0)
    weights = draw("gaussian", TOOL_SAMPLE, rng).reshape(512, -1)
    yield f"  tables, once for a device: {1e3 * cpu(lambda: tabulate(moments.device, TIMES), 1):.0f} ms"
    yield f"  one error from moments; from {TOOL_SAMPLE} samples of numpy's generator; of numbers that have addresses"
    for rule in (*RULES, "single pair"):
        encoding = Encoding((1.0,)) if rule == "single pair" else Encoding.of(2, 2.0)
        strategy = Strategy.by_rule(
            encoding, evaluator.population.weights, rule if rule in RULES else RULES[0], moments
        )
        exact = cpu(partial(evaluator.of, encoding, strategy.conductances), 200)
        quick = cpu(partial(sampled, strategy, moments, weights, generated(rng)), 3)
        ours = cpu(partial(sampled, strategy, moments, weights, addressed(0, 0, 0)), 3)
        yield (
            f"  {rule:13} {1e6 * exact:3.0f} us; {1e3 * quick:5.1f} ms, x {quick / exact:.0f}; "
            f"{1e3 * ours:5.1f} ms, x {ours / exact:.0f}"
        )


def ranking(names: tuple[str, ...]) -> Iterator[str]:
    """Rms error after a month of the devices, by a rule of thumb and at their best."""
    for density in ("gaussian", "laplace", "bimodal"):
        found = []
        for name in names:
            evaluator = Evaluator(tabulate(load_device(name), TIMES), named(density))
            best = Search(evaluator, 2).run(certify=False).error.rms[MONTH]
            rule = evaluator.of_rule(Encoding.of(2, 2.0), "least_first").rms[MONTH]
            found.append(f"{name} {100 * rule:.2f} -> {100 * best:.2f} %")
        yield f"  {density:9} {', '.join(found)}"


def changes(best: WeightError, other: WeightError) -> str:
    """Rms at the first time and after a month, and mean square over all times, of one against another. [%]"""
    rms = 100 * (best.rms / other.rms - 1)
    square = 100 * (best.mean_square / other.mean_square - 1)
    root = 100 * ((best.mean_square / other.mean_square) ** 0.5 - 1)
    return f"{rms[0]:+7.1f}{rms[MONTH]:+9.1f}{square:+7.1f}{root:+7.1f}"


def rules(evaluator: Evaluator) -> Iterator[tuple[str, WeightError]]:
    """All rules of thumb at F = 2 and at their own best F, and one pair alone."""
    yield "single pair", evaluator.of_rule(Encoding((1.0,)), "least_first")
    for rule in RULES:

        def error(factor: float, rule: str = rule) -> float:
            return evaluator.of_rule(Encoding.of(2, factor), rule).mean_square

        best = minimum(error, [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0], 1.0, 8.0)
        yield f"{rule} F 2", evaluator.of_rule(Encoding.of(2, 2.0), rule)
        yield f"{rule} F {best:.2f} (its best)", evaluator.of_rule(Encoding.of(2, best), rule)


def optimum(moments: Moments, density: str, evolving: bool) -> Iterator[str]:
    """The search, its certificate, and everything beside it."""
    started = time.process_time()
    fresh = tabulate(moments.device, moments.times)
    search = Search(Evaluator(fresh, named(density)), 2)
    best = search.run(certify=False)
    spent = time.process_time() - started
    bound = search.certificate(best.strategy, best.error)
    factor = best.strategy.encoding.significance[0]
    yield f" {density}: E {1e4 * best.error.mean_square:.3f}e-4 at F = {factor:.2f} in {spent:.2f} s CPU with tables"
    yield f"   certificate: denser scan {100 * bound.rescan:.3f} %, free compensation {100 * bound.compensation:.2f} %"
    clipped = search.run(reach=None, certify=False)
    yield f"   {'change of the optimum in % against':38}    rms 4th time      E   root"
    for name, other in rules(search.evaluator):
        yield f"   {name:38}{changes(best.error, other)}"
    if evolving:
        started = time.process_time()
        evolved = evolve(search.evaluator, 2, population=100)  # as published
        spent = time.process_time() - started
        yield f"   {f'evolution of 6 magnitudes, {spent:.0f} s':38}{changes(best.error, evolved.error)}"
    name = f"(clipped at {1 / clipped.strategy.encoding.reach:.2f}, to the optimum)"
    yield f"   {name:38}{changes(clipped.error, best.error)}"


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    moments = tabulate(load_device("pcm_mushroom"), TIMES)
    Search(Evaluator(moments, named("gaussian")), 2).run()  # compiles
    print("Speed")
    print(*speed(moments), sep="\n")
    samples = 500_000 if quick else 4_000_000
    print(f"Largest deviation of the rms from that of {samples} sampled weights, over all times")
    print(*agreement(moments, samples), sep="\n")
    for name in ("pcm_mushroom", "pcm_64core_two", "reram_wan2022"):
        print(f"Optimum on {name}")
        times = (1.0, 86400.0, 86400.0, 172800.0) if name == "reram_wan2022" else TIMES  # its record ends after 2 days
        device = tabulate(load_device(name), times)
        for density in ("gaussian", "laplace", "bimodal"):
            print(*optimum(device, density, not quick and name == "pcm_mushroom"), sep="\n")
    print("Best F for Gaussian weights, by standard deviation over the largest weight")
    for spread in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        best = Search(Evaluator(moments, named("gaussian", spread)), 2).run(certify=False)
        print(f"  {spread:.2f}: {best.strategy.encoding.significance[0]:.2f}")
    print("Rms after a month, least_first at F = 2 -> optimum: of two devices the worse can be better at its best")
    print(*ranking(("pcm_mushroom", "pcm_64core_two")), sep="\n")
    print(PUBLISHED)


if __name__ == "__main__":
    main()
