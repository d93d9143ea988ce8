"""Options and output that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

Function = TypeVar("Function", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
quiet_option = click.option("--quiet", is_flag=True, help="Print no progress and no tables.")


set_option = click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Replace a value, such as chip.adc.bits=5."
)


def experiment_arguments(function: Function) -> Function:
    """The argument EXPERIMENT and the option `--set`: parameters `experiment` and `overrides`."""
    return click.argument("experiment", type=click.Path())(set_option(function))


def console() -> Console:
    """Where tables go; a file or a pipe, which has no width of its own, gets lines of 120."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def print_json(value: Any) -> None:
    """Print the one JSON value of a command; a number that JSON has no word for is an error."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))
