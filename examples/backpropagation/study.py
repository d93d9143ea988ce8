"""What the dataflow of backpropagation is worth: naive, optimised, the best of a search, and update in the arrays.

    python examples/backpropagation/study.py --out runs/backpropagation

VGG-8 at four nodes, ResNet-18, an LSTM and a transformer encoder, each with activity recorded on its own data, at the
system boundary. Naive and optimised have the same circuits; the best may have others of the same bits, with device,
array, rule and batch as they are; an update in the arrays has no weight-gradient pass and no momentum. Writes
`table.csv`, the figure `energy`, and for each network `waterfall_NAME`, from naive to optimised to best, with
`best_NAME.yaml` to go on from.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cimest.compare import waterfall
from cimest.config import Experiment, load
from cimest.config.loader import dump_yaml
from cimest.config.schema import Dataflow, RuleChoice
from cimest.estimate import energies, operations, price
from cimest.explore.dataflow import in_array, optimise
from cimest.pricing import Priced, build_rule, price_experiment
from cimest.report.figures import DOUBLE, INK, MM, save, style
from cimest.report.groups import GROUPS, grouped, label
from cimest.report.waterfall import waterfall as drawn

EXAMPLES = Path(__file__).parents[1]

CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    **{
        f"VGG-8, {node} nm": ("vgg8_cifar10.yaml", (f"chip.technology={node}nm",))
        for node in (32, 22, 14, 7)
    },
    "ResNet-18, 22 nm": (
        "resnet18_cifar10.yaml", ("network.width=1", f"activity={EXAMPLES / 'activity/resnet18.json'}")
    ),
    "LSTM, 22 nm": ("lstm_characters.yaml", ()),
    "Transformer, 22 nm": ("transformer_sst2.yaml", ()),
}  # fmt: skip
"""Name to a file of `examples` and what is changed in it."""

ROWS = ("naive", "optimised", "best", "in array")
PHASES = ("forward", "backward", "weight_gradient", "weight_update", "transfer")


@dataclass(frozen=True)
class Row:
    """One design of a network.

    Parameters
    ----------
    energy_uj : float
        Per training sample, with DRAM.
    macro, chip, system : float
        TOPS/W within each boundary.
    to_naive : float
        Energy of the naive design over this one's.
    momentum_parts : float
        Share of what exists for momentum alone: circuits, memory, its traffic, and the leakage of its parts. [%]
    momentum_difference : float
        Energy less that of the same design under plain descent, over the energy: less than its parts take, or below
        zero, where descent has to put gradients aside until their scale is known. [%]
    area_mm2, latency_ms : float
    search_s : float
        Processor time of the search that found it.
    designs : int
        Priced by the search.
    """

    case: str
    design: str
    energy_uj: float
    macro: float
    chip: float
    system: float
    to_naive: float
    momentum_parts: float
    momentum_difference: float
    area_mm2: float
    latency_ms: float
    search_s: float = 0.0
    designs: int = 0


@dataclass(frozen=True)
class Case:
    """All designs of a network, from naive on, with what was priced."""

    name: str
    designs: dict[str, Experiment]
    priced: dict[str, Priced]
    rows: list[Row]


def under(experiment: Experiment, base: str) -> Experiment:
    """The experiment with one of the named schedules, its word of gradients as it is."""
    words = {"bits": experiment.dataflow.gradient.bits}
    return experiment.model_copy(update={"dataflow": Dataflow.model_validate({"base": base, "gradient": words})})


def system(priced: Priced) -> float:
    """Energy of a training sample, with DRAM. [J]"""
    return float(energies(priced.estimate)["system"])


def of_parts(experiment: Experiment, priced: Priced) -> float:
    """Energy of what the rule adds to a chip: its actions, wherever they go, and the leakage of its parts. [J]"""
    rule, batch = build_rule(experiment), experiment.training.batch
    actions = [row for layer in priced.network.matrices for row in rule.actions(layer, experiment.chip, batch)]
    names, leakage = priced.estimate.layers, priced.estimate.leakage
    spent = sum(price(actions, priced.parts, priced.tech, names, overlap=False).energy.values())
    own = rule.parts(priced.network, experiment.chip)
    return float(spent + sum(leakage[name] for name in own) * priced.estimate.time())


def row(case: str, design: str, experiment: Experiment, priced: Priced, naive: Priced, **search: Any) -> Row:
    """The figures of one design."""
    training = experiment.training.model_copy(update={"rule": RuleChoice(name="sgd")})
    plain = price_experiment(experiment.model_copy(update={"training": training}))
    within, operated = energies(priced.estimate), operations(priced.network)
    efficiency = {name: float(operated / energy / 1e12) for name, energy in within.items()}
    return Row(
        case, design, 1e6 * system(priced), **efficiency, to_naive=system(naive) / system(priced),
        momentum_parts=100 * of_parts(experiment, priced) / system(priced),
        momentum_difference=100 * (1 - system(plain) / system(priced)),
        area_mm2=1e6 * float(sum(priced.estimate.area.values())), latency_ms=1e3 * float(priced.estimate.time()),
        **search,
    )  # fmt: skip


def study(name: str, experiment: Experiment, quick: bool, progress: Any = lambda points, best: None) -> Case:
    """Price naive and optimised, search the best, and put the update in the arrays beside it."""
    designs = {base: under(experiment, base) for base in ("naive", "optimised")}
    start = time.process_time()
    found = optimise(designs["optimised"], quick=quick, progress=progress)
    search = {"search_s": time.process_time() - start, "designs": found.points}
    designs["best"] = found.best
    if (updated := in_array(experiment)) is not None:
        designs["in array"] = updated
    priced = {design: price_experiment(one) for design, one in designs.items()}
    rows = [
        row(name, design, one, priced[design], priced["naive"], **(search if design == "best" else {}))
        for design, one in designs.items()
    ]
    return Case(name, designs, priced, rows)


def way(case: Case) -> tuple[list[Any], dict[int, str]]:
    """The steps from naive to optimised to best, and where each of them is reached."""
    first = waterfall(case.designs["naive"], case.designs["optimised"])
    second = waterfall(case.designs["optimised"], case.designs["best"])
    steps = [*first, *second[1:]]
    return steps, {0: "naive", len(first) - 1: "optimised", len(steps) - 1: "best"}


def spent(priced: Priced) -> Iterator[tuple[str, list[tuple[str, str, str, float]]]]:
    """By phase, and by kind of circuit: name, colour, hatch and energy of each contribution. [J]"""
    dataset = priced.estimate.dataset()
    by_group = grouped(dataset, "energy", "pass").sum(0)
    kinds = [(g.name, g.colour, g.hatch, float(energy)) for g, energy in zip(GROUPS, by_group, strict=True)]
    both = dataset["energy"] + dataset["leakage_energy"]
    colours = ("#88ccee", "#332288", "#cc6677", "#ddcc77", "#aa4499")
    passes = [
        (label(name), colour, "", float(both.sel({"pass": name}).sum()) if name in both["pass"] else 0.0)
        for name, colour in zip(PHASES, colours, strict=True)
    ]
    yield "by phase", passes
    yield "by kind of circuit", kinds


def figure(cases: Sequence[Case]) -> Any:
    """Energy of each design by phase and by kind of circuit; the naive bar leaves the axes, its value stands at it."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(DOUBLE, (24 * len(cases) + 34) * MM), layout="constrained")
    axes = drawing.subplots(len(cases), 2, squeeze=False)
    entries: list[dict[str, Any]] = [{}, {}]
    for panels, case in zip(axes, cases, strict=True):
        longest = 1.3e6 * max(system(one) for design, one in case.priced.items() if design != "naive")
        for place, one in enumerate(case.priced.values()):
            for panel, (title, parts), known in zip(panels, spent(one), entries, strict=True):
                left = 0.0
                for name, colour, hatch, energy in parts:
                    if energy:
                        bar = panel.barh(
                            place, 1e6 * energy, left=left, height=0.72, color=colour, hatch=hatch,
                            edgecolor=INK if hatch else "white", linewidth=0.3,
                        )  # fmt: skip
                        known.setdefault(name, bar)
                        left += 1e6 * energy
                beyond = left > longest
                text = f"{left:,.3g} µJ" if left < 1000 else f"{left:,.0f} µJ"
                panel.text(
                    longest if beyond else left, place, f"{text} →" if beyond else f" {text}",
                    ha="right" if beyond else "left", va="center", fontsize=6.5,
                    bbox={"facecolor": "white", "edgecolor": "white", "pad": 2} if beyond else None,
                )  # fmt: skip
                panel.set_xlim(0, longest)
                panel.set_title(f"{case.name}: {title}")
        for panel in panels:
            panel.set_yticks(range(len(case.priced)), case.priced)
            panel.set_ylim(len(case.priced) - 0.5, -0.5)
            panel.tick_params(axis="y", length=0)
            panel.spines["left"].set_visible(False)
    for panel in axes[-1]:
        panel.set_xlabel("Energy per training sample, with DRAM (µJ)")
    for known, side, columns in zip(entries, ("left", "right"), (2, 3), strict=True):
        drawing.legend(known.values(), known.keys(), loc=f"outside lower {side}", ncols=columns)
    return drawing


