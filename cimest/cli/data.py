"""`cimest data`: data sets on this machine."""

from __future__ import annotations

import click


@click.group()
def data() -> None:
    """Download data sets."""


@data.command()
@click.argument("name")
@click.option("--path", metavar="DIR", help="Folder to put the files in, by default the cache.")
def fetch(name: str, path: str | None) -> None:
    """Download the data set NAME and verify its checksums."""
    from cimest.datasets import fetch as fetch_dataset

    click.echo(fetch_dataset(name, path))
