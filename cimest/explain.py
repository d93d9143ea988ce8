"""What stands behind one number of a result: its formula, its inputs, and the sources of those."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from cimest.actions import PASSES
from cimest.config import Experiment
from cimest.config.calibration import Calibration
from cimest.datasets import choose
from cimest.estimate.calibration import CONTROL, Factors, factors, family
from cimest.estimate.estimate import costs, duration
from cimest.estimate.macro import FORMULAS as INFERRED
from cimest.estimate.macro import MACRO, part_formula
from cimest.estimate.metrics import bursts
from cimest.estimate.uncertainty import NORMAL, areas_by_family, families, shares_of_errors, spreads_of
from cimest.mapping.part import BOUNDARIES
from cimest.pricing import Priced, price_experiment, training_samples
from cimest.result import recorded, trained_epochs
from hwlib import provenance
from hwlib.registry import UnknownName

REFERENCE = "metrics.reference.digital"
LANES = ("experiment.chip.weight_gradient.lanes",)
SPREAD = {name: f"provenance.calibration.spread.{name}.*" for name in ("energy", "area")}
PEAK = "metrics.power_w.peak"
RANGE = "metrics.range."
TRAINING = ("metrics.training_energy_j", "metrics.training_time_s")

HALF = f"h = {NORMAL:.6g} √ln(1 + Σ share² (exp((ln spread / {NORMAL:.6g})²) - 1)) over the errors"
"""See `cimest.estimate.uncertainty`."""

ENDS = {"low": f"estimate × exp(-h); {HALF}", "typical": "the estimate", "high": f"estimate × exp(h); {HALF}"}

MEASURED = {
    "accuracy.test": "share of the labels of the test samples that were told right after the last epoch",
    "accuracy.best": "largest share of the labels of the test samples that were told right after an epoch",
    "accuracy.train": "share of the labels of the training samples that were told right during the last epoch",
}
"""Path in a result of what is computed from nothing, and what it is."""

FORMULAS: dict[str, tuple[str, tuple[str, ...]]] = (
    {
        "metrics.ops_per_sample": (
            "2 × multiply-accumulates × (forward + backward, not for the first layer, + weight gradient)",
            ("network.macs",),
        ),
        "metrics.energy_per_sample_j": (
            "sum of dynamic and leakage energy of all components, with DRAM",
            ("breakdown.component.*.energy_j", "breakdown.component.*.leakage_energy_j"),
        ),
        "metrics.energy_per_sample_by_boundary_j.macro": (
            "dynamic energy of arrays, converters and accumulators in forward, backward and weight gradient",
            ("breakdown.component.*.energy_j",),
        ),
        "metrics.energy_per_sample_by_boundary_j.chip": (
            "dynamic energy of all components but the DRAM + leakage power × time",
            ("breakdown.component.*.energy_j", "metrics.leakage_w", "metrics.latency_per_sample_s"),
        ),
        "metrics.energy_per_sample_by_boundary_j.system": (
            "chip + DRAM",
            ("metrics.energy_per_sample_by_boundary_j.chip", "breakdown.component.dram.energy_j"),
        ),
        "metrics.latency_per_sample_s": ("sum of the exposed times of all passes", ("breakdown.pass.*.latency_s",)),
        "metrics.training_energy_j": (
            "energy per sample × training samples of an epoch, in whole batches × epochs",
            ("metrics.energy_per_sample_j",),
        ),
        "metrics.training_time_s": (
            "latency per sample × training samples of an epoch, in whole batches × epochs",
            ("metrics.latency_per_sample_s",),
        ),
        "metrics.area_mm2": ("sum over components", ("breakdown.component.*.area_mm2",)),
        "metrics.leakage_w": ("leakage energy / time", ("breakdown.component.*.leakage_energy_j",)),
        "metrics.throughput_tops": (
            "operations / latency / 1e12",
            ("metrics.ops_per_sample", "metrics.latency_per_sample_s"),
        ),
        "metrics.density_tops_per_mm2": ("throughput / area", ("metrics.throughput_tops", "metrics.area_mm2")),
        "metrics.power_w.average": (
            "energy per sample / latency per sample",
            ("metrics.energy_per_sample_j", "metrics.latency_per_sample_s"),
        ),
        PEAK: (
            "largest dynamic energy / time of one pass of one layer, or of a pipeline's interval, + leakage power",
            ("metrics.leakage_w",),
        ),
        "metrics.executed_ops_per_sample": (
            "operations - 2 × multiply-accumulates of the weight gradient that a digital unit skips for a zero",
            ("metrics.ops_per_sample", "network.macs", "activity.*.input_zeros", "activity.*.error_zeros"),
        ),
        "metrics.latency_of_one_sample_s": (
            "time of forward, backward and weight gradient with no other sample on the chip",
            ("breakdown.pass.*.latency_s",),
        ),
        "metrics.bottleneck.time_s": (
            "largest of the exposed times of the components in each pass, or of the stages of a pipeline",
            ("breakdown.component.*.latency_s",),
        ),
        "metrics.bottleneck.share": (
            "time of the bottleneck / latency per sample",
            ("metrics.bottleneck.time_s", "metrics.latency_per_sample_s"),
        ),
        "metrics.lifetime_samples": (
            "endurance / pulses per update of the most pulsed cell × batch",
            ("experiment.chip.device.endurance", "activity.*.most_written", "experiment.training.batch"),
        ),
    }
    | {
        f"metrics.efficiency_tops_per_w.{boundary}": (
            "operations / energy within the boundary / 1e12",
            ("metrics.ops_per_sample", f"metrics.energy_per_sample_by_boundary_j.{boundary}"),
        )
        for boundary in BOUNDARIES
    }
    | {
        f"{RANGE}{name}.{end}": (formula, (f"metrics.{name}", *([] if end == "typical" else [SPREAD[quantity]])))
        for end, formula in ENDS.items()
        for name, quantity in (
            *((f"energy_per_sample_by_boundary_j.{boundary}", "energy") for boundary in BOUNDARIES),
            *((f"efficiency_tops_per_w.{boundary}", "energy") for boundary in BOUNDARIES),
            ("area_mm2", "area"),
        )
    }
    | {
        f"{RANGE}coverage": (
            "probability that a chip's own figure lies between low and high",
            tuple(SPREAD.values()),
        )
    }
    | {
        f"{REFERENCE}.{name}": (f"{formula} of a digital accelerator: see `cimest.dataflow.accelerator`", inputs)
        for name, formula, inputs in (
            ("energy_per_sample_j", "energy of all passes", (f"{REFERENCE}.energy_per_sample_by_pass_j.*",)),
            ("latency_per_sample_s", "exposed time of all passes", LANES),
            ("area_mm2", "area of all components", LANES),
            ("leakage_w", "leakage of all components", LANES),
            (
                "throughput_tops",
                "operations / latency / 1e12",
                ("metrics.ops_per_sample", f"{REFERENCE}.latency_per_sample_s"),
            ),
            *(
                (
                    f"efficiency_tops_per_w.{name}",
                    f"operations / energy within {name} / 1e12",
                    ("metrics.ops_per_sample",),
                )
                for name in ("macro", "chip", "system")
            ),
            *(
                (f"energy_per_sample_by_pass_j.{name}", f"dynamic and leakage energy in {name}", LANES)
                for name in PASSES
                if name != "transfer"  # it has no arrays to transfer between
            ),
        )
    }
)
"""Path in a result to its formula and the paths of its inputs; `*` stands for every entry."""


@dataclass(frozen=True)
class Explanation:
    """The answer.

    Parameters
    ----------
    path : str
    value : float or None
    formula : str
    inputs : dict
        Path or parameter to value.
    terms : list of dict
        What a sum is made of, largest first.
    models : dict
        Action to what its model says of itself.
    sources : list of str
        Keys of sources.yaml that the models rest on.
    """

    path: str
    value: float | None
    formula: str
    inputs: dict[str, Any] = field(default_factory=dict)
    terms: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All numbers of a result with their paths."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, f"{path}.{key}" if path else str(key))
    elif not isinstance(value, (list, str)):
        yield path, value


def explain(result: dict[str, Any], path: str) -> Explanation:
    """Explain one number.

    Parameters
    ----------
    result : dict
        As in result.json.
    path : str
        Such as `metrics.area_mm2` or `breakdown.component.adc.energy_j`.

    Raises
    ------
    UnknownName
        If the path leads to no number that can be explained.
    ValueError
        If it leads to an accuracy of a result that has none.
    """
    if path in MEASURED and not result["accuracy"]:
        raise ValueError(f"the result has no accuracy: {result['absent']['accuracy']}")
    numbers = dict(leaves({key: result[key] or {} for key in ("accuracy", "metrics", "breakdown")}))
    if path not in numbers:
        raise UnknownName("number of the result", path, numbers)
    if path in MEASURED:
        return Explanation(path, numbers[path], f"measured, not computed: {MEASURED[path]}", _measured(result))
    formulas = FORMULAS | INFERRED if "macro" in result["metrics"] else FORMULAS
    if path in formulas or path.startswith(f"{MACRO}.components."):
        formula, inputs = formulas[path] if path in formulas else part_formula(*path.split(".")[-2:])
        found: dict[str, Any] = {}
        everything = dict(leaves(result))
        for pattern in inputs:
            found |= {key: value for key, value in everything.items() if _matches(key, pattern)}
        return Explanation(path, numbers[path], formula, found | _recomputed(result, path))
    experiment = Experiment.model_validate(result["experiment"])
    priced = price_experiment(experiment, recorded(result))
    using = factors(experiment.chip.calibration)
    _, kind, name, quantity = path.split(".")
    if name == CONTROL:
        return _control(priced, using, quantity, path, numbers[path])
    if kind == "component" and quantity == "area_mm2":
        return _area(priced, using, name, path, numbers[path])
    return _sum(priced, using, kind, name, quantity, path, numbers[path])


def _matches(path: str, pattern: str) -> bool:
    keys, wanted = path.split("."), pattern.split(".")
    return len(keys) == len(wanted) and all(want in ("*", key) for key, want in zip(keys, wanted, strict=True))


def _measured(result: dict[str, Any]) -> dict[str, Any]:
    """What an accuracy was measured with."""
    experiment = Experiment.model_validate(result["experiment"])
    choice = experiment.dataset
    tested = choice.validation or choice.test or choose(choice.name, choice.options).test
    return {
        "experiment.network.name": experiment.network.name,
        "experiment.dataset.name": choice.name,
        f"test samples{', held out of the training samples' if choice.validation else ''}": tested,
        "training samples of an epoch": _samples_of_an_epoch(experiment),
        "epochs": trained_epochs(result),
        "experiment.seed": experiment.seed,
    }


def _samples_of_an_epoch(experiment: Experiment) -> int:
    return training_samples(experiment) // experiment.training.epochs


def _recomputed(result: dict[str, Any], path: str) -> dict[str, Any]:
    """Inputs of a formula that are no numbers of the result."""
    experiment = Experiment.model_validate(result["experiment"])
    if path in TRAINING:
        return {"training samples of an epoch": _samples_of_an_epoch(experiment), "epochs": trained_epochs(result)}
    if path != PEAK and (path.endswith(("typical", "coverage")) or not path.startswith(RANGE)):
        return {}
    priced = price_experiment(experiment, recorded(result))
    if path == PEAK:
        place = result["metrics"]["power_w"]["peak_at"]
        energy, time = bursts(priced.estimate)[place]
        return {f"dynamic energy of {place} [J]": energy, f"time of {place} [s]": time}
    return _shares(priced, experiment.chip.calibration, path)


def _shares(priced: Priced, choice: Calibration, path: str) -> dict[str, Any]:
    """What of a figure has which error, and how wide the DRAM's is, which belongs to no calibration."""
    spreads = spreads_of(choice, priced.parts, priced.tech)
    if path.startswith(f"{RANGE}area_mm2"):
        sums, errors = areas_by_family(priced.estimate), spreads["area"]
    else:
        sums, errors = families(priced.estimate)[path.split(".")[-2]], spreads["energy"]
    shares = shares_of_errors(sums, errors)
    memory = {"spread of dram": errors["dram"]} if "dram" in errors else {}
    return {f"share of {name}": shares.get(name, 0.0) for name in errors} | memory


