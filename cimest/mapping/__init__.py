"""Weights on the chip: blocks, arrays, PEs, tiles, and the chip's inventory."""

from cimest.mapping.blocks import column_edges, gradient_edges, row_edges, stored_edges
from cimest.mapping.floorplan import FloorPlan, Placement, place

__all__ = ["FloorPlan", "Placement", "column_edges", "gradient_edges", "place", "row_edges", "stored_edges"]
