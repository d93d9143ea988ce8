"""What a data set is: images with labels, in two parts, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cimest.network import Shape
from hwlib.registry import Registry


@dataclass(frozen=True)
class Data:
    """Images and labels.

    Parameters
    ----------
    train_images, test_images : array of uint8, shape (samples, channels, height, width)
    train_labels, test_labels : array of int64, shape (samples,)
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


class Dataset(Protocol):
    """A data set of the registry: the shape of a sample, the number of classes, and how many samples each part has."""

    shape: Shape
    classes: int
    train: int
    test: int

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
