"""Experiments: their schema and the loader that says what is wrong and where."""

from cimest.config.loader import load
from cimest.config.messages import ConfigError
from cimest.config.schema import Experiment

__all__ = ["ConfigError", "Experiment", "load"]
