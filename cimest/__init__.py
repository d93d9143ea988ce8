"""cimest: how well a network learns on a compute-in-memory chip, and what that costs, from one run."""

__version__ = "0.6.0"
