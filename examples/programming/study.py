"""How accuracy ages in phase-change memory: networks trained with and without weight noise, written four ways.

    python examples/programming/study.py lstm --data FOLDER --out runs/programming

The network is trained twice, in software so to speak: on a device without faults, through exact converters; plainly,
and aware of the hardware, with weight noise and clipped weights. Each is then programmed 25 times by the rule of the
most significant first, the best rule of thumb, the optimum and the clipped optimum, and tested from a second to a year
after. The same by hand: `cimest run`, then `cimest program` of its folder.
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

TRAININGS = {
    "plain": (),
    "aware": ("training.weight_noise=0.05", "training.clip=2.5"),
}
"""Changes to the training: noise of 5 % of the largest weight, and weights clipped at 2.5 standard deviations."""
TITLES = {"plain": "trained plainly", "aware": "trained with weight noise, clipped"}
WAYS = ("most_first", "naive", "optimised", "clipped")


def aged(network: str, training: str, data: str | None, out: Path, changes: tuple[str, ...]) -> dict[str, Any]:
    """Train, unless it is done, and program; the content of programming.json."""
    folder, overrides = out / f"{network}_{training}", [*TRAININGS[training], *changes]
    if data:
        overrides.append(f"dataset.path={data}")
    chosen = [text for value in overrides for text in ("--set", value)]
    done = cimest(["run", str(HERE / f"{network}.yaml"), *chosen, "--out", str(folder)])
    done = done or cimest(["program", str(folder), "--set", "programming.rules=[most_first]"])
    if done:
        raise SystemExit(done)
    return json.loads((folder / "programming" / "programming.json").read_text())


def table(network: str, results: dict[str, dict[str, Any]]) -> str:
    """Loss, excess loss over the network as trained, and accuracy at all times; Markdown."""
    times = [time_label(time) for time in next(iter(results.values()))["times_s"]]
    lines = [f"| {network} | | {' | '.join(times)} |", "|---|---|" + "---|" * len(times)]
    for training, result in results.items():
        trained = result["as_trained"]
        lines.append(
            f"| **{TITLES[training]}** | loss {trained['loss']:.4f}, accuracy {100 * trained['accuracy']:.2f} % |"
            + " |" * len(times)
        )
        for way in WAYS:
            entry = {name: np.array(values) for name, values in result["accuracy"][way].items()}
            excess = entry["loss"].mean(0) - trained["loss"]
            cells = zip(100 * entry["accuracy"].mean(0), 100 * entry["accuracy"].std(0), strict=True)
            lines.append(f"| {LABELS[way]} | excess loss | {' | '.join(f'{value:.4f}' for value in excess)} |")
            lines.append(f"| | accuracy % | {' | '.join(f'{mean:.2f} ± {std:.2f}' for mean, std in cells)} |")
    return "\n".join(lines)


def figure(results: dict[str, dict[str, Any]], path: Path) -> None:
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
                        np.arange(len(names)) + 0.08 * (number - 1.5), values.mean(0), values.std(0), capsize=1.5,
                        fmt=MARKERS[way] + "-", color=COLOURS[way], elinewidth=0.7, label=LABELS[way],
                    )  # fmt: skip
                axes.axhline(factor * result["as_trained"][what], color="black", linewidth=0.6, linestyle="--")
                axes.set_ylabel("Test accuracy (%)" if what == "accuracy" else "Test loss (nats)")
                axes.set_title(TITLES[training])
                axes.grid(axis="y")
                axes.set_xticks(np.arange(len(names)), names)
        for axes in panels[1]:
            axes.set_xlabel("Time since programming")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        for kind in ("svg", "png"):
            path.with_suffix(f".{kind}").write_bytes(save(drawing, kind))


@click.command(help=__doc__)
@click.argument("network", type=click.Choice(["lstm", "cnn", "transformer"]))
@click.option("--data", help="folder or file of the data set; default: the cache of `cimest data fetch`")
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--set", "changes", multiple=True, help="path=value, for both trainings")
def main(network: str, data: str | None, out: Path, changes: tuple[str, ...]) -> None:
    results = {training: aged(network, training, data, out, changes) for training in TRAININGS}
    text = table(network, results)
    (out / f"{network}.md").write_text(text + "\n")
    click.echo(text)
    figure(results, out / network)


if __name__ == "__main__":
    main()
