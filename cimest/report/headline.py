"""The figures of merit as text with units, the same on the console and on the page."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cimest.config.schedule import named
from cimest.config.schema import Dataflow
from cimest.report.groups import label
from hwlib.units import pretty

BOUNDARY_NOTES = {
    "macro": "arrays, converters and accumulators, while they multiply and accumulate",
    "chip": "with buffers, interconnect, digital units{updates} and all leakage",
    "system": "with the DRAM",
}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Merit(NamedTuple):
    """One figure of merit: what it is, its value with unit, and what a reader must know to use it."""

    name: str
    value: str
    note: str = ""


def number(value: float, digits: int = 3) -> str:
    """A number to `digits` significant digits, thousands apart, with a power of ten where it is very large or small."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not -4 <= exponent < 6:
        return f"{rounded / 10.0**exponent:.{digits - 1}f}×10{str(exponent).translate(SUPERSCRIPT)}"
    return f"{rounded:,.{max(0, digits - 1 - exponent)}f}".replace(",", "\u202f")


def count(value: float) -> str:
    """A number of things: `1.2 M`."""
    return f"{value:g}" if abs(value) < 1000 else pretty(value, "").rstrip()


def share(part: float, whole: float) -> str:
    """A part of a whole, in percent; a dash where there is no whole."""
    if whole == 0:
        return "–"
    percent = 100 * part / whole
    return "< 0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"


def place(name: str) -> str:
    """A pass of a layer for people: the pass in words, the name of the layer as it is."""
    pass_, between, layer = name.partition(" of ")
    return label(pass_) + between + layer


