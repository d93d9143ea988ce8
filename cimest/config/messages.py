"""Problems of an input file: where each one is, what is wrong, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwlib.registry import closest


@dataclass(frozen=True)
class Place:
    """A point in an input file, or an option of the command line, which has no lines.

    Parameters
    ----------
    file : str
        Path as the user gave it, or the text of a `--set`.
    line, column : int, optional
        Both count from 1.
    """

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment.

    Parameters
    ----------
    place : Place
    path : str
        Key path such as `chip.adc.bits`; empty for the whole file.
    message : str
        What is wrong.
    hint : str
        What is allowed, and the closest name.
    value : object
        The value that was refused, as the file has it.
    """

    place: Place
    path: str
    message: str
    hint: str = ""
    value: Any = None

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {path}{self.message}{hint}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "path": self.path,
            "value": self.value,
            "message": self.message,
            "hint": self.hint,
        }


class ConfigError(ValueError):
    """All problems of an experiment; the text has one line for each, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = sorted(
            problems,
            key=lambda problem: (problem.place.line is None, problem.place.line or 0, problem.place.column or 0),
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(value: Any) -> str:
    """A value as a message shows it: text in quotes, collections by their kind."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else f"{value:.12g}"


def no_file(path: Path) -> str:
    """Message for a YAML file that is not there, with the most similar one of its folder."""
    if path.is_dir():
        return f"{str(path)!r} is a folder, not a file"
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r}"
    files = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    similar = closest(path.name, files)
    return f"there is no file {str(path)!r}" + (f"; did you mean {str(path.parent / similar)!r}?" if similar else "")
