"""What a data set is: images or sequences with labels, in two parts, and where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cimest.network import Shape
from hwlib.registry import Registry


@dataclass(frozen=True)
class Data:
    """Samples and labels.

    Parameters
    ----------
    train_images, test_images : array, shape (samples, channels, height, width)
        Images as uint8, or the tokens of sequences as int32, shape (samples, 1, steps, 1).
    train_labels, test_labels : array of int64, shape (samples,) or (samples, steps)
        One label for a sample, or one for each step of a sequence.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def first(self, train: int | None, test: int | None) -> Data:
        """The first `train` and `test` samples; None takes all.

        Raises
        ------
        ValueError
            If there are not that many.
        """
        for part, wanted, labels in (("train", train, self.train_labels), ("test", test, self.test_labels)):
            if wanted is not None and wanted > len(labels):
                raise ValueError(f"dataset.{part}: {wanted} images wanted, but there are {len(labels)}")
        return Data(
            self.train_images[:train], self.train_labels[:train], self.test_images[:test], self.test_labels[:test]
        )

    def held_out(self, count: int | None) -> Data:
        """The last `count` training samples in place of the test samples, for choices made before a test; None: as is.

        Raises
        ------
        ValueError
            If no training sample would be left.
        """
        if count is None:
            return self
        if count >= len(self.train_labels):
            raise ValueError(f"dataset.validation: {count} images held out of {len(self.train_labels)} leave none")
        return Data(
            self.train_images[:-count],
            self.train_labels[:-count],
            self.train_images[-count:],
            self.train_labels[-count:],
        )


class Dataset(Protocol):
    """A data set of the registry: a frozen dataclass of its options.

    It tells the shape of a sample, the number of classes, how many samples each part has, and of how many words the
    tokens of sequences are (0: samples are images).
    """

    @property
    def shape(self) -> Shape: ...

    @property
    def classes(self) -> int: ...

    @property
    def train(self) -> int: ...

    @property
    def test(self) -> int: ...

    @property
    def vocabulary(self) -> int: ...

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """Read the files.

        Parameters
        ----------
        path : str, optional
            Folder with the official files; none: where `fetch` puts them.
        train, test : int, optional
            Number of samples of each part; none: all.

        Raises
        ------
        FileNotFoundError
            If files are missing; the message says how to get them.
        ValueError
            If a file is not in the official layout, or has fewer samples than wanted.
        """


DATASETS: Registry[Dataset] = Registry("data set", "cimest.datasets")


def choose(name: str, options: Mapping[str, Any]) -> Dataset:
    """The data set of that name with options of its own.

    Raises
    ------
    UnknownName
        If no data set has the name.
    TypeError
        If it has no such option.
    """
    return replace(DATASETS.get(name), **options)  # type: ignore[type-var]


def folder(name: str, path: str | Path | None) -> Path:
    """The folder of a data set: the given one, or the user's cache."""
    if path is not None:
        return Path(path).expanduser()
    import pooch

    return Path(pooch.os_cache("cimest")) / name


def missing(name: str, place: Path, files: str) -> FileNotFoundError:
    """The error that says which files belong where, and how to get them."""
    return FileNotFoundError(
        f"no {name} in {place}: run `cimest data fetch {name}`, or put {files} there (dataset.path)"
    )
