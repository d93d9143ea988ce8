"""`cimest fit-device`: measured pulses become a device, with the law that fits them best."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cimest.cli.common import console, json_option, print_json, quiet_option
from cimest.result import make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwlib.devices.fit import LawFit
    from hwlib.devices.measurement import Run

FROM_BASE = (
    "kind",
    "read_voltage",
    "read_time",
    "access_voltage",
    "write_voltage",
    "pulse_width",
    "series_resistance",
    "polarisation",
    "cell_width",
    "cell_height",
)
"""Fields that pulses say nothing of."""

UNKNOWN = "a table of pulses and conductances does not say them"

EXAMPLES = {
    "kind": "resistive",
    "read_voltage": "0.5 V",
    "read_time": "10 ns",
    "access_voltage": "1.1 V",
    "write_voltage": "2 V",
    "pulse_width": "10 ns",
}
"""What a field that is not known may look like."""

COLOURS = {True: "#332288", False: "#cc6677"}
"""Of pulses up, and of pulses down."""


class BadInput(click.ClickException):
    """What the user can mend in the data or the options."""

    exit_code = 2


@click.command()
@click.argument("pulses", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of device and figure.  [default: devices]")
@click.option("--law", "wanted", metavar="LAW", help="Write this law rather than the one that fits best.")
@click.option("--base", metavar="DEVICE", help="Take voltages, times and cell size from this device.")
@quiet_option
@json_option
def fit_device(
    pulses: Path, out: Path | None, wanted: str | None, base: str | None, quiet: bool, as_json: bool
) -> None:
    """Fit every update law to PULSES, a CSV file, and write the best as a device with a figure.

    The file has the columns `pulse, conductance, direction` (rows in the order of time, direction up or down), or
    `pulse, up, down` (two series of conductances). A header may say a unit: conductance_uS, up [nS].
    Laws are ranked by Schwarz's criterion (BIC): the smallest fits best for its number of parameters.
    """
    from hwlib.devices.fit import fit_laws
    from hwlib.devices.measurement import BadPulseData, read_pulses

    if pulses.is_dir():
        raise BadInput(f"{pulses} is a folder, not a file of pulses")
    folder = out or Path("devices")
    make_folder(folder)
    try:
        runs = read_pulses(pulses)
        fits = fit_laws(runs)
    except BadPulseData as error:
        raise BadInput(str(error)) from None
    names = [fit.law.law for fit in fits]
    if wanted is not None and wanted not in names:
        from hwlib.registry import suggestion

        raise BadInput(f"no law is named {wanted!r}; {suggestion(wanted, names)}")
    chosen = fits[names.index(wanted)] if wanted else fits[0]
    record = device_record(chosen, pulses, base)
    device, figure = folder / f"{record['name']}.yaml", folder / f"{record['name']}.svg"
    device.write_text(device_text(record, pulses), encoding="utf-8")
    draw(runs, chosen, figure)
    if as_json:
        print_json(summary(fits, chosen, {"device": str(device), "figure": str(figure)}))
    elif not quiet:
        _print_table(fits)
        click.echo(f"\nwrote {device} and {figure}: {chosen.law.law}, {chosen.states} states")
        if lacking := _lacking(record):
            whose = f"{base} does not have them either" if base else "pulses do not say them"
            click.echo(
                f"not known: {', '.join(lacking)}; {whose}. Fill them in, or name a device that has them with --base, "
                "or with fill_from beside base in an experiment"
            )


def device_record(fit: LawFit, pulses: Path, base: str | None) -> dict[str, Any]:
    """The record of a fitted device, as its YAML file has it.

    Parameters
    ----------
    fit : LawFit
    pulses : Path
        File that was fitted; its name becomes the device's.
    base : str or None
        Device or YAML file from which the fields are taken that pulses say nothing of.
    """
    from hwlib.devices.device import device_data

    data = device_data(base) if base else {}
    taken = {key: data[key] for key in FROM_BASE if key in data}
    law = {key: list(value) if isinstance(value, tuple) else value for key, value in _plain(fit.law).items()}
    own: dict[str, Any] = {
        "on_resistance": f"{1 / fit.high:.6g} ohm",
        "off_resistance": f"{1 / fit.low:.6g} ohm",
        "states": fit.states,
        "update": law,
        "cycle_to_cycle": {"sigma": float(f"{fit.cycle_to_cycle:.4g}"), "per": "pulse"},
    }
    origin = data.get("sources", {})
    sources = dict.fromkeys(own, "user_data") | {key: origin.get(key, "user_data") for key in taken if key != "kind"}
    name = re.sub(r"\W+", "_", pulses.stem).strip("_").lower() or "device"
    record = {"name": name, "description": f"Fitted to {pulses.name} by {fit.law.law}", **taken, **own}
    if _lacking(record):
        record["absent"] = UNKNOWN
    return {**record, "sources": sources}


def _lacking(record: dict[str, Any]) -> list[str]:
    """Fields that a chip needs and the record does not have."""
    from hwlib.devices.device import CAN_BE_ABSENT

    return [name for name in CAN_BE_ABSENT if name not in record]


def _plain(law: Any) -> dict[str, Any]:
    """Fields of a law with six digits, those left out that have their defaults."""

    def rounded(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [rounded(item) for item in value]
        return float(f"{value:.6g}") if isinstance(value, float) else value

    return {"law": law.law} | {key: rounded(value) for key, value in law.model_dump(exclude_defaults=True).items()}


def device_text(record: dict[str, Any], pulses: Path) -> str:
    """YAML of a device, with a first line that says where it is from."""
    import yaml

    head = f"# Fitted to {pulses.name} by `cimest fit-device`; use it as `device: {{base: {record['name']}.yaml}}`.\n"
    lines = "".join(f"# {name}: {EXAMPLES[name]}\n" for name in _lacking(record))
    lacking = f"# Not known, and needed on a chip (values are examples):\n{lines}" if lines else ""
    dumped = yaml.safe_dump(record, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None)
    return head + lacking + dumped


def summary(fits: Sequence[LawFit], chosen: LawFit, files: dict[str, str]) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "best": fits[0].law.law,
        "written": chosen.law.law,
        "criterion": "bic",
        "laws": [
            {
                **_plain(fit.law),
                "states": fit.states,
                "conductance_min_s": fit.low,
                "conductance_max_s": fit.high,
                "parameters": fit.parameters,
                "rms": fit.rms,
                "aic": fit.aic,
                "bic": fit.bic,
                "cycle_to_cycle": fit.cycle_to_cycle,
                "read_noise": fit.read_noise,
            }
            for fit in fits
        ],
        "files": files,
    }


def _print_table(fits: Sequence[LawFit]) -> None:
    from rich.table import Table

    table = Table("law", "states", "parameters", "error", "write noise", "read noise", "AIC", "BIC", box=None)
    for fit in fits:
        noises = (f"{100 * value:.3g} %" for value in (fit.rms, fit.cycle_to_cycle, fit.read_noise))
        relative = (f"{value:+.1f}" for value in (fit.aic - fits[0].aic, fit.bic - fits[0].bic))
        table.add_row(fit.law.law, str(fit.states), str(fit.parameters), *noises, *relative)
    out = console()
    out.print(table)
    out.print("noises in % of the range, per pulse and per measurement; AIC and BIC relative to the first law")


def draw(runs: Sequence[Run], fit: LawFit, path: Path) -> None:
    """Figure of data, law and error of each prediction, pulses up at the left and down at the right."""
    from matplotlib.figure import Figure

    from cimest.report.figures import DOUBLE, style

    with style():
        figure = Figure(figsize=(DOUBLE, 0.55 * DOUBLE))
        axes = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=(3, 1))
        for run, errors in zip(runs, fit.errors, strict=True):
            top, bottom = axes[:, 0 if run.up else 1]
            top.plot(run.pulses, 1e6 * run.conductance, ".", color=COLOURS[run.up], markersize=5, alpha=0.7, mew=0)
            top.plot(*_curve(run, fit), color="black", linewidth=0.6, alpha=0.8)
            share = 100 * errors / (fit.high - fit.low)
            bottom.plot(run.pulses[1:], share, ".", color=COLOURS[run.up], markersize=5, alpha=0.7, mew=0)
        for column, word in enumerate(("up", "down")):
            axes[0, column].set_title(f"Pulses {word}: {fit.law.law.replace('_', ' ')}, {fit.states} states")
            axes[1, column].axhline(0, color="black", linewidth=0.5)
            axes[1, column].set_xlabel("pulses")
        axes[0, 0].set_ylabel("conductance [µS]")
        axes[1, 0].set_ylabel("error [% of range]")
        for ending in (".svg", ".png"):
            figure.savefig(path.with_suffix(ending))


def _curve(run: Run, fit: LawFit) -> tuple[Any, Any]:
    """The law without noise over a run [µS], from the start that brings it closest to the measurements."""
    import numpy as np

    from hwlib.devices.stepwise import apply_law

    middle, half = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    measured = (run.conductance - middle) / half
    starts = np.clip(measured[0] + np.linspace(-0.1, 0.1, 41), -1, 1)
    state, curves, sign = starts, [starts], 1 if run.up else -1
    for count in np.diff(run.pulses):
        state = apply_law(fit.law, fit.states, state, np.full(len(starts), sign * count))
        curves.append(state)
    table = np.array(curves)
    best = np.argmin(np.sum((table - measured[:, None]) ** 2, axis=0))
    return run.pulses, 1e6 * (middle + half * table[:, best])
