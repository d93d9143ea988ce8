"""The training step as a schedule of passes, and how often it makes each part of the chip act."""

from cimest.dataflow.design import Design
from cimest.dataflow.schedule import Schedule, resolve
from cimest.dataflow.step import training_step

__all__ = ["Design", "Schedule", "resolve", "training_step"]
