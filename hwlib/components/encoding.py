"""How a signed weight becomes conductances: how many cells it takes and which reference lines."""

from __future__ import annotations

from dataclasses import dataclass

from hwlib.registry import UnknownName


@dataclass(frozen=True)
class Encoding:
    """One way to write a signed weight into cells, which lie side by side in a row.

    Parameters
    ----------
    cells_per_weight : int
    reference_lines : int
        Lines of cells at mid conductance that an array needs on each side, whose current is subtracted.
    source : str
        Key of sources.yaml.
    """

    cells_per_weight: int
    reference_lines: int
    source: str


ENCODINGS = {
    "reference_column": Encoding(cells_per_weight=1, reference_lines=1, source="own_choice"),
    "differential_pair": Encoding(cells_per_weight=2, reference_lines=0, source="mackin2022programming"),
    "two_pairs": Encoding(cells_per_weight=4, reference_lines=0, source="mackin2022programming"),
}
"""By definition: one cell against a shared reference; G+ - G-; and F (G+ - G-) + (g+ - g-), F made by longer reads."""


def load_encoding(name: str) -> Encoding:
    """An encoding by name; raises `UnknownName` for an unknown one."""
    if name not in ENCODINGS:
        raise UnknownName("encoding", name, ENCODINGS)
    return ENCODINGS[name]
