"""Data sets in their official layouts."""

from cimest.datasets.dataset import DATASETS, Data, Dataset, choose
from cimest.datasets.download import fetch

__all__ = ["DATASETS", "Data", "Dataset", "choose", "fetch"]
