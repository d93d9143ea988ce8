"""`cimest explain` and `cimest cite`: what stands behind a result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cimest.cli.common import console, json_option, print_json

COLUMNS = ("layer", "pass", "action", "count", "each", "total")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("path")
@json_option
def explain(run: Path, path: str, as_json: bool) -> None:
    """Show formula, inputs and sources behind the number at PATH of the result in the folder RUN."""
    from cimest.explain import explain as explained
    from cimest.result import plain, read_result

    answer = explained(read_result(run), path)
    if as_json:
        print_json(plain(asdict(answer)))
    else:
        _print(answer)


def _print(answer: Any) -> None:
    from rich.table import Table

    from hwlib.provenance import citation

    out = console()
    out.print(f"[bold]{answer.path}[/] = {answer.value:.6g}" if answer.value is not None else answer.path)
    out.print(f"  = {answer.formula}")
    for name, value in answer.inputs.items():
        text = f"{value:.6g}" if isinstance(value, (int, float)) else value
        out.print(f"    {name} = {text}", markup=False)
    if answer.terms:
        table = Table(*COLUMNS, "with", box=None, title="largest terms")
        for term in answer.terms[:12]:
            given = {key: value for key, value in term.items() if key not in COLUMNS}
            with_ = ", ".join(f"{key} {float(value):.3g}" for key, value in given.items())
            numbers = (f"{float(term[key]):.4g}" for key in ("count", "each", "total"))
            table.add_row(term["layer"], term["pass"], term["action"], *numbers, with_)
        out.print(table)
    for name, text in answer.models.items():
        out.print(f"[bold]{name}[/]")
        out.print("\n".join(f"  {line}" for line in text.splitlines()), markup=False)
    for key in answer.sources:
        out.print(f"source {key}: {citation(key)}", markup=False)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def cite(run: Path, as_json: bool) -> None:
    """Print BibTeX of every source that the result in the folder RUN rests on."""
    from cimest.result import read_result
    from hwlib.provenance import bibtex, source

    keys = read_result(run)["provenance"]["sources"]
    if as_json:
        print_json({key: source(key) for key in keys})
    else:
        click.echo("\n\n".join(bibtex(key) for key in keys))
