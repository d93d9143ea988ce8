"""Each hot loop beside its limit on this machine, or beside a rival on the same work, in the same run.

Times are CPU times of one thread, the least of several runs, so that they hold on a busy machine; ratios compare with
something measured a moment before or after. A rival that is not installed is represented by recorded figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from cimest.kernels import compiled, in_memory, reference
from cimest.kernels.in_memory_types import IDEAL
from cimest.kernels.memory import keep_freed
from cimest.kernels.random import NOISE
from cimest.kernels.threads import single_blas
from cimest.kernels.types import Address, Periphery, Quantiser
from cimest.learning import in_memory_cells
from cimest.learning.cells import CellArray
from cimest.learning.in_memory import InMemoryUpdate
from cimest.rules.in_array import InMemorySgd
from hwlib.devices import load_device
from hwlib.devices.update_law import Steps

SHAPE = (512, 2304, 256)
"""Vectors, rows and columns of the products: VGG-8's fourth layer for eight images."""

VECTORS = 10
"""Whose pulse trains are timed together."""

RECORDED = {"dense": 31.8e-3, "typical": 1.53e-3}
"""Seconds of aihwkit 1.2.0 (torch 2.13, one thread of an AVX-512 processor, soft bounds) for one 512 x 512 update."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    name : str
        What was measured, and the unit of `figure` and `limit`.
    figure : float
    limit : float
        What `figure` is beside.
    beside : str
        What that is.
    goal : str
        What is wanted of figure or ratio.
    holds : bool
    """

    name: str
    figure: float
    limit: float
    beside: str
    goal: str
    holds: bool

    @property
    def ratio(self) -> float:
        """Figure over limit."""
        return self.figure / self.limit

    def plain(self) -> dict[str, Any]:
        """The fields and the ratio."""
        return {**asdict(self), "ratio": self.ratio}


def at_most(name: str, figure: float, limit: float, beside: str, most: float) -> Row:
    """A row whose ratio must not be larger."""
    return Row(name, figure, limit, beside, f"ratio <= {most:g}", figure / limit <= most)


def at_least(name: str, figure: float, limit: float, beside: str, least: float) -> Row:
    """A row whose ratio must not be smaller."""
    return Row(name, figure, limit, beside, f"ratio >= {least:g}", figure / limit >= least)


def least(*works: Callable[[], object], repeats: int = 9) -> list[float]:
    """Least CPU time of each of several works, done in turns so that all meet the same machine. [s]

    A first run of each compiles.
    """
    for work in works:
        work()
    times = [float("inf")] * len(works)
    for _ in range(repeats):
        for number, work in enumerate(works):
            start = time.process_time()
            work()
            times[number] = min(times[number], time.process_time() - start)
    return times


def cpu_time(work: Callable[[], object], repeats: int = 9) -> float:
    """Least CPU time of several runs, after one that compiles. [s]"""
    return least(work, repeats=repeats)[0]


def edges(count: int, rows: int = 128) -> np.ndarray:
    """Edges of blocks of `rows`."""
    return np.array([*range(0, count, rows), count])


def numpy_loop(x: np.ndarray, weights: np.ndarray, blocks: np.ndarray, adc: Quantiser) -> np.ndarray:
    """The product through converters as one writes it with numpy: a matrix product for each input bit and block."""
    y = np.zeros((len(x), weights.shape[1]), dtype=np.float32)
    planes = [(x >> bit & 1).astype(np.float32) for bit in range(8)]
    for start, stop in pairwise(blocks):
        for bit, plane in enumerate(planes):
            sums = plane[:, start:stop] @ weights[start:stop]
            y += np.float32(2**bit) * np.clip(
                np.floor(sums / np.float32(adc.step) + np.float32(0.5)), adc.low, adc.high
            )
    return y * np.float32(adc.step)