def duration(seconds: float) -> str:
    """A time for people, in hours and days where it is long."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{number(seconds / size)} {unit}"
    return pretty(seconds, "s")


def sample_of(result: dict[str, Any]) -> str:
    """What energy and time are of."""
    return "inference" if result["experiment"]["training"]["kind"] == "none" else "training sample"


def accuracy(result: dict[str, Any]) -> Merit:
    """Test accuracy, or why there is none."""
    reached = result["accuracy"]
    if reached is None:
        return Merit("Test accuracy", "–", _reason(result, "accuracy"))
    notes = [
        f"{name} {100 * reached[key]:.2f} %"
        for key, name in (("best", "best"), ("train", "training"))
        if key in reached
    ]
    return Merit("Test accuracy", f"{100 * reached['test']:.2f} %", ", ".join(notes))


def between(ends: dict[str, float], unit: str) -> str:
    """A range as text: `12.6 to 186 TOPS/W`."""
    return f"{number(ends['low'])} to {number(ends['high'])} {unit}"


def efficiency(result: dict[str, Any]) -> list[Merit]:
    """Energy efficiency at the three boundaries."""
    ranges = result["metrics"]["range"]["efficiency_tops_per_w"]
    updates = ", update circuits" if sample_of(result) == "training sample" else ""
    return [
        Merit(
            f"Efficiency, {name}",
            f"{number(value)} TOPS/W",
            f"{between(ranges[name], 'TOPS/W')}; {BOUNDARY_NOTES[name].format(updates=updates)}",
        )
        for name, value in result["metrics"]["efficiency_tops_per_w"].items()
    ]


def lifetime(result: dict[str, Any]) -> Merit:
    """Training samples until the most written cell has used its endurance, or why nobody can say."""
    samples = result["metrics"]["lifetime_samples"]
    if samples is None:
        return Merit("Lifetime", "–", _reason(result, "lifetime_samples"))
    samples = float(samples)  # result.json has no word for infinity, so it may be text
    if math.isinf(samples):
        return Merit("Lifetime", "unlimited", "no cell is written")
    metrics = result["metrics"]
    if not metrics["training_energy_j"]:
        return Merit("Lifetime", f"{number(samples)} samples", "nothing was trained yet")
    runs = samples * metrics["energy_per_sample_j"] / metrics["training_energy_j"]
    return Merit("Lifetime", f"{number(samples)} samples", f"{number(runs)} trainings such as this one")


def cost(result: dict[str, Any]) -> list[Merit]:
    """Energy, time, power, area and throughput."""
    metrics = result["metrics"]
    chip = metrics["energy_per_sample_by_boundary_j"]["chip"]
    power = metrics["power_w"]
    ranges = metrics["range"]
    low, high = (pretty(ranges["energy_per_sample_by_boundary_j"]["system"][end], "J") for end in ("low", "high"))
    return [
        Merit(
            "Energy per sample",
            pretty(metrics["energy_per_sample_j"], "J"),
            f"{low} to {high} with {100 * ranges['coverage']:.0f} % probability; chip alone {pretty(chip, 'J')}",
        ),
        Merit(
            "Latency per sample",
            pretty(metrics["latency_per_sample_s"], "s"),
            "exposed time of " + ("an inference" if "macro" in metrics else "a training step, per sample"),
        ),
        *(macro(metrics["macro"]) if "macro" in metrics else whole_training(metrics)),
        Merit(
            "Power",
            pretty(power["average"], "W"),
            f"peak {pretty(power['peak'], 'W')} in {place(power['peak_at'])}, with DRAM",
        ),
        Merit(
            "Bottleneck",
            label(metrics["bottleneck"]["resource"]),
            f"{share(metrics['bottleneck']['time_s'], metrics['latency_per_sample_s'])} of the time",
        ),
        Merit(
            "Area",
            f"{number(metrics['area_mm2'])} mm²",
            f"{between(ranges['area_mm2'], 'mm²')}; the chip, without DRAM",
        ),
        Merit("Leakage", pretty(metrics["leakage_w"], "W"), "every part, all the time"),
        Merit(
            "Throughput",
            f"{number(metrics['throughput_tops'])} TOPS",
            f"{count(metrics['ops_per_sample'])} ops per sample, "
            f"{count(metrics['executed_ops_per_sample'])} without products that are skipped for a zero",
        ),
        Merit("Density", f"{number(metrics['density_tops_per_mm2'])} TOPS/mm²"),
    ]


def whole_training(metrics: dict[str, Any]) -> list[Merit]:
    """Energy and time of all epochs."""
    return [
        Merit("Training energy", pretty(metrics["training_energy_j"], "J"), "all epochs, with DRAM"),
        Merit("Training time", duration(metrics["training_time_s"]), "on the chip, all epochs"),
    ]


def macro(figures: dict[str, Any]) -> list[Merit]:
    """What is within the macro boundary, for the matrix-vector products of an inference alone."""
    parts = figures["components"]
    largest = sorted(parts, key=lambda name: -parts[name]["energy_share"])[:4]
    shares = ", ".join(f"{label(name)} {share(parts[name]['energy_share'], 1.0)}" for name in largest)
    speed, density = number(figures["throughput_tops"]), number(figures["density_tops_per_mm2"])
    return [
        Merit("Macro, energy per vector", pretty(figures["energy_per_vector_j"], "J"), shares),
        Merit(
            "Macro, with its leakage",
            f"{number(figures['efficiency_tops_per_w'])} TOPS/W",
            f"{speed} TOPS, {density} TOPS/mm² on {number(figures['area_mm2'])} mm², one vector after the other",
        ),
    ]


def figures_of_merit(result: dict[str, Any]) -> list[Merit]:
    """All of them, in the order in which they are read."""
    return [accuracy(result), *efficiency(result), *cost(result), lifetime(result)]


def title(result: dict[str, Any]) -> tuple[str, str]:
    """Name of a result, and what it was computed for."""
    experiment = result["experiment"]
    chip, training = experiment["chip"], experiment["training"]
    what = "Training run" if result["history"] else "Estimate"
    facts = (
        what,
        f"device {chip['device']['name']}",
        chip["technology"],
        *(
            ["inference"]
            if training["kind"] == "none"
            else [f"rule {training['rule']['name']}", f"batch {training['batch']}"]
        ),
        f"{named(Dataflow.model_validate(experiment['dataflow']))} dataflow",
    )
    return f"{result['network']['name']} on {experiment['dataset']['name']}", " · ".join(facts)


def _reason(result: dict[str, Any], key: str) -> str:
    return result["absent"].get(key, "not known")
