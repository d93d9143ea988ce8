"""Reads measured pulse data: a table of conductances after pulses up and down becomes runs of one direction."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwlib.registry import suggestion
from hwlib.units import parse

UP = {"up", "+", "+1", "1", "potentiation", "ltp", "set", "p"}
DOWN = {"down", "-", "-1", "depression", "ltd", "reset", "d"}
COLUMNS = ("pulse", "conductance", "direction", "up", "down")

LARGEST = 1.0
"""Conductance above which a column is taken to be in another unit (our choice: cells stay below a millisiemens). [S]"""

UNIT = re.compile(r"^(?P<name>[a-z]+)\s*(?:[_ ]\s*(?P<after>[a-zµμ]+)|[\[(]\s*(?P<inside>[a-zµμ]+)\s*[\])])?$", re.I)
"""`conductance`, `conductance_uS`, `conductance [uS]`, `conductance (uS)`."""


class BadPulseData(ValueError):
    """What is wrong with a table of pulses: one line for each problem, with the line of the file."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Run:
    """A series of pulses in one direction on one cell.

    Parameters
    ----------
    up : bool
        Direction.
    pulses : array of int
        Pulses fired since the start, at each measurement; the first is 0.
    conductance : array
        Measured then. [S]
    """

    up: bool
    pulses: np.ndarray
    conductance: np.ndarray