def products() -> Iterator[Row]:
    """Products through converters: 8 input bits, blocks of 128 rows, an ADC of 5 bits."""
    rng = np.random.default_rng(0)
    vectors, rows, columns = SHAPE
    x = rng.integers(0, 256, (vectors, rows)).astype(np.uint8)
    real = rng.uniform(-0.5, 0.5, (rows, columns)).astype(np.float32)
    slices = rng.integers(0, 2, (rows, 8 * columns)).astype(np.uint8)
    significance = 2.0 ** np.arange(8, dtype=np.float32)
    blocks, counts, sums = edges(rows), Quantiser(2.0, 0, 31), Quantiser(0.4, -16, 15)
    signal = x.astype(np.float32)

    def whole() -> np.ndarray:
        y, _ = compiled.bit_serial_mvm(x, slices, blocks, counts)
        return np.matmul(significance, y.reshape(vectors, 8, columns))

    taken, other, sgemm = least(
        whole, lambda: compiled.bit_serial_mvm(x, real, blocks, sums), lambda: signal @ real, repeats=25
    )
    yield at_most("8 slices of 1-bit cells, 8 input bits [ms]", 1e3 * taken, 1e3 * sgemm, "sgemm of that size", 7)
    naive = cpu_time(lambda: numpy_loop(x, slices.astype(np.float32), blocks, counts), 1)
    yield at_least("the same, times faster than a numpy loop", naive / taken, 1.0, "numpy over bits and blocks", 20)
    yield at_most("a slice of real conductances, 8 input bits [ms]", 1e3 * other, 1e3 * sgemm, "sgemm of that size", 4)
    errors = np.clip(
        np.rint(rng.normal(0, 16, (vectors, columns)) * (rng.random((vectors, columns)) < 0.25)), -127, 127
    )
    half = (x * (rng.random(x.shape) < 0.5)).astype(np.uint8)
    taken = cpu_time(
        lambda: compiled.weight_gradient(half, errors.astype(np.int8), edges(vectors), Quantiser(1.5, 0, 15)), 3
    )
    yield at_most("weight gradient, 8 x 7 bits, 2 signs [ms]", 1e3 * taken, 1e3 * sgemm, "sgemm of that size", 15)
    y, _ = compiled.bit_serial_mvm(x[:64], slices, blocks, counts)
    expected, _ = reference.bit_serial_mvm(x[:64], slices, blocks, counts)
    unequal = float(np.count_nonzero(y != expected))
    yield Row(
        "results of 1-bit cells that differ from the specification", unequal, 1.0, "one", "figure == 0", unequal == 0
    )


def outer_product(dense: bool) -> tuple[Callable[[], None], np.ndarray]:
    """Pulse trains on the lines of 512 x 512 cells with soft bounds, and the counts of what they do, in one array.

    `VECTORS` with 31 slots whose lines fire with uniform probabilities, or those of a typical layer. Steps are 1/2000
    of the range, with a spread of 0.3 among the cells and a noise of 0.3 a pulse.
    """
    rng, shape = np.random.default_rng(1), (512, 512)
    if dense:
        x, d, pulses = rng.uniform(-1, 1, (VECTORS, 512)), rng.uniform(-1, 1, (VECTORS, 512)), 31.0
    else:
        x, d = np.maximum(rng.normal(size=(VECTORS, 512)), 0), 0.02 * rng.normal(size=(VECTORS, 512))
        pulses = 0.05 * np.abs(x[0]).max() * np.abs(d[0]).max() / 1e-3  # step size 0.05, pulses of 1e-3
    law = {"law": "soft_bounds", "low": -1, "high": 1, "device_to_device": 0.3}
    device = load_device("ideal", {"states": 2000, "update": law, "cycle_to_cycle": {"sigma": 1.5e-4, "per": "pulse"}})
    rule = InMemorySgd()
    update = InMemoryUpdate(rule, device, in_memory_cells.draw(device, 0, 0, 0, shape), shape, 0, 0)
    weights = np.zeros(shape, np.float32)
    tile, _ = update.tile(update.start(rule.init(shape), weights), weights)
    inputs, errors = x.astype(np.float32), d.astype(np.float32)

    def work() -> None:
        in_memory.update(tile, update.plan, inputs, errors, pulses, 1.0, IDEAL, update.room)

    return work, tile.counts


def aihwkit_time(dense: bool) -> tuple[float, str]:
    """Seconds that aihwkit takes for that update, and how it is known."""
    try:
        import torch
        from aihwkit.simulator.configs import SingleRPUConfig, UpdateParameters
        from aihwkit.simulator.configs.devices import SoftBoundsDevice
        from aihwkit.simulator.tiles import AnalogTile as Rival

        torch.set_num_threads(1)
        update = UpdateParameters(desired_bl=31, update_bl_management=not dense, update_management=True)
        tile = Rival(512, 512, SingleRPUConfig(device=SoftBoundsDevice(), update=update))
        tile.set_weights(torch.rand(512, 512) * 0.2 - 0.1)
        tile.set_learning_rate(0.031 if dense else 0.05)
        x = torch.rand(1, 512) * 2 - 1 if dense else torch.relu(torch.randn(1, 512))
        d = torch.rand(1, 512) * 2 - 1 if dense else 0.02 * torch.randn(1, 512)
        return cpu_time(lambda: tile.update(x, d)), "aihwkit, measured"
    except (ImportError, RuntimeError):  # not there, or built for another torch
        return RECORDED["dense" if dense else "typical"], "aihwkit 1.2.0, recorded"


