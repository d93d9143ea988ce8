"""Named things that files add to: components, devices, rules, networks, data sets."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


MANY = 40
"""Names beyond which a message lists only the most similar ones."""


class UnknownName(KeyError):
    """A name that no entry has; the message lists what is allowed and the closest match."""

    def __init__(self, kind: str, name: str, allowed: Iterable[str]):
        self.kind, self.name, self.allowed = kind, name, sorted(allowed)
        super().__init__(name)

    def __str__(self) -> str:
        return f"no {self.kind} is named {self.name!r}; {suggestion(self.name, self.allowed)}"


def closest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name most like `name`, or None if none is close."""
    found = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """What to write instead of `name`: the closest match, if any, and what is allowed, or the most similar of it."""
    allowed = list(allowed)
    best = closest(name, allowed)
    hint = f"did you mean {best!r}? " if best else ""
    if len(allowed) <= MANY:
        return f"{hint}allowed: {', '.join(allowed)}"
    similar = difflib.get_close_matches(str(name), allowed, n=6, cutoff=0)
    return f"{hint}among the {len(allowed)} that are allowed: {', '.join(similar)}"


class Registry(Generic[Thing]):
    """A table of things by name, filled by decorators when the modules of one package are imported.

    Parameters
    ----------
    kind : str
        What an entry is, in the singular, for messages.
    package : str
        Dotted name of the package whose modules register the entries; imported at first use.
    group : str, optional
        Entry-point group by which other installed packages name modules that register more.
    """

    def __init__(self, kind: str, package: str, group: str | None = None):
        self.kind, self.package, self.group = kind, package, group
        self._entries: dict[str, Thing] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Thing], Thing]:
        """Decorator that enters a thing under `name`; a name can be taken once."""

        def enter(thing: Thing) -> Thing:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = thing
            return thing

        return enter

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for part in metadata.entry_points(group=self.group) if self.group else ():
                part.load()

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def get(self, name: str) -> Thing:
        """The thing of that name.

        Raises
        ------
        UnknownName
            If there is none; the message names the closest match.
        """
        self._load()
        if name not in self._entries:
            raise UnknownName(self.kind, name, self._entries)
        return self._entries[name]
