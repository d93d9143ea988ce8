"""Statistics that pass from the simulator to the estimate: what the data made the hardware do."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from cimest.network import Network
from hwlib.component import Real

UNBOUNDED = frozenset(
    {
        *("forward_reads", "backward_reads", "pulses_up", "pulses_down", "longest_up", "longest_down", "most_written"),
        *("write_rounds", "train_slots", "transfer_pulses", "transfer_slots"),
    }
)
"""Entries of `LayerActivity` that are no fractions."""


@dataclass(frozen=True)
class LayerActivity:
    """What one layer's data looked like, averaged over the measured samples; every entry from 0 to 1 unless said.

    Parameters
    ----------
    input_ones : float
        Probability that a bit of an input (activation) is one, mean over the bits.
    error_ones : float
        Probability that a line is driven in one cycle of an error vector, mean over the cycles.
    input_zeros, error_zeros : float
        Fraction of inputs, and of errors at the layer's output, that are zero.
    input_power, error_power : float
        Mean square of the level of a line over its full scale, where whole vectors are read.
    forward_reads, backward_reads : float
        Mean reads of a vector, those with them that repeat one (not bounded by 1).
    conductance : float
        Mean conductance of the cells, from 0 (smallest) to 1 (largest).
    updated_up, updated_down : float
        Fraction of cells that an update pulses up (potentiation) and down (depression).
    pulses_up, pulses_down : float
        Mean number of pulses of those cells (1 or more, or 0 where none is updated).
    longest_up, longest_down : float
        Largest number of pulses in a row of an array (sets its write time), mean over all rows, written or not.
    rows_written : float
        Fraction of array rows that an update writes at all.
    most_written : float, or array where chips are swept and it follows from what is priced
        Pulses per update of the most pulsed cell (not bounded by 1); sets the lifetime. Where each image changes the
        weights, pulses per batch.
    write_rounds : float
        Writes of a row, where they are verified, until it holds what it should (not bounded by 1; 0: not measured,
        and then `chip.write.rounds`). Cells and pulses above are those of all rounds together.
    train_slots : float
        Slots of a vector's pulse trains, where outer products are pulsed in the arrays (not bounded by 1; 0: not
        measured, and then what follows of the trains is not used either).
    train_rows, train_columns : float
        Fraction of lines on either side that fire in a slot.
    train_coincidences : float
        Fraction of cells both of whose lines fire in a slot.
    transferred : float
        Fraction of the values read from a fast array that become pulses on the weights.
    transfer_pulses : float
        Mean number of those pulses (not bounded by 1).
    transfer_slots : float
        Slots in which a row of the weights is written by them, one direction after the other (not bounded by 1).
    transfer_rows : float
        Fraction of those rows that get any (0: not measured, and then as if pulses fell on cells independently).
    """

    input_ones: float = 0.25
    error_ones: float = 0.1
    input_zeros: float = 0.4
    error_zeros: float = 0.4
    input_power: float = 0.1
    error_power: float = 0.05
    forward_reads: float = 1.0
    backward_reads: float = 1.0
    conductance: float = 0.5
    updated_up: float = 0.05
    updated_down: float = 0.05
    pulses_up: float = 1.5
    pulses_down: float = 1.5
    longest_up: float = 4.0
    longest_down: float = 4.0
    rows_written: float = 1.0
    most_written: Real = 0.5
    write_rounds: float = 0.0
    train_slots: float = 0.0
    train_rows: float = 0.0
    train_columns: float = 0.0
    train_coincidences: float = 0.0
    transferred: float = 0.01
    transfer_pulses: float = 1.0
    transfer_slots: float = 2.0
    transfer_rows: float = 0.0


@dataclass(frozen=True)
class Activity:
    """Activity of every layer with weights, and where it comes from.

    Parameters
    ----------
    origin : str
        `default`, or how it was measured; a result shows it.
    layers : dict
        Layer name to `LayerActivity`.
    recorded : bool
        Whether it comes from a file, so that nobody knows for which design.
    """

    origin: str
    layers: dict[str, LayerActivity] = field(default_factory=dict)
    recorded: bool = False

    @classmethod
    def default(cls, network: Network) -> Activity:
        """Assumed activity, for an estimate without a run (our choice; see the defaults of `LayerActivity`)."""
        return cls("default", {layer.name: LayerActivity() for layer in network.matrices})

    def save(self, path: Path) -> None:
        """Write as JSON."""
        layers = {name: asdict(layer) for name, layer in self.layers.items()}
        path.write_text(json.dumps({"origin": self.origin, "layers": layers}, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path, network: Network) -> Activity:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is none of activity, lacks a layer of the network, or holds an unknown or impossible entry.
        """
        path = path / "activity.json" if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{path.parent} is no folder of a run: it holds no {path.name}") from None
        except ValueError as problem:
            raise ValueError(f"{path} holds no activity ({problem})") from None
        if not isinstance(data, dict) or not isinstance(data.get("layers"), dict) or "origin" not in data:
            raise ValueError(f"{path} holds no activity: origin and layers, as `activity.json` of a run has them")
        known = {entry.name for entry in fields(LayerActivity)}
        layers = {}
        for name in (layer.name for layer in network.matrices):
            if name not in data["layers"]:
                raise ValueError(f"{path}: no activity for layer {name!r}; it holds {', '.join(data['layers'])}")
            if unknown := set(data["layers"][name]) - known:
                raise ValueError(f"{path}: unknown entries {sorted(unknown)} in layer {name!r}")
            layers[name] = LayerActivity(**data["layers"][name])
            for key, value in data["layers"][name].items():
                most = math.inf if key in UNBOUNDED else 1.0
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
                    raise ValueError(f"{path}: {key} of layer {name!r} is {value!r}; allowed: 0 to {most:g}")
        return cls(f"{data['origin']} ({path.name})", layers, recorded=True)
