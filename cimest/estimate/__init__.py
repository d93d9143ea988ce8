"""From action counts and costs to energy, latency, area and the figures of merit."""

from cimest.estimate.calibration import calibrated, factors
from cimest.estimate.estimate import Estimate, price
from cimest.estimate.macro import macro
from cimest.estimate.metrics import energies, metrics, operations
from cimest.estimate.pipeline import Pipeline
from cimest.estimate.uncertainty import described, ranges

__all__ = [
    "Estimate",
    "Pipeline",
    "calibrated",
    "described",
    "energies",
    "factors",
    "macro",
    "metrics",
    "operations",
    "price",
    "ranges",
]
