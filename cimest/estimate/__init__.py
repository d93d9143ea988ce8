"""From action counts and costs to energy, latency, area and the figures of merit."""

from cimest.estimate.estimate import Estimate, price
from cimest.estimate.metrics import energies, metrics, operations

__all__ = ["Estimate", "energies", "metrics", "operations", "price"]
