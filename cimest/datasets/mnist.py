"""MNIST: 60 000 and 10 000 handwritten digits in the IDX files of LeCun et al."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cimest.datasets.dataset import DATASETS, Data, folder, missing

UNSIGNED_BYTES = 0x08


def read_idx(path: Path) -> np.ndarray:
    """An array of bytes from an IDX file: two zeros, type, number of dimensions, big-endian sizes, data.

    Raises
    ------
    ValueError
        If the file is no IDX file of bytes, or ends early.
    """
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != UNSIGNED_BYTES:
        raise ValueError(f"{path} is not an IDX file of bytes")
    start = 4 + 4 * raw[3]
    shape = tuple(int(size) for size in np.frombuffer(raw[4:start], dtype=">u4"))
    if len(raw) - start != int(np.prod(shape)):
        raise ValueError(f"{path} should hold {int(np.prod(shape))} bytes of data, but holds {len(raw) - start}")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


@dataclass(frozen=True)
class Mnist:
    """The full data set."""

    shape = (1, 28, 28)
    classes = 10
    vocabulary = 0
    train, test = 60_000, 10_000

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """See `Dataset.load`; files may be gzipped or not."""
        place = folder("mnist", path)

        def read(name: str) -> np.ndarray:
            for file in (place / name, place / f"{name}.gz"):
                if file.is_file():
                    return read_idx(file)
            raise missing("mnist", place, f"{name} or {name}.gz")

        parts = [
            (read(f"{part}-images-idx3-ubyte")[:, None], read(f"{part}-labels-idx1-ubyte").astype(np.int64))
            for part in ("train", "t10k")
        ]
        return Data(*parts[0], *parts[1]).first(train, test)


DATASETS.register("mnist")(Mnist())
