"""From action counts and costs to energy, latency, area and the figures of merit."""

from cimest.estimate.estimate import Estimate, price
from cimest.estimate.metrics import energies, metrics, operations
from cimest.estimate.pipeline import Pipeline

__all__ = ["Estimate", "Pipeline", "energies", "metrics", "operations", "price"]
