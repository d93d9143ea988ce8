"""One node's transistors, wires and supply."""

from hwlib.technology.technology import Technology, load_technology, nodes_of, technology_names

__all__ = ["Technology", "load_technology", "nodes_of", "technology_names"]
