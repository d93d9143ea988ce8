"""Templates of pages; each page is one HTML file that opens offline."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(name: str) -> Template:
    """A template of `report/templates`; text is escaped, and a name that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("cimest.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
