"""`cimest check`: say all that is wrong with an experiment, or which defaults it takes."""

from __future__ import annotations

from typing import Any

import click

from cimest.cli.common import console, experiment_arguments, json_option, print_json


@click.command()
@experiment_arguments
@json_option
@click.pass_context
def check(context: click.Context, experiment: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check EXPERIMENT and show every value that it leaves to its default."""
    from cimest.config import ConfigError, load
    from cimest.config.loader import defaults_taken, resolved

    try:
        loaded = load(experiment, overrides)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": [problem.as_dict() for problem in error.problems]})
        context.exit(2)
    defaults = defaults_taken(loaded)
    if as_json:
        print_json({"ok": True, "defaults": defaults, "experiment": resolved(loaded)})
    else:
        click.echo("ok")
        _print_defaults(defaults)


def _print_defaults(defaults: dict[str, Any]) -> None:
    from rich.table import Table

    from cimest.config.messages import shown
    from cimest.config.sections import field_at, unit_of
    from hwlib.units import pretty

    table = Table("default taken", "value", "meaning", box=None)
    for path, value in defaults.items():
        field = field_at(path.split("."))
        unit = unit_of(field) if field else ""  # an option of a network or rule is not in the schema
        if value is None:
            text = "null"
        elif isinstance(value, (str, list)):
            text = str(value).lower()
        else:
            text = pretty(value, unit) if unit else shown(value)
        table.add_row(path, text, (field and field.description) or "")
    console().print(table)
