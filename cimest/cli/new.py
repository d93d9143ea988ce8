"""`cimest new`: a commented experiment to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("experiment.yaml"))
def new(file: Path) -> None:
    """Write a commented experiment to FILE (experiment.yaml), unless it exists."""
    text = resources.files("cimest.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise click.UsageError(f"{file} exists and is left as it is; name another file") from None
    click.echo(f"wrote {file}; try: cimest check {file}")
