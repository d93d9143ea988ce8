"""No data: the shape of samples alone, so that a network can be priced for data that are not at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from cimest.datasets.dataset import DATASETS, Data
from cimest.network import Shape

Size = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class NoData:
    """What an estimate needs to know of a data set.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of a sample; a sequence of tokens is [1, steps, 1], of vectors [features, steps, 1].
    classes : int
    samples : int
        Training samples of an epoch.
    vocabulary : int
        Different tokens; 0: samples are images or vectors.
    """

    shape: tuple[Size, Size, Size]
    classes: Size
    samples: Size
    vocabulary: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    @property
    def train(self) -> int:
        """Training samples."""
        return self.samples

    @property
    def test(self) -> int:
        """As many as there are to train."""
        return self.samples

    def load(self, path: str | None = None, train: int | None = None, test: int | None = None) -> Data:
        """There is nothing to load.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError("the data set `none` has no data to train on: `cimest estimate` prices such an experiment")


SAMPLE: Shape = (1, 1, 1)

DATASETS.register("none")(NoData(SAMPLE, classes=1, samples=1))
