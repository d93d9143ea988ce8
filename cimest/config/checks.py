"""Checks that the schema cannot make: names, the options of what they name, device files, sizes that do not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cimest.config import inference
from cimest.config.chip import Chip, DeviceChoice
from cimest.config.document import Entry, read_file
from cimest.config.messages import ConfigError, Problem, no_file
from cimest.config.schema import NETWORK_FILES, Experiment
from cimest.config.sections import field_at, fields_of, options_model, read_options, sections_of
from cimest.config.validation import expand, explain
from hwlib.devices import Device, load_device
from hwlib.registry import Registry, UnknownName, suggestion
from hwlib.technology import Technology

DEVICE = ("chip", "device")
ADCS = (("chip", "adc", "kind"), ("chip", "backward_adc", "kind"), ("chip", "weight_gradient", "adc_kind"))


SOLVED_MAX = 128 * 128
"""Cells of the largest array whose wires are solved after each update (our choice: a tenth of a second for each)."""

CELLS = {"resistive": ("1t1r", "crossbar", "ecram"), "ferroelectric": ("1t1r", "fefet"), "static": inference.STATIC}
"""Cells that a kind of device can be in."""


def unknown_name(error: UnknownName, entry: Entry, path: tuple[str, ...]) -> Problem:
    """The problem of a name that nothing has."""
    message = f"no {error.kind} is named {error.name!r}"
    return Problem(entry.place, ".".join(path), message, suggestion(error.name, error.allowed), error.name)


def device(entry: Entry, folder: Callable[[Entry], Path]) -> tuple[Device | None, list[Problem]]:
    """The device of an experiment.

    Parameters
    ----------
    entry : Entry
        `{base: NAME or FILE, ...changes}`, or a whole record.
    folder : function
        Folder from which relative paths start, of an entry.

    Returns
    -------
    Device or None, list of Problem
        None if there are problems.
    """
    models = sections_of(Device)
    if not isinstance(entry.value, dict):
        return None, [
            Problem(entry.place, "chip.device", "is not a device", "write a name, a YAML file, or {base: NAME, ...}")
        ]
    if "base" not in entry.value:
        try:
            return Device.model_validate(entry.plain), []
        except ValidationError as error:
            return None, explain(error, entry, models, DEVICE)
    base = entry.value["base"]
    name, origin, problems = base.value, entry, []  # type: Any, Entry, list[Problem]
    if not isinstance(name, str):
        return None, [
            Problem(base.place, "chip.device.base", "is not the name of a device, or a YAML file", value=base.plain)
        ]
    if name.endswith((".yaml", ".yml")):
        file = folder(base) / name
        if not file.is_file():
            return None, [Problem(base.place, "chip.device.base", no_file(file), value=name)]
        try:
            origin, problems = read_file(file)
        except ConfigError as error:
            return None, error.problems
        if not isinstance(origin.value, dict):
            return None, [Problem(origin.place, "chip.device", "a device file is a mapping of fields to values")]
        name = str(file)
        origin = expand(origin, (Device,), DEVICE, problems)
    choices = set(DeviceChoice.model_fields)
    changes = Entry({key: child for key, child in entry.value.items() if key not in choices}, entry.place, entry.key)
    if problems:
        return None, problems
    filling = entry.value.get("fill_from")
    if filling and not (filling.value is None or isinstance(filling.value, str)):
        return None, [Problem(filling.place, "chip.device.fill_from", "is not the name of a device", "", filling.plain)]
    try:
        return load_device(name, changes.plain, filling and filling.value), []
    except UnknownName as error:
        at, key = (filling, "fill_from") if filling and error.name == filling.value else (base, "base")
        return None, [unknown_name(error, at, (*DEVICE, key))]
    except ValidationError as error:
        return None, explain(error, _overlaid(origin, changes), models, DEVICE)


def _overlaid(old: Entry, new: Entry) -> Entry:
    """Entries of two mappings, so that each error is found where its value was written last."""
    if not (isinstance(old.value, dict) and isinstance(new.value, dict)):
        return new
    merged = {key: _overlaid(old.value[key], new.value[key]) if key in old.value and key in new.value else entry
              for key, entry in (old.value | new.value).items()}  # fmt: skip
    return Entry(merged, old.place, old.key)


def names(root: Entry, folder: Callable[[Entry], Path]) -> list[Problem]:
    """Names of the network, the data set, the rule and the technology, and the options of the network and the rule.

    Parameters
    ----------
    root : Entry
        The experiment with its short forms written out; what has the wrong form is left to the schema.
    folder : function
        Folder from which relative paths start, of an entry.
    """
    from cimest.datasets import DATASETS
    from cimest.mapping.part import COMMON_ADCS, adc_kinds
    from cimest.network import NETWORKS, arguments
    from cimest.rules import RULES
    from hwlib.technology import nodes_of, technology_names

    problems: list[Problem] = []
    dataset = _named(root, ("dataset", "name"), DATASETS, problems)
    network = _network_file(root, folder, problems) or _named(root, ("network", "name"), NETWORKS, problems)
    rule = _named(root, ("training", "rule", "name"), RULES, problems)
    if dataset:
        dataset = _make(root, ("dataset",), type(dataset), tuple, problems)
    if network:
        _make(root, ("network",), network, dataset and (lambda: arguments(network, dataset)), problems)
    if rule:
        _make(root, ("training", "rule"), rule, tuple, problems)
    for path in ADCS:
        entry = root.at(path)
        if entry and isinstance(entry.value, str) and entry.value not in COMMON_ADCS and entry.value not in adc_kinds():
            problems.append(unknown_name(UnknownName("kind of ADC", entry.value, adc_kinds()), entry, path))
    technology = root.at(("chip", "technology"))
    if technology and isinstance(technology.value, str):
        try:
            nodes_of(technology.value)
        except UnknownName as error:
            message = f"no technology is named {error.name!r}"
            hint = f"allowed: {', '.join(technology_names())}, and nodes between two whose transistors are alike"
            problems.append(Problem(technology.place, "chip.technology", message, hint, error.name))
    return problems


def _named(root: Entry, path: tuple[str, ...], registry: Registry[Any], problems: list[Problem]) -> Any:
    """What a name stands for; None if there is no name or nothing has it."""
    entry = root.at(path)
    if entry is None or not isinstance(entry.value, str) or entry.value.endswith(NETWORK_FILES):
        return None
    try:
        return registry.get(entry.value)
    except UnknownName as error:
        problems.append(unknown_name(error, entry, path))
        return None


def _network_file(root: Entry, folder: Callable[[Entry], Path], problems: list[Problem]) -> Any:
    """The builder of a network that the experiment names by a file; None if it does not, or there is no such file."""
    from cimest.network import builder

    entry = root.at(("network", "name"))
    if entry is None or not isinstance(entry.value, str) or not entry.value.endswith(NETWORK_FILES):
        return None
    file = folder(entry) / entry.value
    if file.is_file():
        return builder(str(file))
    problems.append(Problem(entry.place, "network.name", no_file(file), value=entry.value))
    return None


def _make(root: Entry, path: tuple[str, ...], thing: Callable[..., Any], first: Any, problems: list[Problem]) -> Any:
    """Make a network, a data set or a rule with its options, after the arguments that the function `first` gives.

    Without one the options are only read.

    What was made is returned, None if there are problems.
    """
    section = root.at(path)
    assert section is not None, "its name was found"
    fields = fields_of(sections_of(field_at(path).annotation))  # type: ignore[union-attr]
    own = {key: entry for key, entry in section.value.items() if key not in fields}
    options, made = Entry(own, section.place, section.key), None
    model, new = options_model(thing), []  # type: Any, list[Problem]
    options = expand(options, (model,), path, new)
    try:
        read = read_options(thing, options.plain)
        if first is not None and not new:
            made = thing(*first(), **read)
    except ValidationError as error:
        new += explain(error, options, (model,), path)
    except ConfigError as error:  # of the file that it stands for
        new += error.problems
    except ValueError as error:
        # It refuses a value, or a combination of them, and names what it blames, or else the whole is at fault.
        blamed = next((key for key in options.value if re.search(rf"\b{re.escape(key)}\b", str(error))), "name")
        new.append(Problem(section.value[blamed].place, ".".join(path), str(error), value=section.plain))
    problems += new
    return made


def sizes(experiment: Experiment) -> list[tuple[tuple[str, ...], str]]:
    """Key paths and messages of values that are right one by one but do not fit together."""
    from cimest.config.schedule import conflicts
    from cimest.datasets import choose
    from hwlib.technology import load_technology

    chip, training, dataset = experiment.chip, experiment.training, experiment.dataset
    shared = [
        ("adc", chip.adc.columns_per_adc, chip.array.columns, "columns of an array"),
        ("backward_adc", chip.backward_adc.columns_per_adc, chip.array.rows, "rows of an array, read backward"),
        ("weight_gradient", chip.weight_gradient.columns_per_adc, chip.weight_gradient.columns, "columns of its array"),
    ]
    found: list[tuple[tuple[str, ...], str]] = [
        (("chip", part, "columns_per_adc"), f"one ADC cannot serve {lines} lines: there are {available} {what}")
        for part, lines, available, what in shared
        if lines > available and (part == "adc" or training.kind != "none")
    ]
    data = choose(dataset.name, dataset.options)
    for part, wanted, images in (("train", dataset.train, data.train), ("test", dataset.test, data.test)):
        if wanted is not None and wanted > images:
            found.append((("dataset", part), f"{wanted} is more than the {images} images of {dataset.name}"))
    given, held_out = dataset.train or data.train, dataset.validation or 0
    images = given - held_out
    if images < 1:
        message = f"{held_out} images held out of {given} leave none to train with"
        found.append((("dataset", "validation"), message))
    elif training.batch > images and training.kind != "none":
        beside = f" that are left beside the {held_out} held out" if held_out else ""
        message = f"a batch of {training.batch} is more than the {images} training images{beside}"
        found.append((("training", "batch"), message))
    try:
        tech = load_technology(chip.technology, chip.roadmap, chip.temperature, chip.supply, chip.clock)
    except ValueError as error:
        return [*found, (("chip", "supply"), str(error))]
    found += [*buffers(chip, training.kind != "none"), *inference.refusals(experiment)]
    return found + cells(chip, tech) + list(conflicts(experiment))


def buffers(chip: Chip, trained: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """Problems of buffers that hold less than they deliver at once."""
    from cimest.mapping.parts import operand_word

    unit = chip.weight_gradient
    held = [("global_buffer", "size", chip.global_buffer.size, chip.global_buffer.word_bits)]
    held += [("tile", "buffer", chip.tile.buffer, chip.tile.bus_bits)]
    if trained and unit.unit != "in_array":
        held += [("weight_gradient", "buffer", unit.buffer, chip.bus_bits)]
    if trained and unit.unit == "digital":
        held += [("weight_gradient", "operand_buffer", unit.operand_buffer, int(operand_word(chip)))]
    for part, key, size, word in held:
        if size < word:
            yield ("chip", part, key), f"{size:g} bit are less than a word of {word} bit, which it delivers at once"


def cells(chip: Chip, tech: Technology) -> list[tuple[tuple[str, ...], str]]:
    """Problems of arrays that cannot be built, or be trained."""
    from cimest.mapping.arrays import lines_of, weight_array

    device, array = chip.device, chip.array
    if array.wire_resistance and array.wire_solution == "exact" and array.rows * array.columns > SOLVED_MAX:
        reason = f"solves arrays of up to {SOLVED_MAX} cells; this one has {array.rows * array.columns}: use corrected"
        return [(("chip", "array", "wire_solution"), reason)]
    if array.encoding == "two_pairs":
        reason = "which pair an update goes to is up to a training rule, and none has such; allowed: "
        return [(("chip", "array", "encoding"), f"{reason}reference_column, differential_pair")]
    try:
        kind = device.kind
        if array.cell not in CELLS[kind]:
            allowed = ", ".join(CELLS[kind])
            return [(("chip", "array", "cell"), f"no cell for {device.name}, a {kind} device; allowed: {allowed}")]
        if kind == "static":
            return []
        weight_array(chip).area(tech)
        lines_of(chip, tech)
        assert device.states  # read, as what the record lacks is refused then
    except ValueError as error:
        return [(("chip", "device"), str(error))]
    return []
