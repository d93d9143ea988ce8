"""The whole study behind `cimest program`: rules of thumb beside the optimum, their error, cost and ageing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from cimest.config import Experiment
from cimest.config.loader import resolved
from cimest.config.programming import Programming
from cimest.programming import cost
from cimest.programming.ageing import Aged, age, programmed_matrices, read_matrices
from cimest.programming.encoding import RULES, Encoding
from cimest.programming.error import Compensation, Evaluator, Strategy, WeightError, budget
from cimest.programming.evolution import evolve
from cimest.programming.moments import Moments, tabulate
from cimest.programming.population import Population, histogram, named
from cimest.programming.search import LARGEST_FACTOR, Certificate, Limits, Search, minimum
from cimest.programming.table import load_table
from cimest.programming.trained import Matrices, Trained, from_file
from cimest.result import plain
from hwlib import provenance
from hwlib.devices import Device, load_device
from hwlib.registry import suggestion

USUAL_FACTOR = 2.0
"""Significance at which rules of thumb are set beside each other (mackin2022programming)."""

SAMPLE = 65536
"""Weights of the Monte Carlo check (our choice: 0.3 % of scatter)."""


@dataclass(frozen=True)
class Written:
    """One way to write a population, by name: a strategy with its error."""

    strategy: Strategy
    error: WeightError
    rule: str = ""


@dataclass(frozen=True)
class Comparison:
    """All ways to write one population.

    Parameters
    ----------
    population : Population
    rules : list of Written
        Rules of thumb, each at the usual significance and at its best one.
    ways : dict
        `naive`, the best of the rules; `optimised`; `clipped`, `own` and single rules where asked for.
    certificate : Certificate or None
    """

    population: Population
    rules: list[Written]
    ways: dict[str, Written]
    certificate: Certificate | None


def programmed_device(experiment: Experiment) -> Device:
    """The device that is programmed: one named for it, or the chip's.

    Raises
    ------
    UnknownName, ValueError
        For a name that no device has, or changes that its record does not take.
    """
    choice = experiment.programming.device
    if choice is None:
        return experiment.chip.device
    try:
        return load_device(choice.base, choice.options, choice.fill_from)
    except ValidationError as error:
        raise ValueError("\n".join(_wrong(problem) for problem in error.errors())) from None


def _wrong(problem: Any) -> str:
    """What is wrong with a field of the device, and the field that may be meant."""
    field = ".".join(map(str, problem["loc"]))
    unknown = problem["type"] == "extra_forbidden"
    hint = f"; {suggestion(field, list(Device.model_fields))}" if unknown else ""
    return f"programming.device.{field}: {problem['msg']}{hint}"


def limits(experiment: Experiment, device: Device) -> Limits:
    """What the experiment allows a strategy.

    Raises
    ------
    ValueError
        If a limit needs what the device's record lacks, or leaves nothing.
    """
    choice = experiment.programming
    factor, conductance = LARGEST_FACTOR, None
    if choice.longest_read is not None:
        one = device.read_time if device.has("read_time") else device.read_noise and device.read_noise.read_time
        if not one:
            raise ValueError(f"programming.longest_read: device {device.name} has no read_time")
        factor = min(LARGEST_FACTOR, choice.longest_read / one)
        if factor < 1:
            raise ValueError(f"programming.longest_read: one read of device {device.name} takes {one:.3g} s already")
    if choice.largest_current is not None:
        conductance = choice.largest_current / (device.read_voltage * experiment.chip.array.rows)
    return Limits(factor, conductance)


def compare(
    moments: Moments, population: Population, choice: Programming, allowed: Limits, own: Strategy | None = None
) -> Comparison:
    """Set the rules of thumb beside the optimum, for one population."""
    evaluator = Evaluator(moments, population, _deterministic(choice))
    most = allowed.factor

    def by_rule(rule: str, factor: float) -> Written:
        encoding = Encoding.of(choice.pairs, factor)
        strategy = Strategy.by_rule(encoding, population.weights, rule, moments)
        return Written(strategy, evaluator.of_rule(encoding, rule), rule)

    rules: list[Written] = []
    for rule in RULES if choice.pairs > 1 else RULES[:1]:
        if choice.factor is not None or choice.pairs == 1:
            rules.append(by_rule(rule, min(choice.factor or 1.0, most)))
            continue
        starts = [factor for factor in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0) if factor <= most]
        best = minimum(partial(_error_of, by_rule, rule), starts, 1.0, most)
        rules += [by_rule(rule, min(USUAL_FACTOR, most)), by_rule(rule, best)]
    ways = {"naive": min(rules, key=lambda way: way.error.mean_square)}
    usual = choice.factor or (USUAL_FACTOR if choice.pairs > 1 else 1.0)
    others = {rule: by_rule(rule, min(usual, most)) for rule in choice.rules} | _own(own, evaluator)
    if choice.method == "evolution":
        found = evolve(evaluator, choice.pairs, allowed)
        ways["optimised"] = Written(found.strategy, found.error)
        return Comparison(population, rules, ways | others, None)
    search = Search(evaluator, choice.pairs, allowed)
    known = None if allowed.conductance else ways["naive"].strategy.encoding
    optimum = search.run(choice.factor, known=known)
    ways["optimised"] = Written(optimum.strategy, optimum.error)
    if choice.clip:
        clipped = search.run(choice.factor, None, certify=False)
        ways["clipped"] = Written(clipped.strategy, clipped.error)
    return Comparison(population, rules, ways | others, optimum.certificate)


def _error_of(by_rule: Callable[[str, float], Written], rule: str, factor: float) -> float:
    return by_rule(rule, factor).error.mean_square


def _own(own: Strategy | None, evaluator: Evaluator) -> dict[str, Written]:
    return {} if own is None else {"own": Written(own, evaluator.of_strategy(own))}


@dataclass(frozen=True)
class Study:
    """What `cimest program` finds; `result` is what it says as plain data.

    Parameters
    ----------
    moments : Moments
    comparisons : dict
        By layer, or under `network` for all.
    budgets : dict
        Parts of the mean square error at each time, by way, of all weights.
    aged : dict
        The network over time, by way; empty without a trained one.
    result : dict
    """

    moments: Moments
    comparisons: dict[str, Comparison]
    budgets: dict[str, dict[str, np.ndarray]]
    aged: dict[str, Aged]
    result: dict[str, Any]


def study(
    experiment: Experiment, trained: Trained | None = None, progress: Callable[[str], None] = lambda what: None
) -> Study:
    """Compare, price and age.

    Parameters
    ----------
    experiment : Experiment
        Its section `programming` says what to do.
    trained : Trained, optional
        The network whose weights are written.
    progress : callable
        Told what was done.

    Raises
    ------
    ValueError
        If the device's record does not say what writing does to it, or a limit leaves nothing.
    """
    choice = experiment.programming
    with provenance.record() as record:
        device = programmed_device(experiment)
        moments = tabulate(device, choice.times, choice.window, choice.largest_conductance)
        allowed = limits(experiment, device)
        matrices = _matrices(choice, trained)
        arrays = _arrays(experiment, trained, matrices)
        own = load_table(Path(choice.strategy), moments) if choice.strategy else None
        comparisons = {}
        for name, population in _populations(choice, matrices).items():
            comparisons[name] = compare(moments, population, choice, allowed, own)
            progress(f"strategy of {name}")
        share = _shares(comparisons, matrices)
        first = next(iter(comparisons.values()))
        budgets = _budgets(comparisons, share, moments, choice)
        costs = _costs(comparisons, share, _sizes(comparisons, matrices, arrays), device, experiment)
        aged = _aged(experiment, trained, matrices, comparisons, device, progress) if trained is not None else {}
        check = _check(experiment, first, device)
    result = {
        "experiment": resolved(experiment),
        "device": device.name,
        "times_s": choice.times,
        "weights": {name: int(matrix.size) for name, matrix in matrices.items()} if matrices else choice.weights.kind,
        "error": _errors(comparisons, share),
        "monte_carlo": check,
        "budget": budgets,
        "cost": costs,
        "accuracy": {name: asdict(entry) for name, entry in aged.items()},
        "warnings": _warnings(record, matrices, comparisons),
        "sources": sorted(record.sources),
    }
    if trained is not None:
        loss, accuracy = trained.evaluate(matrices)
        result["as_trained"] = {"loss": loss, "accuracy": accuracy}
    return Study(moments, comparisons, budgets, aged, plain(result))


def _matrices(choice: Programming, trained: Trained | None) -> Matrices:
    """What is written: the matrices of the file, which must be those of the run's layers if there is one.

    Raises
    ------
    ValueError
        If they are not.
    """
    found = from_file(Path(choice.weights.file)) if choice.weights.file else {}
    if trained is None:
        return found
    wanted = {name: matrix.shape for name, matrix in trained.matrices.items()}
    if found and (given := {name: matrix.shape for name, matrix in found.items()}) != wanted:
        raise ValueError(
            f"programming.weights.file holds {_shapes(given)}; the layers of the run are {_shapes(wanted)}"
        )
    return {name: found.get(name, matrix) for name, matrix in trained.matrices.items()}


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())


def _arrays(experiment: Experiment, trained: Trained | None, matrices: Matrices) -> Mapping[str, int]:
    """Arrays of each matrix: those of the run's layer, or as many as hold the matrix."""
    if trained is not None:
        return trained.arrays
    array = experiment.chip.array
    return {name: -(-len(m) // array.rows) * -(-m.shape[1] // array.columns) for name, m in matrices.items()}


def _sizes(
    comparisons: Mapping[str, Comparison], matrices: Matrices, arrays: Mapping[str, int]
) -> dict[str, list[tuple[int, int]]]:
    """Weights and arrays of the matrices that each comparison is about; none of a density."""
    sizes = {name: (int(matrix.size), arrays[name]) for name, matrix in matrices.items()}
    return {name: [sizes[name]] if name in sizes else list(sizes.values()) for name in comparisons}


def _populations(choice: Programming, matrices: Matrices) -> dict[str, Population]:
    if not matrices:
        return {choice.weights.kind: named(choice.weights.kind, choice.weights.spread)}
    if choice.per == "layer":
        return {name: histogram([matrix]) for name, matrix in matrices.items()}
    return {"network": histogram(list(matrices.values()))}


def _shares(comparisons: Mapping[str, Comparison], matrices: Matrices) -> dict[str, float]:
    """Share of all weights that each comparison is about."""
    sizes = {name: matrices[name].size if name in matrices else 1 for name in comparisons}
    return {name: size / sum(sizes.values()) for name, size in sizes.items()}


def _budgets(
    comparisons: Mapping[str, Comparison], share: Mapping[str, float], moments: Moments, choice: Programming
) -> dict[str, dict[str, np.ndarray]]:
    """Parts of the error of every way, of all weights."""
    largest = moments.lowest + moments.span
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, each in comparisons.items():
        evaluator = Evaluator(moments, each.population, _deterministic(choice))
        for way, entry in each.ways.items():
            whole = found.setdefault(way, {})
            for part, values in budget(entry.strategy, evaluator, choice.window, largest).items():
                whole[part] = whole.get(part, 0.0) + share[name] * values
    return found


def _costs(
    comparisons: Mapping[str, Comparison],
    share: Mapping[str, float],
    sizes: Mapping[str, list[tuple[int, int]]],
    device: Device,
    experiment: Experiment,
) -> dict[str, Any]:
    """What each way costs: means over the weights, of an array over the arrays of all layers, and of the network."""
    found: dict[str, Any] = {}
    for name, each in comparisons.items():
        for way, entry in each.ways.items():
            priced = cost.price(entry.strategy, each.population, device, experiment, experiment.programming.window)
            whole = found.get(way)
            found[way] = _added(whole, priced, share[name])
            if "array" in priced and sizes[name]:
                network = whole["network"] if whole else None
                for weights, arrays in sizes[name]:
                    network = _added(network, cost.of_matrix(priced["array"], weights, arrays, experiment), 1)
                found[way]["network"] = network
    return found


def _added(whole: Any, part: Any, share: float) -> Any:
    """Sum of nested numbers, those of `part` times its share; text is kept."""
    if isinstance(part, dict):
        return {name: _added(whole and whole[name], value, share) for name, value in part.items()}
    return part if isinstance(part, str) else (whole or 0.0) + share * part


def _deterministic(choice: Programming) -> Compensation:
    """The compensation of errors without sampling: columns of one population are alike, and have one factor."""
    return "global" if choice.compensation == "column" else choice.compensation


def _described(way: Written) -> dict[str, Any]:
    encoding = way.strategy.encoding
    return {
        "rule": way.rule,
        "significance": encoding.significance,
        "reach": encoding.reach,
        "mean_square": way.error.mean_square,
        "rms": way.error.rms,
        "compensation": way.error.compensation,
    }


def _errors(comparisons: Mapping[str, Comparison], share: Mapping[str, float]) -> dict[str, Any]:
    """Mean square errors over the times, in units of the largest weight of a matrix; then all of it."""
    names = next(iter(comparisons.values())).ways
    whole: dict[str, Any] = {
        way: sum(share[name] * each.ways[way].error.mean_square for name, each in comparisons.items()) for way in names
    }
    whole["rms"] = {
        way: np.sqrt(sum(share[name] * each.ways[way].error.at for name, each in comparisons.items())) for way in names
    }
    whole["by_layer"] = {
        name: {
            "ways": {way: _described(entry) for way, entry in each.ways.items()},
            "rules": [_described(entry) for entry in each.rules],
            "certificate": None if each.certificate is None else asdict(each.certificate),
        }
        for name, each in comparisons.items()
    }
    return whole


def _check(experiment: Experiment, first: Comparison, device: Device) -> dict[str, Any]:
    """The optimum's rms at each time from random numbers beside that from moments."""
    choice, way = experiment.programming, first.ways["optimised"]
    population = first.population
    places = (np.arange(SAMPLE) + 0.5) / SAMPLE * population.density.sum()
    size = population.weights[np.searchsorted(np.cumsum(population.density[:-1]), places)]
    matrix = (size * np.where(np.arange(SAMPLE) % 2, 1.0, -1.0)).reshape(256, -1)
    matrices, strategies = {"sample": matrix}, {"sample": way.strategy}
    written = programmed_matrices(matrices, strategies, device, experiment.seed, 0, choice.window, choice.order)
    rms = []
    for number, time in enumerate(choice.times):
        now = read_matrices(matrices, written, time, number, choice.compensation)["sample"]
        rms.append(float(np.sqrt(np.mean((now - matrix) ** 2))))
    return {"weights": SAMPLE, "rms": rms, "order": choice.order}


def _aged(
    experiment: Experiment,
    trained: Trained,
    matrices: Matrices,
    comparisons: Mapping[str, Comparison],
    device: Device,
    progress: Callable[[str], None],
) -> dict[str, Aged]:
    """The network over time, written each way."""
    choice, found = experiment.programming, {}
    for way in next(iter(comparisons.values())).ways:
        strategies = {
            name: comparisons.get(name, next(iter(comparisons.values()))).ways[way].strategy for name in matrices
        }
        found[way] = age(
            matrices, strategies, device, choice.times, trained.evaluate, choice.repeats, experiment.seed,
            choice.compensation, choice.window, choice.order, partial(progress, f"ageing, {way}"),
        )  # fmt: skip
    return found


def _warnings(record: provenance.Record, matrices: Matrices, comparisons: Mapping[str, Comparison]) -> list[str]:
    found = sorted(record.extrapolations)
    if not matrices:
        kind = next(iter(comparisons))
        found.append(f"weights are an assumed {kind} density: give a run's folder, or programming.weights.file")
    return found
