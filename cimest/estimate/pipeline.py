"""Images that follow one another through the layers: which resource sets the pace, and which times remain exposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cimest.mapping.part import TILE_PARTS
from hwlib.component import Real

Cell = tuple[str, str, str]
"""Layer, pass, component."""

ON_TILES = ("forward", "backward")
"""Passes that occupy a layer's tiles."""


@dataclass(frozen=True)
class Pipeline:
    """How a batch flows.

    Weights change only between batches, so that the pipeline fills and drains once for each.

    Parameters
    ----------
    batch : int
    waits : mapping
        Layer to 1 where its weight gradient waits for the whole batch, 0 where it follows each image.
    """

    batch: int
    waits: Mapping[str, Real]

    def flowing(self, layer: str, pass_: str) -> Real:
        """Share of a pass that is part of the pipeline; the rest follows once all images are through."""
        if pass_ in ON_TILES:
            return 1.0
        return 1.0 - self.waits[layer] if pass_ == "weight_gradient" else 0.0

    def stages(self, exposed: Mapping[Cell, Real], busy: Mapping[Cell, Real]) -> dict[str, dict[Cell, Real]]:
        """What works side by side, with the time that each image takes of it.

        Each layer's tiles have one image at a time, forward or backward; the weight-gradient unit serves one layer
        after the other; and every shared component is busy for its own time in all passes.
        """
        found: dict[str, dict[Cell, Real]] = {}
        for (layer, pass_, part), time in exposed.items():
            share = self.flowing(layer, pass_)
            stage = f"tiles of {layer}" if pass_ in ON_TILES else "weight-gradient unit"
            found.setdefault(stage, {})[layer, pass_, part] = share * time
        for (layer, pass_, part), time in busy.items():
            if part not in TILE_PARTS:
                found.setdefault(part, {})[layer, pass_, part] = self.flowing(layer, pass_) * time
        return found

    def exposed(
        self, alone: Mapping[Cell, Real], busy: Mapping[Cell, Real]
    ) -> tuple[dict[Cell, Real], dict[str, Real]]:
        """Times of one sample in a full batch, which sum to the batch's time over its size, and of each stage.

        A batch takes the whole way of its first image, then for each other one the time of the slowest stage; so the
        slowest stage shows with every image, the others with the first only.

        Parameters
        ----------
        alone : mapping
            Exposed time of each cell for one sample without pipelining. [s]
        busy : mapping
            Time that each cell's component works, hidden or not. [s]
        """
        stages = self.stages(alone, busy)
        times: dict[str, Real] = {name: sum(cells.values()) for name, cells in stages.items()}
        interval: Real = np.max(np.stack(np.broadcast_arrays(*times.values())), axis=0)
        first = 1 / self.batch
        shown = {}
        for cell, time in alone.items():
            share = self.flowing(*cell[:2])
            shown[cell] = share * time * first + (1 - share) * time
        free: Real = 1.0  # 0 once a slowest stage has been found, so that of two alike one counts
        for name, cells in stages.items():
            slowest: Real = free * np.asarray(times[name] >= interval, dtype=float)
            free = free - slowest
            for cell, time in cells.items():
                shown[cell] = shown.get(cell, 0.0) + slowest * time * (1 - first)
        return shown, times
