"""The report of a result: result.json, CSV tables, figures, and one HTML page that opens offline."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cimest.result import plain

if TYPE_CHECKING:
    from xarray import Dataset

FORMATS = ("svg", "png", "pdf")


def write(result: dict[str, Any], dataset: Dataset, out: Path) -> list[Path]:
    """Write everything that is shown of a result.

    Parameters
    ----------
    result : dict
        What result.json is to hold.
    dataset : xarray.Dataset
        What `Estimate.dataset` gives.
    out : Path
        The run's folder; made if there is none. Files of an earlier result are replaced.

    Returns
    -------
    list of Path
        The files: result.json, breakdown.csv, history.csv if there is a history, figures/*, report.html.
    """
    from cimest.report.figures import figures, save
    from cimest.report.page import report_html
    from cimest.report.tables import write_breakdown, write_history

    result = plain(result)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    written = [out / "breakdown.csv"]
    write_breakdown(dataset, written[0])
    if result["history"]:
        written.append(out / "history.csv")
        write_history(result["history"], written[-1])
    drawings = {}
    for name, figure in figures(result, dataset).items():
        for kind in FORMATS:
            content = save(figure, kind)
            written.append(out / "figures" / f"{name}.{kind}")
            written[-1].write_bytes(content)
            if kind == "svg":
                drawings[name] = content.decode()
    written.append(out / "report.html")
    written[-1].write_text(report_html(result, dataset, drawings), encoding="utf-8")
    # Last and in one step: whoever finds result.json finds a whole one, and all other files beside it.
    written.append(out / "result.json")
    unfinished = out / "result.json.part"
    unfinished.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(unfinished, written[-1])
    return written
