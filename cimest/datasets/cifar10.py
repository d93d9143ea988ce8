"""CIFAR-10: 50 000 and 10 000 colour images of 32x32, in the binary or the Python layout of A. Krizhevsky."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cimest.datasets.dataset import DATASETS, Data, folder, missing
from cimest.network import Shape

RECORD = 1 + 3 * 32 * 32
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = ("test_batch",)


def read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a binary file: records of a label and 3 072 bytes of red, green and blue."""
    raw = np.fromfile(path, dtype=np.uint8)
    if len(raw) == 0 or len(raw) % RECORD:
        raise ValueError(f"{path} does not consist of records of {RECORD} bytes")
    records = raw.reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


ARRAY_PARTS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""All that a pickled array asks for, by module and name."""


class _ArraysOnly(pickle.Unpickler):
    """Reads arrays and refuses everything else, since a pickle can name any code to run."""

    def find_class(self, module: str, name: str):
        if (module, name) in ARRAY_PARTS:
            return super().find_class(module, name)
        raise ValueError(f"the file asks for {module}.{name}, which no CIFAR-10 file does")


def read_pickle(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a file of the Python layout."""
    with path.open("rb") as file:
        table = _ArraysOnly(file, encoding="bytes").load()
    return table[b"data"].reshape(-1, 3, 32, 32), np.array(table[b"labels"], dtype=np.int64)


def averaged(images: np.ndarray, size: int) -> np.ndarray:
    """Square images (samples, channels, height, width) of uint8 made smaller: the rounded mean of each block."""
    count, channels, height, _ = images.shape
    block = height // size
    if block == 1:
        return images
    sums = images.reshape(count, channels, size, block, size, block).sum(axis=(3, 5), dtype=np.uint32)
    return ((sums + block**2 // 2) // block**2).astype(np.uint8)


@dataclass(frozen=True)
class Cifar10:
    """The full data set.

    Parameters
    ----------
    size : {32, 16, 8, 4}
        Height and width; smaller images are the means of square blocks of the original ones.
    """

    size: Literal[32, 16, 8, 4] = 32

    classes = 10
    vocabulary = 0
    train, test = 50_000, 10_000

    @property
    def shape(self) -> Shape:
        """Three colours."""
        return 3, self.size, self.size

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """See `Dataset.load`; the folder holds the files, or `cifar-10-batches-bin` or `-py` with them."""
        top = folder("cifar10", path)
        for place in (top, top / "cifar-10-batches-bin", top / "cifar-10-batches-py"):
            for ending, reader in ((".bin", read_binary), ("", read_pickle)):
                if (place / (TEST[0] + ending)).is_file():
                    return self._read(place, ending, reader).first(train, test)
        raise missing("cifar10", top, "the folder cifar-10-batches-bin or cifar-10-batches-py")

    def _read(self, place: Path, ending: str, reader) -> Data:
        parts: list[np.ndarray] = []
        for names in (TRAIN, TEST):
            files = [place / (name + ending) for name in names]
            if lacking := [file.name for file in files if not file.is_file()]:
                raise missing("cifar10", place, ", ".join(lacking))
            images, labels = zip(*(reader(file) for file in files), strict=True)
            parts += [averaged(np.concatenate(images), self.size), np.concatenate(labels)]
        return Data(*parts)


DATASETS.register("cifar10")(Cifar10())