def read_pulses(path: str | Path) -> list[Run]:
    """Runs of a CSV file.

    Parameters
    ----------
    path : str or Path
        A header, then one row for each measurement, in one of two forms. `pulse, conductance, direction`: number
        of the pulse, conductance after it, and its direction; rows are in the order of time. Where the direction
        changes, the run starts from the row before; where the number does not grow, a new cell or cycle
        starts with the conductance of that row. `pulse, up, down`: conductances of two separate series,
        from their first row on; a series may be shorter and leave its cells empty. A conductance is in siemens
        or in the unit of its header, such as `conductance_uS`. Lines that start with # are skipped.

    Raises
    ------
    BadPulseData
        With every problem of the file.
    FileNotFoundError
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
    rows = [(number, [cell.strip() for cell in row]) for number, row in _split(lines)]
    if not rows:
        raise BadPulseData([f"{path}:1: the file is empty; write a header such as pulse,conductance_uS,direction"])
    table = _Table(str(path))
    columns = table.header(*rows[0])
    if not table.problems:
        table.read(columns, rows[1:])
        runs = table.two_series() if "up" in columns else table.one_series()
        if not table.problems and {run.up for run in runs} != {True, False}:
            table.note(rows[-1][0], "there must be at least two measurements in each direction, up and down")
        if not table.problems and all(_rises(runs, up) == (-1 if up else 1) for up in (True, False)):
            table.note(rows[0][0], "pulses up lower the conductance and pulses down raise it: are they swapped?")
    if table.problems:
        raise BadPulseData(table.problems)
    return runs


def _split(lines: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    return [(number, next(csv.reader([line], skipinitialspace=True))) for number, line in lines]


class _Table:
    """The rows as they are read, and what is wrong with them."""

    def __init__(self, path: str):
        self.path = path
        self.problems: list[str] = []
        self.scales: dict[str, float] = {}
        self.rows: list[tuple[int, dict[str, float]]] = []

    def note(self, line: int, message: str) -> None:
        self.problems.append(f"{self.path}:{line}: {message}")

    def header(self, line: int, cells: list[str]) -> list[str]:
        """Names of the columns; the unit of each is kept."""
        names = []
        for cell in cells:
            match = UNIT.match(cell)
            name = match["name"].lower() if match else cell
            unit = (match["after"] or match["inside"]) if match else None
            if name not in COLUMNS:
                self.note(line, f"no column is named {cell!r}; {suggestion(name, COLUMNS)}")
            elif unit and name in ("pulse", "direction"):
                self.note(line, f"{name} has no unit, but the header says {cell!r}")
            elif unit:
                try:
                    self.scales[name] = parse(f"1 {unit}", "S")
                except ValueError as error:
                    self.note(line, f"column {cell!r}: {error}")
            if name in names:
                self.note(line, f"the column {name} is there twice")
            names.append(name)
        if not self.problems and set(names) not in ({"pulse", "conductance", "direction"}, {"pulse", "up", "down"}):
            wanted = "pulse,conductance,direction or pulse,up,down"
            self.note(line, f"the columns are {','.join(names)}; they must be {wanted}")
        return names

    def read(self, columns: list[str], rows: list[tuple[int, list[str]]]) -> None:
        """Numbers of the rows; a direction is 1 or -1, an empty cell of a series is left out."""
        for line, cells in rows:
            if len(cells) != len(columns):
                self.note(line, f"{len(cells)} cells, but the header has {len(columns)}")
                continue
            values = {}
            for name, cell in zip(columns, cells, strict=True):
                if name in ("up", "down") and not cell:
                    continue
                value = self._direction(line, cell) if name == "direction" else self._number(line, name, cell)
                if value is not None:
                    values[name] = value
            self.rows.append((line, values))

    def _direction(self, line: int, cell: str) -> float | None:
        if cell.lower() in UP:
            return 1.0
        if cell.lower() in DOWN:
            return -1.0
        self.note(line, f"direction {cell!r} is neither up nor down")
        return None

    def _number(self, line: int, name: str, cell: str) -> float | None:
        try:
            value = float(cell)
        except ValueError:
            self.note(line, f"{name} {cell!r} is not a number")
            return None
        if name == "pulse":
            if value < 0 or value != round(value):
                self.note(line, f"pulse {cell} is not a whole number of 0 or more")
                return None
        elif not (np.isfinite(value) and value > 0):
            self.note(line, f"{name} {cell} is not a conductance above 0")
            return None
        elif value * self.scales.get(name, 1.0) > LARGEST:
            self.note(line, f"{name} {cell} is more than a siemens: give its unit in the header, as in conductance_uS")
            return None
        return value * self.scales.get(name, 1.0)

    def one_series(self) -> list[Run]:
        """Runs of the form with a direction in each row."""
        complete = [values for _, values in self.rows if len(values) == 3]
        runs: list[list[tuple[float, float]]] = []
        directions: list[bool] = []
        before: dict[str, float] = {}
        for values in complete:
            point, up = (values["pulse"], values["conductance"]), values["direction"] > 0
            if not before or values["pulse"] <= before["pulse"]:
                runs.append([point])
                directions.append(up)
            elif values["direction"] != before["direction"]:
                if len(runs[-1]) == 1:  # the series began with a state, whose direction says nothing
                    directions[-1] = up
                    runs[-1].append(point)
                else:
                    runs.append([(before["pulse"], before["conductance"]), point])
                    directions.append(up)
            else:
                runs[-1].append(point)
            before = values
        return [_run(up, points) for up, points in zip(directions, runs, strict=True) if len(points) > 1]

    def two_series(self) -> list[Run]:
        """Runs of the form with a column for each direction; pulse numbers of a series must grow."""
        runs = []
        for name in ("up", "down"):
            points: list[tuple[float, float]] = []
            for line, values in self.rows:
                if name in values and "pulse" in values:
                    if points and values["pulse"] <= points[-1][0]:
                        self.note(line, f"pulse {values['pulse']:g} does not come after {points[-1][0]:g}")
                    points.append((values["pulse"], values[name]))
            if len(points) > 1:
                runs.append(_run(name == "up", points))
        return runs


def _rises(runs: list[Run], up: bool) -> int:
    """Sign of what the runs in a direction change the conductance by, all together."""
    return int(np.sign(sum(run.conductance[-1] - run.conductance[0] for run in runs if run.up == up)))


def _run(up: bool, points: list[tuple[float, float]]) -> Run:
    pulses, conductance = np.array(points).T
    return Run(up, (pulses - pulses[0]).astype(int), conductance)
