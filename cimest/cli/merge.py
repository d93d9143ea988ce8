"""`cimest merge`: join the shards of a sweep."""

from __future__ import annotations

from pathlib import Path

import click

from cimest.cli.common import json_option, print_json, quiet_option, set_option


@click.command()
@click.argument("sweep", metavar="SWEEP", type=click.Path(path_type=Path))
@click.argument("shards", metavar="SHARD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@set_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the whole sweep.")
@quiet_option
@json_option
def merge(
    sweep: Path, shards: tuple[Path, ...], overrides: tuple[str, ...], out: Path, quiet: bool, as_json: bool
) -> None:
    """Put the trainings of the folders SHARD together, and price SWEEP with them; nothing is trained.

    What the shards were given with `--set`, this needs too.
    """
    from cimest.cli.sweep import explore, show
    from cimest.explore.store import gather, prepare
    from cimest.explore.sweep import read_sweep
    from cimest.explore.workers import Nobody
    from cimest.result import plain

    read = read_sweep(sweep, overrides)
    prepare(read, out)
    found = gather(shards, out)
    study = explore(read, out, Nobody(), 1e9, (0, 1), shown=not (quiet or as_json))
    if found and not (study.summary["trainings"] or {}).get("done"):
        raise click.UsageError(f"none of the {found} trainings of these shards belongs to {sweep}")
    if as_json:
        print_json(plain(study.summary))
    elif not quiet:
        show(study, out)