def write(cases: Sequence[Case], out: Path) -> None:
    """Table, figures and the best designs."""
    rows = [row for case in cases for row in case.rows]
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)
    with style():
        drawings = {"energy": figure(cases)}
        for case in cases:
            name = case.name.lower().replace(", ", "_").replace(" ", "")
            steps, totals = way(case)
            drawings[f"waterfall_{name}"] = drawn(steps, totals)
            (out / f"best_{name}.yaml").write_text(dump_yaml(case.designs["best"]))
    for name, drawing in drawings.items():
        for kind in ("svg", "png"):
            (out / f"{name}.{kind}").write_bytes(save(drawing, kind))


def table(rows: Sequence[Row], console: Console) -> None:
    """Print all rows."""
    heads = {
        "energy_uj": "µJ", "system": "TOPS/W", "chip": "chip", "macro": "macro", "to_naive": "x naive",
        "momentum_parts": "momentum %", "momentum_difference": "less sgd %", "area_mm2": "mm²", "latency_ms": "ms",
        "search_s": "search s",
    }  # fmt: skip
    shown = Table("network", "design", *heads.values(), box=None)
    for one in rows:
        values = asdict(one)
        figures = ["" if key == "search_s" and not values[key] else f"{values[key]:.4g}" for key in heads]
        shown.add_row(one.case if one.design == "naive" else "", one.design, *figures)
    console.print(shown)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--only", help="names separated by `;`, of " + "; ".join(CASES))
@click.option("--set", "changes", multiple=True, help="path=value, for all networks")
@click.option("--quick", is_flag=True, help="Search by changing one choice at a time only, not two.")
def main(out: Path, only: str | None, changes: tuple[str, ...], quick: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    names = [name.strip() for name in only.split(";")] if only else list(CASES)
    if unknown := [name for name in names if name not in CASES]:
        raise click.BadParameter(f"{', '.join(unknown)}; allowed: {'; '.join(CASES)}", param_hint="--only")
    cases = []
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(names))
        for name in names:
            file, own = CASES[name]
            experiment = load(EXAMPLES / file, [*own, *changes])

            def searched(points: int, best: float, name: str = name) -> None:
                bar.update(task, description=f"{name}: {points} designs, best {1e6 * best:.4g} µJ")

            searched(0, np.nan)
            cases.append(study(name, experiment, quick, searched))
            bar.advance(task)
    write(cases, out)
    table([row for case in cases for row in case.rows], Console(width=150))


if __name__ == "__main__":
    main()
