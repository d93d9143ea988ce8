"""A search with optuna over the points of a sweep, where training makes every point expensive."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cimest.config import ConfigError, Experiment
from cimest.explore.cost import figures
from cimest.explore.front import pareto
from cimest.explore.limits import beyond
from cimest.explore.space import Space
from cimest.explore.study import Progress, Study, described, feasible, peak_memory, to_table
from cimest.explore.sweep import Sweep
from cimest.explore.trainings import Trainings
from cimest.explore.workers import Workers
from cimest.pricing import price_experiment

if TYPE_CHECKING:
    from optuna import Trial

DIRECTIONS: dict[str, Any] = {"min": "minimize", "max": "maximize"}

Place = tuple[int, ...]
"""A point: its number along each axis."""


def search(sweep: Sweep, out: Path, workers: Workers, progress: Progress = lambda what, done, total: None) -> Study:
    """Let optuna choose points, a batch at a time, and evaluate those that are new.

    The sampler has the experiment's seed and the trainings are content-addressed, so that a search that was killed
    asks the same questions again and finds their answers in `out`.

    Raises
    ------
    ValueError
        If optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise ValueError("a search needs optuna: pip install 'cimest[search]'") from None
    assert sweep.search is not None, "the sweep file has a section search"
    began, space, choice = time.perf_counter(), Space(sweep), sweep.search
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = space.base.seed
    sampler: Any
    if choice.sampler == "nsga2":
        population = max(4, min(50, choice.points // 4))
        sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=population)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(
        directions=[DIRECTIONS[better] for better in sweep.objectives.values()], sampler=sampler
    )
    evaluator = _Evaluator(space, out, workers)
    wanted, asked = min(choice.points, space.size), 0
    while len(evaluator.rows) < wanted and asked < 20 * choice.points:
        trials = [study.ask() for _ in range(min(choice.batch, wanted - len(evaluator.rows)))]
        asked += len(trials)
        places = [_place(trial, sweep) for trial in trials]
        evaluator.evaluate([place for place in dict.fromkeys(places) if place not in evaluator.rows])
        for trial, place in zip(trials, places, strict=True):
            row = evaluator.rows[place]
            values = [row.get(name, np.nan) for name in sweep.objectives]
            if np.isfinite(values).all():
                for limit, excess in _excess(sweep, row).items():
                    trial.set_constraint(limit, excess)
                study.tell(trial, values)
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
        progress("points searched", len(evaluator.rows), wanted)
    return _study(sweep, space, evaluator, asked, time.perf_counter() - began)


def _place(trial: Trial, sweep: Sweep) -> Place:
    """What a trial suggests: numbers of ordered axes, names of the others."""
    chosen = []
    for axis in sweep.axes:
        if all(isinstance(label, (int, float)) for label in axis.labels):
            chosen.append(trial.suggest_int(axis.name, 0, len(axis.labels) - 1))
        else:
            chosen.append(trial.suggest_categorical(axis.name, list(range(len(axis.labels)))))
    return tuple(chosen)


def _excess(sweep: Sweep, row: dict[str, float]) -> dict[str, float]:
    """By how much a point misses each limit; not above zero if it keeps it."""
    found: dict[str, float] = {}
    for name, limit in sweep.limits.items():
        value = row.get(name, np.nan)
        if limit.max is not None:
            found[f"{name} max"] = value - limit.max
        if limit.min is not None:
            found[f"{name} min"] = limit.min - value
    return {name: 1e30 if np.isnan(value) else value for name, value in found.items()}


class _Evaluator:
    """Prices and trains points; what is known is not asked again."""

    def __init__(self, space: Space, out: Path, workers: Workers):
        self.space, self.rows = space, {}  # type: Space, dict[Place, dict[str, float]]
        self.reasons: dict[Place, str] = {}
        choice = space.sweep.accuracy
        self.trainings = Trainings(choice, out / "trainings", workers) if choice else None

    def evaluate(self, places: list[Place]) -> None:
        """Enter the rows of new points."""
        good: dict[Place, Experiment] = {}
        for place in places:
            try:
                good[place] = self.space.point(place)
            except ConfigError as error:
                self.reasons[place], self.rows[place] = str(error), {}
        if self.trainings:
            self.trainings.run(good.values())
        for place, experiment in good.items():
            row: dict[str, float] = {}
            activity = None
            if self.trainings:
                names = ("accuracy", "accuracy_std", "epochs")
                row |= zip(names, self.trainings.accuracy(experiment), strict=True)
                activity = self.trainings.activity(experiment)
            try:
                priced = figures(experiment, price_experiment(experiment, activity), False)
                self.rows[place] = row | {name: float(value) for name, value in priced.items()}
            except ValueError as error:
                self.reasons[place], self.rows[place] = str(error), {}


def _study(sweep: Sweep, space: Space, evaluator: _Evaluator, asked: int, seconds: float) -> Study:
    import xarray as xr

    places = list(evaluator.rows)
    names = dict.fromkeys(name for row in evaluator.rows.values() for name in row)
    table = {name: np.array([evaluator.rows[place].get(name, np.nan) for place in places]) for name in names}
    refused = np.array([place in evaluator.reasons for place in places], np.int32)
    good = feasible(sweep, table, refused)
    table |= {"feasible": good}
    table["front"] = pareto({name: np.where(good, table[name], np.nan) for name in sweep.objectives}, sweep.objectives)
    variables, coords = to_table(space, table, refused, ("point",), np.array(places, int))
    summary = {
        **described(sweep, space),
        "points": len(places),
        "asked": asked,
        "refused": {reason: list(evaluator.reasons.values()).count(reason) for reason in evaluator.reasons.values()},
        "feasible": int(good.sum()),
        "beyond_limits": beyond(sweep.limits, table, refused),
        "front": int(table["front"].sum()),
        "points_per_second": len(places) / seconds,
        "sensitivities": None,  # a search looks where it is good, so its points say nothing about variance
        "trainings": evaluator.trainings.summary() if evaluator.trainings else None,
        "seconds": seconds,
        "peak_memory_bytes": peak_memory(),
    }
    return Study(xr.Dataset(variables, coords=coords), summary)
