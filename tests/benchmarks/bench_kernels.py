"""Times the hot loops of the simulator against the matrix product of the same size: CPU time of one thread each.

The products that are compared run in the same process one after the other, so that the ratio holds on a busy machine.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one thread against one thread

import time
from collections.abc import Callable, Iterator

import numpy as np

from cimest.kernels import compiled
from cimest.kernels.types import Address, Quantiser
from hwlib.devices import load_device
from hwlib.devices.update_law import affine_coefficients

REPEATS = 7
LAYERS = {
    "lenet5 conv1": (6272, 25, 6),
    "lenet5 conv2": (5000, 150, 16),
    "lenet5 fc1": (1000, 400, 120),
    "vgg8 conv4": (512, 2304, 256),
}
"""Vectors, fan-in and fan-out of matrix products as training meets them."""


def cpu_time(work: Callable[[], object]) -> float:
    """Smallest CPU time of several runs, after one that compiles. [s]"""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def blocks(count: int, rows: int = 128) -> np.ndarray:
    """Edges of blocks of `rows`."""
    return np.array([*range(0, count, rows), count])


def operands(vectors: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (half of them zero), weights and errors (three quarters zero), as after rectifiers and pooling."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (vectors, rows)) * rng.random((vectors, rows)) * (rng.random((vectors, rows)) < 0.5)
    errors = rng.normal(0, 16, (vectors, columns)) * (rng.random((vectors, columns)) < 0.25)
    weights = rng.uniform(-0.5, 0.5, (rows, columns)).astype(np.float32)
    return x.astype(np.uint8), weights, np.clip(np.rint(errors), -127, 127).astype(np.int8)


def compare(vectors: int, rows: int, columns: int) -> Iterator[tuple[str, float, float, float]]:
    """For each kernel on one layer: its name, time, conversions in that time, and time of the matrix product."""
    x, weights, errors = operands(vectors, rows, columns)
    real_x, real_errors = x.astype(np.float32), errors.astype(np.float32)
    transposed, adc, counter = np.ascontiguousarray(weights.T), Quantiser(0.4, -32, 31), Quantiser(1.5, 0, 15)
    down, across, along = blocks(rows), blocks(columns), blocks(vectors)

    taken = cpu_time(lambda: compiled.bit_serial_mvm(x, weights, down, adc))
    yield "forward", taken, 8 * vectors * columns * (len(down) - 1), cpu_time(lambda: real_x @ weights)
    taken = cpu_time(lambda: compiled.bit_serial_mvm(errors, transposed, across, adc))
    yield "backward", taken, 14 * vectors * rows * (len(across) - 1), cpu_time(lambda: real_errors @ transposed)
    taken = cpu_time(lambda: compiled.weight_gradient(x, errors, along, counter))
    yield "weight_gradient", taken, 112 * rows * columns * (len(along) - 1), cpu_time(lambda: real_x.T @ real_errors)


def main() -> None:
    """Print one line for each kernel and layer."""
    compiled.set_threads(1)
    print(f"{'kernel':16} {'layer':14} {'time':>9} {'rate':>20} {'in sgemm':>9}")
    for layer, sizes in LAYERS.items():
        for kernel, taken, conversions, product in compare(*sizes):
            rate = f"{conversions / taken / 1e9:.2f} G conversions/s"
            print(f"{kernel:16} {layer:14} {taken * 1e3:6.2f} ms {rate:>20} {taken / product:9.1f}")

    shape = (512, 512)
    weights, written = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int32)
    amount = np.random.default_rng(1).normal(0, 0.05, shape).astype(np.float32)
    steps = affine_coefficients(load_device("rram").update, 60)
    taken = cpu_time(
        lambda: compiled.pulsed_update(
            weights, amount, steps, "stochastic", 0.003, False, Address(0, 0, 0), blocks(512), written
        )
    )
    print(f"{'pulsed_update':16} {'512 x 512':14} {taken * 1e3:6.2f} ms {weights.size / taken / 1e9:.2f} G cells/s")


if __name__ == "__main__":
    main()
