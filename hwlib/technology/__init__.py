"""One node's transistors, wires and supply."""

from hwlib.technology.technology import Technology, load_technology, technology_names

__all__ = ["Technology", "load_technology", "technology_names"]
