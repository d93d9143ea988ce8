"""Data sets in their official layouts."""

from cimest.datasets.dataset import DATASETS, Data, Dataset
from cimest.datasets.download import fetch

__all__ = ["DATASETS", "Data", "Dataset", "fetch"]