def updates() -> Iterator[Row]:
    """Updates of 512 x 512 soft-bounds cells with spreads of their steps and noise of every pulse."""
    rng, shape = np.random.default_rng(1), (512, 512)
    steps = Steps(*((1e-3 * np.maximum(rng.normal(1, 0.3, shape), 0.01)).astype(np.float32) for _ in range(4)))
    weights, written = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    source, target = np.zeros(1 << 25, np.float32), np.zeros(1 << 25, np.float32)
    bandwidth = 12 * source.size / cpu_time(lambda: np.copyto(target, source), 3)  # read, read for writing, write
    for name, dense in (("dense", True), ("typical", False)):
        taken = cpu_time(outer_product(dense)[0], 20) / VECTORS
        if dense:
            rate, bound, beside = 1e-9 * weights.size / taken, 1e-9 * bandwidth / 36, "memory: 36 bytes a cell"
            yield Row("pulse trains, dense [G cells/s]", rate, bound, beside, "figure >= 0.1", rate >= 0.1)
        rival, known = aihwkit_time(dense)
        yield at_least(f"pulse trains, {name}, times faster than the rival", rival / taken, 1.0, known, 3)
    amount = rng.normal(0, 3, shape).astype(np.float32)
    by_matrix = partial(compiled.pulsed_update, weights, amount, steps, "stochastic", 3e-4, True, Address(0, 0, 0))
    taken = cpu_time(partial(by_matrix, edges(512), written), 100)
    rate, bound = 1e-9 * weights.size / taken, 1e-9 * bandwidth / 36
    yield Row("update by a matrix [G cells/s]", rate, bound, "memory: 36 bytes a cell", "figure >= 0.3", rate >= 0.3)
    ends = tuple((sign * rng.normal(1, 0.2, shape)).astype(np.float32) for sign in (-1, 1))
    taken = cpu_time(partial(by_matrix, edges(512), written, ends), 100)
    rate, bound = 1e-9 * weights.size / taken, 1e-9 * bandwidth / 44
    name, beside = "the same, ends of each cell's own [G cells/s]", "memory: 44 bytes a cell"
    yield Row(name, rate, bound, beside, "figure >= 0.4", rate >= 0.4)
    yield from laws_rows(amount, bandwidth)
    taken = cpu_time(lambda: compiled.normal(Address(0, 0, 0), NOISE, (1024, 1024)))
    plain = cpu_time(lambda: np.random.default_rng(0).standard_normal((1024, 1024), dtype=np.float32))
    million = 1e-6 * (1 << 20)
    yield at_least("normal numbers [M/s]", million / taken, million / plain, "numpy's generator", 3)


def laws_rows(amount: np.ndarray, bandwidth: float) -> Iterator[Row]:
    """Updates of cells that read wrong by what a write leaves, and by laws that go pulse by pulse."""
    exponential = {"law": "exponential_step", "amplitude_up": 0.2, "amplitude_down": 0.2, "rate_up": 2, "rate_down": 2}
    for name, law, goal in (
        ("update of cells with write noise [G cells/s]", {"law": "soft_bounds"}, 0.2),
        ("the same, steps that collapse exponentially [G cells/s]", exponential, 0.1),
    ):
        noise = {"cycle_to_cycle": {"sigma": 3e-3, "per": "pulse"}, "write_noise": 0.01}
        device = load_device("rram", {"update": law, "states": 64, **noise})
        cells = CellArray(device, np.zeros(amount.shape, np.float32), 0, 0, 0, edges(512))
        rate = 1e-9 * amount.size / cpu_time(partial(cells.pulse, amount, "stochastic", 0), 30)
        beside, wanted = "memory: 28 bytes a cell", f"figure >= {goal:g}"
        yield Row(name, rate, 1e-9 * bandwidth / 28, beside, wanted, rate >= goal)


def analog() -> Iterator[Row]:
    """Whole vectors with noise and converters; voltage lost along wires."""
    rng = np.random.default_rng(2)
    weights = rng.uniform(-0.3, 0.3, (512, 512)).astype(np.float32)
    periphery = Periphery(1 / 63, 24 / 510, 12.0, 0.06, True)
    for vectors, repeats in ((256, 100), (1, 300)):
        x = rng.uniform(-1, 1, (vectors, 512)).astype(np.float32)
        noisy = partial(compiled.noisy_mvm, x, weights, 1e-4, periphery, Address(0, 0, 0))
        taken, plain = least(noisy, partial(np.matmul, x, weights), repeats=repeats)
        if vectors > 1:
            yield at_most("noisy product 512 x 512, batch 256 [ms]", 1e3 * taken, 1e3 * plain, "sgemm", 1.3)
        else:
            name = "noisy product 512 x 512, one vector [us]"
            yield Row(name, 1e6 * taken, 1e6 * plain, "sgemv", "figure <= 30", taken <= 30e-6)
    conductance, voltages = rng.uniform(1e-5, 1e-4, (256, 256)), rng.random((1, 256))
    taken = cpu_time(lambda: compiled.ir_drop(conductance, voltages, 1.0), 5)
    start = time.process_time()
    exact = reference.ir_drop(conductance, voltages, 1.0)
    sparse = time.process_time() - start
    yield Row(
        "IR drop 256 x 256, 1 ohm [ms]", 1e3 * taken, 1e3 * sparse, "sparse solution", "figure < 10", taken < 0.01
    )
    error = float(np.abs(compiled.ir_drop(conductance, voltages, 1.0) / exact - 1).max())
    yield at_most("its largest relative error", error, 1e-6, "the bound", 1)


def kernels() -> list[Row]:
    """All rows of the kernels, on one thread."""
    single_blas()
    keep_freed()  # as a trainer does
    before = compiled.set_threads(1)
    try:
        return [*products(), *updates(), *analog()]
    finally:
        compiled.set_threads(before)