def _control(priced: Priced, using: Factors, quantity: str, path: str, value: float) -> Explanation:
    """What calibration adds for control: a share of what lies within the macro."""
    share = {"energy_j": using.control, "area_mm2": using.control_layout}.get(quantity, 0.0)
    within = [name for name, part in priced.parts.items() if part.boundary == "macro"]
    return Explanation(path, value, "calibrated share × sum over parts", {"share": share, "parts": ", ".join(within)})


def _area(priced: Priced, using: Factors, name: str, path: str, value: float) -> Explanation:
    part = priced.parts[name]
    with provenance.record() as record:
        one = part.component.area(priced.tech)
    parameters = {entry.name: getattr(part.component, entry.name) for entry in fields(part.component)}  # type: ignore[arg-type]
    return Explanation(
        path,
        value,
        "instances × area of one × calibration × 1e6",
        {
            "instances": part.count,
            "area of one [m²]": one,
            "calibration": using.area(family(name, part.component)),
            "technology": priced.tech.name,
            **parameters,
        },
        models={type(part.component).__name__: inspect.getdoc(type(part.component)) or ""},
        sources=sorted(record.sources),
    )


def _sum(priced: Priced, using: Factors, kind: str, name: str, quantity: str, path: str, value: float) -> Explanation:
    """A cell of the breakdown as the sum over the table of action counts."""
    if quantity == "leakage_energy_j":
        power = {part: leak for part, leak in priced.estimate.leakage.items() if kind == "pass" or part == name}
        time = priced.estimate.time(pass_=name if kind == "pass" else None)
        return Explanation(path, value, "leakage power × exposed time", {"time [s]": time, **power})
    chosen = [row for row in priced.actions if name in (row.part if kind == "component" else row.pass_,)]
    terms: list[dict[str, Any]] = []
    models: dict[str, str] = {}
    with provenance.record() as record:
        for row, cost in costs(chosen, priced.parts, priced.tech):
            component = priced.parts[row.part].component
            each = cost.energy * using.energy(family(row.part, component)) if quantity == "energy_j" else cost.latency
            total = (
                row.count * each
                if quantity == "energy_j"
                else duration(row, cost, priced.parts[row.part].component, priced.tech)
            )
            terms.append(
                {
                    "layer": row.layer,
                    "pass": row.pass_,
                    "action": f"{row.part}.{row.action}",
                    "count": row.count if quantity == "energy_j" else row.serial,
                    "each": each,
                    "total": total,
                    **row.arguments,
                }
            )
            method = getattr(type(priced.parts[row.part].component), row.action)
            models[f"{row.part}.{row.action}"] = inspect.getdoc(method) or ""
    if kind == "pass" and quantity == "energy_j" and using.control:
        macro = sum(term["total"] for term in terms if priced.parts[term["action"].split(".")[0]].boundary == "macro")
        added = {"count": using.control, "each": macro, "total": using.control * macro}
        terms.append({"layer": "all", "pass": name, "action": CONTROL} | added)
    terms.sort(key=lambda term: -term["total"])
    formula = "sum of count × energy of one action, calibrated"
    if quantity == "latency_s":
        formula = "sum of actions in sequence × latency of one; what overlap hides is taken off transfers"
    inputs: dict[str, Any] = {"technology": priced.tech.name}
    if kind == "component":
        component = priced.parts[name].component
        models = {type(component).__name__: inspect.getdoc(type(component)) or ""} | models
        inputs |= {entry.name: getattr(component, entry.name) for entry in fields(component)}  # type: ignore[arg-type]
    return Explanation(path, value, formula, inputs, terms, models, sorted(record.sources))
