"""A YAML file as a tree whose every value knows its line and column.

Plain scalars are read by the rules of YAML 1.2, so that the traps of YAML 1.1 vanish: only `true` and `false` are
truth values (`no`, `on` are text), and `1e-9` is a number. What the two versions read differently as a number
(`010`, `1:30`) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cimest.config.messages import ConfigError, Place, Problem

# The base loader resolves nothing, so a tag other than these was written by hand.
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq")}

CONSTANTS = {text: value for word, value in (("true", True), ("false", False), ("null", None))
             for text in (word, word.capitalize(), word.upper())} | {"~": None, "": None}  # fmt: skip
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
OCTAL = re.compile(r"[-+]?0[0-9_]+")
SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


@dataclass(frozen=True)
class Entry:
    """A value, where it stands, and where its key stands.

    Parameters
    ----------
    value : object
        A scalar, or a dict or list of entries.
    place, key : Place
    """

    value: Any
    place: Place
    key: Place

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: entry.plain for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain for entry in self.value]
        return self.value

    def at(self, path: Sequence[str]) -> Entry | None:
        """The entry of a key path, None if there is none."""
        entry: Entry | None = self
        for key in path:
            entry = entry.value.get(key) if entry and isinstance(entry.value, dict) else None
        return entry


def read_file(path: Path) -> tuple[Entry, list[Problem]]:
    """Read a YAML file.

    Returns
    -------
    Entry, list of Problem
        The tree and what is wrong with it: repeated keys, ambiguous numbers, tags.

    Raises
    ------
    ConfigError
        If the file is no YAML, or no UTF-8; nothing else can be said about it then.
    OSError
        If it cannot be opened.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].splitlines() or [b""]
        place = Place(str(path), len(before), len(before[-1]) + 1)
        raise ConfigError([Problem(place, "", "not a text file in UTF-8")]) from None
    return read_text(text, str(path))


def read_text(
    text: str, file: str, place: Place | None = None, above: tuple[str, ...] = ()
) -> tuple[Entry, list[Problem]]:
    """Read YAML text; see `read_file`. A value from the command line has the `place` and the key path `above`."""
    start = place or Place(file, 1, 1)
    try:
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, text, file, place)]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([Problem(start, "", f"not YAML: {error.reason}")]) from None
    if node is None:
        return Entry(None, start, start), []
    builder = _Builder(file, place)
    return builder.entry(node, start, above, ()), builder.problems


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str, place: Place | None) -> Problem:
    mark = error.problem_mark or error.context_mark
    assert mark is not None, "the scanner and the parser mark all their errors"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indentation = re.match(r"\s*", line)
    message = f"not YAML: {error.problem}"
    column = mark.column
    if "\t" in (indentation.group() if indentation else "") or line[column : column + 1] == "\t":
        column = line.index("\t")
        message = "a tab, which YAML does not take as indentation; write spaces"
    return Problem(place or Place(file, mark.line + 1, column + 1), "", message)


class _Builder:
    """Makes entries of YAML nodes and collects the problems."""

    def __init__(self, file: str, place: Place | None):
        self.file, self.place, self.problems = file, place, []  # type: str, Place | None, list[Problem]

    def at(self, node: yaml.Node) -> Place:
        """Where a node starts."""
        return self.place or Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def refuse(self, node: yaml.Node, path: tuple[str, ...], message: str, value: Any = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.at(node), ".".join(path), message, value=value))

    def entry(self, node: yaml.Node, key: Place, path: tuple[str, ...], above: tuple[yaml.Node, ...]) -> Entry:
        """The entry of a node below the nodes `above`."""
        value: Any = None
        if any(node is other for other in above):
            self.refuse(node, path, "an alias that contains itself")
        elif node.tag not in TAGS:
            self.refuse(node, path, f"tags such as {node.tag!r} are not used here")
        elif isinstance(node, yaml.MappingNode):
            value = dict(self.items(node, path, (*above, node)))
        elif isinstance(node, yaml.SequenceNode):
            value = [
                self.entry(item, self.at(item), (*path, str(i)), (*above, node)) for i, item in enumerate(node.value)
            ]
        elif isinstance(node, yaml.ScalarNode):
            value = node.value if node.style else self.scalar(node, path)
        return Entry(value, self.at(node), key)

    def items(
        self, node: yaml.MappingNode, path: tuple[str, ...], above: tuple[yaml.Node, ...]
    ) -> Iterator[tuple[str, Entry]]:
        """Keys and entries of a mapping; a repeated key counts once."""
        first: dict[str, Place] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.refuse(key, path, "a key must be a name")
            elif key.value in first:
                first_time = f"; the first time at {first[key.value]}" if self.place is None else ""
                self.refuse(key, (*path, key.value), f"the key {key.value!r} is said twice{first_time}")
            else:
                first[key.value] = self.at(key)
                yield key.value, self.entry(value, self.at(key), (*path, key.value), above)

    def scalar(self, node: yaml.ScalarNode, path: tuple[str, ...]) -> Any:
        """The value of a plain scalar."""
        text = node.value
        if OCTAL.fullmatch(text):
            message = (
                f"{text} is octal to some YAML readers and decimal to others; write no leading zero, or quotes for text"
            )
            self.refuse(node, path, message, text)
        elif SEXAGESIMAL.fullmatch(text):
            self.refuse(
                node, path, f"{text} counts in sixties to some YAML readers; write one number, or quotes for text", text
            )
        return scalar(text)


def scalar(text: str) -> Any:
    """What a plain scalar means: a constant, a number, or else itself."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if REAL.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Quotes text that `scalar` would read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    ambiguous = not isinstance(scalar(text), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if ambiguous else None)


_Dumper.add_representer(str, _represent_text)


def write_text(data: Any) -> str:
    """YAML text that `read_text` reads as `data`."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
