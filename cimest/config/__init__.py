"""Experiments: their schema and the loader that says what is wrong and where."""

from cimest.config.schema import Experiment

__all__ = ["Experiment"]
