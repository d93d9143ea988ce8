"""Counts times costs: energy and time of each layer, pass and component, area and leakage of each component."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass

import numpy as np

from cimest.actions import PASSES, Action
from cimest.estimate.pipeline import ON_TILES, Cell, Pipeline
from cimest.mapping.part import TILE_PARTS, Part
from hwlib.component import Component, Cost, Real
from hwlib.technology import Technology


@dataclass(frozen=True)
class Estimate:
    """What one training sample costs, and what the chip takes.

    Parameters
    ----------
    layers : tuple of str
    energy, latency, count : dict
        Cell to dynamic energy [J], exposed time [s] and number of actions, all per training sample.
    area, leakage : dict
        Component to silicon area [m²] and leakage power [W], all instances together.
    boundary : dict
        Component to the smallest boundary that includes it.
    alone : dict
        Cell to exposed time of a sample that no other sample overlaps; equals `latency` without pipelining. [s]
    pipeline : Pipeline or None
        How samples follow one another.
    stages : dict
        In a pipeline, what works side by side to the time that a sample takes of it. [s]
    idle : dict or None
        Under the accounting of DNN+NeuroSim, layer to the share of tiles that leak while it is read, and nothing else.
    """

    layers: tuple[str, ...]
    boundary: dict[str, str]
    area: dict[str, Real]
    leakage: dict[str, Real]
    energy: dict[Cell, Real] = field(default_factory=dict)
    latency: dict[Cell, Real] = field(default_factory=dict)
    count: dict[Cell, Real] = field(default_factory=dict)
    alone: dict[Cell, Real] = field(default_factory=dict)
    pipeline: Pipeline | None = None
    stages: dict[str, Real] = field(default_factory=dict)
    idle: Mapping[str, Real] | None = None

    def time(self, layer: str | None = None, pass_: str | None = None) -> Real:
        """Exposed time of a training sample, of one layer or pass or of all. [s]"""
        return sum(
            value
            for (its_layer, its_pass, _), value in self.latency.items()
            if layer in (None, its_layer) and pass_ in (None, its_pass)
        )

    def leakage_energy(self) -> dict[Cell, Real]:
        """Energy that each component leaks during each layer's passes: every part is powered all the time. [J]

        See `idle` for the one exception.
        """
        times: dict[tuple[str, str], Real] = {}
        for (layer, pass_, _), latency in self.latency.items():
            times[layer, pass_] = times.get((layer, pass_), 0.0) + latency
        if self.idle is not None:
            return {
                (layer, pass_, part): power * time * self.idle[layer]
                for (layer, pass_), time in times.items()
                for part, power in self.leakage.items()
                if part in TILE_PARTS and pass_ in ON_TILES
            }
        return {
            (layer, pass_, part): power * time
            for (layer, pass_), time in times.items()
            for part, power in self.leakage.items()
        }

    def leaked(self) -> Real:
        """Sum of `leakage_energy`. [J]"""
        return sum(self.leakage_energy().values()) if self.idle else sum(self.leakage.values()) * self.time()

    def dataset(self):
        """The estimate as an `xarray.Dataset` with dimensions layer, pass and component."""
        import xarray as xr

        components = list(self.boundary)
        index = {name: i for i, name in enumerate(components)}
        shape = (len(self.layers), len(PASSES), len(components))

        def filled(cells: Mapping[Cell, Real]) -> np.ndarray:
            values = np.zeros(shape)
            for (layer, pass_, part), value in cells.items():
                values[self.layers.index(layer), PASSES.index(pass_), index[part]] = value
            return values

        dims = ("layer", "pass", "component")
        tables = {
            "energy": (self.energy, "J", "dynamic energy per training sample"),
            "leakage_energy": (self.leakage_energy(), "J", "leakage energy per training sample"),
            "latency": (self.latency, "s", "exposed time per training sample"),
            "count": (self.count, "1", "actions per training sample"),
            "alone": (self.alone, "s", "exposed time of a sample that no other overlaps"),
        }
        variables = {
            name: (dims, filled(cells), {"units": unit, "long_name": text})
            for name, (cells, unit, text) in tables.items()
        }
        per_component = {
            "area": ("component", [float(self.area[name]) for name in components], {"units": "m²"}),
            "leakage": ("component", [float(self.leakage[name]) for name in components], {"units": "W"}),
        }
        coordinates = {
            "layer": list(self.layers),
            "pass": list(PASSES),
            "component": components,
            "boundary": ("component", [self.boundary[name] for name in components]),
        }
        slowest = max(self.stages, key=lambda name: float(self.stages[name]), default="")
        pace = {"slowest": slowest, "interval": float(self.stages[slowest])} if slowest else {}
        return xr.Dataset({**variables, **per_component}, coords=coordinates, attrs=pace)


def price(
    actions: Iterable[Action],
    parts: Mapping[str, Part],
    tech: Technology,
    layers: tuple[str, ...],
    overlap: bool,
    pipeline: Pipeline | None = None,
    idle: Mapping[str, Real] | None = None,
) -> Estimate:
    """Price a table of action counts.

    Parameters
    ----------
    actions : iterable of Action
    parts : mapping
        The chip's inventory.
    tech : Technology
    layers : tuple of str
        Names in order.
    overlap : bool
        Whether the transfers of a layer's pass hide behind its computation. Then only what they take
        longer shows, shared among them in proportion.
    pipeline : Pipeline, optional
        How samples of a batch overlap; without it one follows the other.
    idle : mapping, optional
        See `Estimate`.
    """
    estimate = Estimate(
        layers=layers,
        boundary={name: part.boundary for name, part in parts.items()},
        area={name: part.count * part.component.area(tech) for name, part in parts.items()},
        leakage={name: part.count * part.component.leakage(tech) for name, part in parts.items()},
        pipeline=pipeline,
        idle=idle,
    )
    alone = estimate.alone
    busy: dict[Cell, Real] = {}
    compute: dict[tuple[str, str], Real] = {}
    transfers: dict[Cell, Real] = {}
    for row, cost in costs(actions, parts, tech):
        cell = (row.layer, row.pass_, row.part)
        estimate.energy[cell] = estimate.energy.get(cell, 0.0) + row.count * cost.energy
        estimate.count[cell] = estimate.count.get(cell, 0.0) + row.count
        time = duration(row, cost, parts[row.part].component, tech)
        busy[cell] = busy.get(cell, 0.0) + time
        if row.transfer:
            transfers[cell] = transfers.get(cell, 0.0) + time
        else:
            alone[cell] = alone.get(cell, 0.0) + time
            compute[cell[:2]] = compute.get(cell[:2], 0.0) + time
    totals: dict[tuple[str, str], Real] = {}
    for cell, time in transfers.items():
        totals[cell[:2]] = totals.get(cell[:2], 0.0) + time
    for cell, time in transfers.items():
        total = totals[cell[:2]]
        hidden = np.minimum(total, compute.get(cell[:2], 0.0)) if overlap else 0.0
        shown = time * (total - hidden) / np.maximum(total, 1e-30)
        alone[cell] = alone.get(cell, 0.0) + shown
    if pipeline is None:
        estimate.latency.update(alone)
    else:
        shown, stages = pipeline.exposed(alone, busy)
        estimate.latency.update(shown)
        estimate.stages.update(stages)
    return estimate


def costs(actions: Iterable[Action], parts: Mapping[str, Part], tech: Technology) -> Iterator[tuple[Action, Cost]]:
    """Each row with the cost of one of its actions.

    Rows of the same action are priced in one call: their arguments become arrays with one more axis in front of
    those of the designs that are swept.
    """
    alike: dict[tuple[str, str], list[Action]] = {}
    for row in actions:
        alike.setdefault((row.part, row.action), []).append(row)
    for (part, action), rows in alike.items():
        component = parts[part].component
        swept = [_dimensions(component), _dimensions(tech)]
        swept += [np.ndim(value) for row in rows for value in row.arguments.values()]
        axes = max(swept)
        stacked = {name: _stack([row.arguments[name] for row in rows], axes) for name in rows[0].arguments}
        cost = component.cost(tech, action, **stacked)
        for i, row in enumerate(rows):
            energy, latency = (value[i] if np.ndim(value) > axes else value for value in (cost.energy, cost.latency))  # type: ignore[index]
            yield row, Cost(energy, latency)


def _dimensions(thing: object) -> int:
    """Most axes of an array among the fields of a dataclass, and of those that it holds."""
    return max(
        (_dimensions(value) if is_dataclass(value) else np.ndim(value) for value in vars(thing).values()), default=0
    )


def _stack(values: list[Real], axes: int) -> np.ndarray:
    """Values of several rows as one array whose first axis counts the rows, before `axes` axes of designs."""
    stacked = np.stack(np.broadcast_arrays(*values))
    return stacked.reshape(len(values), *(1,) * (axes + 1 - stacked.ndim), *stacked.shape[1:])


def duration(row: Action, cost: Cost, component: Component, tech: Technology) -> Real:
    """Time that a row of the table takes. [s]

    Pipelined actions start one in each clock cycle, or as often as the component can: one with a `cycle_time` has
    stages, any other is free again when it has finished. The latency of one is added once.
    """
    if row.time is not None:
        return row.serial * row.time
    if not row.pipelined:
        return row.serial * cost.latency
    free = component.cycle_time(tech) if hasattr(component, "cycle_time") else cost.latency
    return row.serial * np.maximum(1 / tech.clock, free) + np.minimum(row.serial, 1) * cost.latency
