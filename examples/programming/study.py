"""How accuracy ages in phase-change memory: networks trained with and without weight noise, written four ways.

    python examples/programming/study.py lstm cnn transformer --out runs/programming --shakespeare FILE --cifar FOLDER

Each network is trained twice, in software so to speak: on a device without faults, through exact converters; plainly,
and aware of the hardware, with weight noise and clipped weights. Each is then programmed 25 times by the rule of the
most significant first, the best rule of thumb, the optimum and the clipped optimum, and tested from a second to a year
after. What is done already is kept: a study that was stopped goes on where it was. The same by hand: `cimest run`, then
`cimest program` of its folder. All three take some twenty-five minutes of one core.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from cimest.cli.main import main as cimest
from cimest.programming.figures import COLOURS, LABELS, MARKERS, time_label
from cimest.report.figures import DOUBLE, MM, save, style

HERE = Path(__file__).parent

NETWORKS = ("lstm", "cnn", "transformer")
TRAININGS = {
    "plain": (),
    "aware": ("training.weight_noise=0.05", "training.clip=2.5"),
}
"""Changes to the training: noise of 5 % of the largest weight, and weights clipped at 2.5 standard deviations."""
TITLES = {"plain": "trained plainly", "aware": "trained with weight noise, clipped"}
WAYS = ("most_first", "naive", "optimised", "clipped")


def aged(network: str, training: str, data: str | None, out: Path, changes: tuple[str, ...]) -> dict[str, Any]:
    """Train and program, unless that is done; the content of programming.json."""
    folder, overrides = out / f"{network}_{training}", [*TRAININGS[training], *changes]
    if data:
        overrides.append(f"dataset.path={data}")
    chosen = [text for value in overrides for text in ("--set", value)]
    succeed(cimest(["run", str(HERE / f"{network}.yaml"), *chosen, "--out", str(folder)]))
    file, trained = folder / "programming" / "programming.json", json.loads((folder / "result.json").read_text())
    if not file.is_file() or json.loads(file.read_text())["experiment"] != trained["experiment"]:
        succeed(cimest(["program", str(folder)]))
    return json.loads(file.read_text())


def succeed(code: int) -> None:
    """Stop where a command did."""
    if code:
        raise SystemExit(code)


def excess(result: dict[str, Any], way: str) -> np.ndarray:
    """Loss over that of the network as trained: mean over the programmings, at each time."""
    return np.array(result["accuracy"][way]["loss"]).mean(0) - result["as_trained"]["loss"]


def table(network: str, results: dict[str, dict[str, Any]]) -> str:
    """Excess loss, how far it is from that of the most significant first, and accuracy at all times; Markdown."""
    times = [time_label(time) for time in next(iter(results.values()))["times_s"]]
    lines = [f"| {network} | | {' | '.join(times)} |", "|---|---|" + "---|" * len(times)]
    for training, result in results.items():
        trained = result["as_trained"]
        title = f"| **{TITLES[training]}** | loss {trained['loss']:.4f}, accuracy {100 * trained['accuracy']:.2f} % |"
        lines.append(title + " |" * len(times))
        for way in WAYS:
            accuracy, loss = (100 * np.array(result["accuracy"][way]["accuracy"]), excess(result, way))
            cells = {"excess loss": [f"{value:.4f}" for value in loss]}
            if way != WAYS[0]:
                cells["against the first"] = [f"{100 * r:+.0f} %" for r in loss / excess(result, WAYS[0]) - 1]
            spread = zip(accuracy.mean(0), accuracy.std(0), strict=True)
            cells["accuracy %"] = [f"{mean:.2f} ± {std:.2f}" for mean, std in spread]
            names = [LABELS[way]] + [""] * (len(cells) - 1)
            for name, (what, values) in zip(names, cells.items(), strict=True):
                lines.append(f"| {name} | {what} | {' | '.join(values)} |")
    return "\n".join(lines)


def figure(network: str, results: dict[str, dict[str, Any]], path: Path) -> None:
    """Accuracy and loss over time, one row for each training."""
    from matplotlib.figure import Figure

    with style():
        drawing = Figure(figsize=(DOUBLE, 110 * MM))
        panels = drawing.subplots(2, 2, sharex=True, sharey="col")
        for row, (training, result) in zip(panels, results.items(), strict=True):
            names = [time_label(time) for time in result["times_s"]]
            for axes, what, factor in ((row[0], "accuracy", 100), (row[1], "loss", 1)):
                for number, way in enumerate(WAYS):
                    values = factor * np.array(result["accuracy"][way][what])
                    axes.errorbar(
                        np.arange(len(names)) + 0.08 * (number - 1.5),
                        values.mean(0),
                        values.std(0),
                        fmt=MARKERS[way] + "-",
                        color=COLOURS[way],
                        capsize=1.5,
                        elinewidth=0.7,
                        label=LABELS[way],
                    )
                trained = factor * result["as_trained"][what]
                axes.axhline(trained, color="black", linewidth=0.6, linestyle="--", label="as trained")
                axes.set_ylabel("Test accuracy (%)" if what == "accuracy" else "Test loss (nats)")
                axes.set_title(f"{network}, {TITLES[training]}")
                axes.grid(axis="y")
                axes.set_xticks(np.arange(len(names)), names)
        for axes in panels[1]:
            axes.set_xlabel("Time since programming")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        for kind in ("svg", "png"):
            path.with_suffix(f".{kind}").write_bytes(save(drawing, kind))


@click.command(help=__doc__)
@click.argument("networks", nargs=-1, type=click.Choice(NETWORKS))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--shakespeare", help="file or folder of the characters; default: the cache of `cimest data fetch`")
@click.option("--cifar", help="folder of CIFAR-10; default: that cache")
@click.option("--set", "changes", multiple=True, help="path=value, for all")
def main(
    networks: tuple[str, ...],
    out: Path,
    shakespeare: str | None,
    cifar: str | None,
    changes: tuple[str, ...],
) -> None:
    data = dict(zip(NETWORKS, (shakespeare, cifar, shakespeare), strict=True))
    for network in networks or NETWORKS:
        results = {training: aged(network, training, data[network], out, changes) for training in TRAININGS}
        text = table(network, results)
        (out / f"{network}.md").write_text(text + "\n")
        click.echo(text)
        figure(network, results, out / network)


if __name__ == "__main__":
    main()
