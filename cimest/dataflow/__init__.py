"""The training step as a schedule of passes, and how often it makes each part of the chip act."""

from cimest.config.schedule import Schedule, conflicts, resolve
from cimest.dataflow.design import Design
from cimest.dataflow.step import training_step

__all__ = ["Design", "Schedule", "conflicts", "resolve", "training_step"]
