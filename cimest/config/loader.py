"""Reads an experiment: the file, its short forms, overrides from the command line, and every check, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cimest.config import checks
from cimest.config.document import Entry, read_file, read_text, write_text
from cimest.config.messages import ConfigError, Place, Problem, no_file
from cimest.config.schema import NETWORK_FILES, Experiment
from cimest.config.sections import Models, all_paths, fields_of, known, read_options, sections_of, short_form
from cimest.config.validation import expand, explain
from hwlib.devices import Device
from hwlib.registry import closest

FILES: tuple[tuple[str, ...], ...] = (
    ("dataset", "path"),
    ("activity",),
    ("programming", "weights", "file"),
    ("programming", "strategy"),
    ("training", "start_from"),
)
"""Key paths whose value is a path of the file system."""

OF_RUNS = ("activity",), ("training", "start_from")
"""Those for which the folder of a run will do."""


def load(
    path: str | Path | Mapping[str, Any],
    overrides: str | Iterable[str] = (),
    base: str | Path | None = None,
    changes: Mapping[str, Entry] | None = None,
    fitting: bool = True,
) -> Experiment:
    """Read and check an experiment.

    Parameters
    ----------
    path : str, Path or mapping
        A YAML file, or what one says, from which relative paths start at the working folder.
    overrides : str or iterable of str
        Each `key.path=value`, the value in YAML. A value replaces all that the file has at that path;
        a path into a section that the file gives by its short form changes that section.
    base : str or Path, optional
        Folder from which relative paths in the file start, by default the file's own. Those of an override
        start from the working folder.
    changes : mapping, optional
        Key path to an entry of another file, which replaces what the experiment has there, sections before
        what they hold. Problems are found where the entry stands.
    fitting : bool
        Whether sizes that do not fit together are a problem.

    Returns
    -------
    Experiment
        Quantities in SI, relative paths made absolute, the options of network and rule with their defaults.

    Raises
    ------
    ConfigError
        With every problem that was found. Text that is no YAML is reported alone, and sizes that do not fit
        together only when all else is right.
    FileNotFoundError
        If there is no such file; the message names the most similar one.
    """
    if isinstance(path, Mapping):
        (root, problems), home = read_text(write_text(dict(path)), "experiment"), Path.cwd()
    else:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(no_file(path))
        (root, problems), home = read_file(path), path.parent
    if not isinstance(root.value, dict):
        if root.value is not None:
            problems.append(Problem(root.place, "", "an experiment is a mapping of sections such as `network: lenet5`"))
        root = Entry({}, root.place, root.key)
    elif {"experiment", "axes"} <= set(root.value):
        raise ConfigError([Problem(root.place, "", "is a sweep, which `cimest sweep` explores, and no experiment")])
    for override in [overrides] if isinstance(overrides, str) else overrides:
        root = _overridden(root, override, problems)
    for name, entry in sorted((changes or {}).items(), key=lambda change: change[0].count(".")):
        root = _inserted(root, (Experiment,), None, name.split("."), entry)
    root = expand(root, (Experiment,), (), problems)
    return _validated(root, problems, home if base is None else Path(base), fitting)


def _overridden(root: Entry, override: str, problems: list[Problem]) -> Entry:
    """The tree with one `key.path=value` in it; left as it is where that is wrong."""
    change = read_override(override, problems)
    return _inserted(root, (Experiment,), None, change[0].split("."), change[1]) if change else root


def read_override(override: str, problems: list[Problem]) -> tuple[str, Entry] | None:
    """Path and value of one `key.path=value`; nothing where that is wrong."""
    place = Place(f"--set {override}")
    name, equals, text = override.partition("=")
    name = name.strip()
    if not equals:
        problems.append(Problem(place, "", "has no value", "write it as key.path=value"))
    elif not known(name.split(".")):
        problems.append(no_such_key(place, name))
    else:
        try:
            value, found = read_text(text, place.file, place, tuple(name.split(".")))
        except ConfigError as error:
            problems += error.problems
        else:
            problems += found
            return name, value
    return None


def no_such_key(place: Place, name: str) -> Problem:
    """The problem of a key path that an experiment does not have, with the paths that may be meant."""
    paths = [".".join(other) for other in all_paths()]
    endings = [other for other in paths if other.endswith(f".{name.strip()}")]
    best = " or ".join(endings[:3]) or closest(name, paths)
    return Problem(place, name, "no such key", f"did you mean {best}?" if best else "")


def _inserted(entry: Entry | None, models: Models, default: Any, path: Sequence[str], value: Entry) -> Entry:
    """The entry with `value` at a key path below it.

    Sections on the way are made, with the name that their default has if they need one, or their short forms
    are written out.
    """
    if not path:
        return value
    children: dict[str, Entry] = {}
    short = short_form(models)
    if entry and isinstance(entry.value, dict):
        children = dict(entry.value)
    elif entry and short:
        children = {short: entry}
    elif short and isinstance(default, BaseModel) and models[0].model_fields[short].is_required():
        children = {short: Entry(getattr(default, short), value.place, value.key)}
    key, *rest = path
    field = fields_of(models).get(key)
    sections, default = (sections_of(field.annotation), field.default) if field else ((), None)
    children[key] = _inserted(children.get(key), sections, default, rest, value)
    return Entry(children, (entry or value).place, (entry or value).key)


def _validated(root: Entry, problems: list[Problem], home: Path, fitting: bool) -> Experiment:
    """The experiment of a tree without short forms; paths in its file start from `home`."""

    def folder(entry: Entry) -> Path:
        return Path.cwd() if entry.place.line is None else home.absolute()

    data = root.plain
    for keys in FILES:
        entry = root.at(keys)
        if entry and isinstance(entry.value, str):
            file = folder(entry) / Path(entry.value).expanduser()
            _replace(data, keys, str(file))
            there = file.is_file() or (keys in OF_RUNS and file.is_dir())
            if keys != ("dataset", "path") and not there:
                problems.append(
                    Problem(entry.place, ".".join(keys), f"there is no file {str(file)!r}", value=entry.value)
                )
    problems += checks.names(root, folder)
    network = root.at(("network", "name"))
    if network and isinstance(network.value, str) and network.value.endswith(NETWORK_FILES):
        _replace(data, ("network", "name"), str(folder(network) / network.value))
    wrong_device: list[Problem] = []
    if entry := root.at(checks.DEVICE):
        device, wrong_device = checks.device(entry, folder)
        _replace(data, checks.DEVICE, device)
    problems += wrong_device
    experiment = None
    try:
        experiment = Experiment.model_validate(data)
    except ValidationError as error:
        found = explain(error, root, (Experiment,))
        problems += [problem for problem in found if not (wrong_device and problem.path == "chip.device")]
    if experiment and not problems and fitting:
        for path, message in checks.sizes(experiment):
            problems.append(Problem(_nearest(root, path).place, ".".join(path), message))
    if problems or experiment is None:
        # What a value is blamed for first is the most precise; later checks see the consequences.
        first: dict[tuple[Place, str], Problem] = {}
        for problem in problems:
            first.setdefault((problem.place, problem.path), problem)
        raise ConfigError(first.values())
    _fill_options(experiment)
    return experiment


def _fill_options(experiment: Experiment) -> None:
    """Give network, data set and rule all their options, converted to their types, those left to their defaults too."""
    from cimest.datasets import DATASETS
    from cimest.network import builder
    from cimest.rules import RULES

    network, dataset, rule = experiment.network, experiment.dataset, experiment.training.rule
    for section, thing in (
        (network, builder(network.name)),
        (dataset, type(DATASETS.get(dataset.name))),
        (rule, RULES.get(rule.name)),
    ):
        assert section.model_extra is not None, "these sections take options"
        section.model_extra.update(read_options(thing, section.model_extra))


def _replace(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


def _nearest(root: Entry, path: tuple[str, ...]) -> Entry:
    """The entry of a key path, or of the innermost section around it that the file has."""
    while (entry := root.at(path)) is None:
        path = path[:-1]
    return entry


def resolved(experiment: Experiment) -> dict[str, Any]:
    """Everything an experiment says, defaults included, ready for JSON; quantities in SI."""
    return experiment.model_dump(mode="json")


def dump_yaml(experiment: Experiment) -> str:
    """YAML text of `resolved`, which loads as the same experiment."""
    return write_text(resolved(experiment))


def defaults_taken(experiment: Experiment) -> dict[str, Any]:
    """Key path to value of everything that the experiment leaves to its defaults; a device is never left to them."""
    return dict(_defaults(experiment, ()))


def _defaults(section: BaseModel, above: tuple[str, ...]) -> Iterable[tuple[str, Any]]:
    for name, value in section:  # fields, then options
        if isinstance(value, BaseModel):
            yield from [] if isinstance(value, Device) else _defaults(value, (*above, name))
        elif name not in section.model_fields_set:
            yield ".".join((*above, name)), value
