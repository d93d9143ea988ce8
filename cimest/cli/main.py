"""The command `cimest`: finds subcommands without importing them, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

import cimest

COMMANDS = {
    "run": ("cimest.cli.run:run", "Train the network on the chip, and price it."),
    "estimate": ("cimest.cli.estimate:estimate", "Price a training step without training."),
    "compare": ("cimest.cli.compare:compare", "Show what differs between two designs, and what each difference costs."),
    "sweep": ("cimest.cli.sweep:sweep", "Explore many designs at once, and train where it matters."),
    "merge": ("cimest.cli.merge:merge", "Join the shards of a sweep."),
    "plot": ("cimest.cli.plot:plot", "Draw the figures of a sweep again."),
    "optimise-dataflow": ("cimest.cli.optimise:optimise_dataflow", "Search the best schedule and buffer sizes."),
    "program": ("cimest.cli.program:program", "Write trained weights into devices, and age them."),
    "check": ("cimest.cli.check:check", "Check an experiment and show the defaults that it takes."),
    "new": ("cimest.cli.new:new", "Write a commented experiment to start from."),
    "list": ("cimest.cli.catalogue:list_names", "List components, devices, technologies, networks, rules or datasets."),
    "show": ("cimest.cli.catalogue:show", "Show one of them: its parameters, units and sources."),
    "extract": ("cimest.cli.extract:extract", "Average the weights of a run's late training, and test the mean."),
    "explain": ("cimest.cli.explain:explain", "Show formula, inputs and sources behind one number of a result."),
    "cite": ("cimest.cli.explain:cite", "Print BibTeX of the sources that a result rests on."),
    "data": ("cimest.cli.data:data", "Download data sets."),
    "fit-device": ("cimest.cli.fit_device:fit_device", "Turn measured pulses into a device."),
    "validate": ("cimest.cli.validate:validate", "Show our numbers beside another tool's and published ones."),
    "bench": ("cimest.cli.bench:bench", "Time each hot loop beside its limit on this machine."),
}
"""Command to where it is and what it does; so `--help` imports none of them."""

GOOD, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def _note_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.obj["debug"] |= value


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=_note_debug, help="Show the traceback of an error."
    )


def _with_debug(command: click.Command) -> click.Command:
    """Give a command, and the commands of a group, the option `--debug`."""
    command.params.append(_debug_option())
    if isinstance(command, click.Group):
        for member in command.commands.values():
            _with_debug(member)
    return command


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            self.add_command(_with_debug(getattr(importlib.import_module(module), name)), cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but the message for an unknown command names the closest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from hwlib.registry import suggestion

            raise click.UsageError(f"there is no command {args[0]!r}; {suggestion(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, params=[_debug_option()])
@click.version_option(cimest.__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """How well a network learns on a compute-in-memory chip, and what that costs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code: 0 good, 2 bad input, 130 interrupted, 1 anything else.
    """
    state = {"debug": False}
    try:
        code = cli.main(arguments, prog_name="cimest", standalone_mode=False, obj=state)
        return code if isinstance(code, int) else GOOD
    except (click.Abort, KeyboardInterrupt) as stop:
        reason = str(stop) or str(stop.__cause__ or "")  # click turns the one into the other
        click.echo(f"interrupted; {reason}" if reason else "interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        if state["debug"]:
            traceback.print_exc()
        return _report(error, state["debug"])


def _report(error: Exception, debug: bool) -> int:
    """Say what went wrong; the exit code."""
    if _is_bad_input(error):
        click.echo(str(error), err=True)
        return BAD_INPUT
    if isinstance(error, ConnectionError):
        click.echo(str(error), err=True)
    elif not debug:
        text = " ".join(str(error).split())
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        click.echo(f"{message} (run again with --debug for the traceback)", err=True)
    return FAILED


def _is_bad_input(error: Exception) -> bool:
    """Whether the user can mend it: a component or data file that is refused is a ValueError that says why.

    The modules of the other errors are loaded where such an error was raised.
    """
    kinds: list[Any] = [FileNotFoundError, NotADirectoryError, FileExistsError, PermissionError, ValueError]
    for module, name in (("hwlib.registry", "UnknownName"), ("cimest.config.messages", "ConfigError")):
        if module in sys.modules:
            kinds.append(getattr(sys.modules[module], name))
    return isinstance(error, tuple(kinds))
