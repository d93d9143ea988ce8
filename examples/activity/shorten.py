"""Make a file for `activity:` of a run's own: four digits, and first of all how it was recorded.

python examples/activity/shorten.py RUN FILE "cimest run ..."
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cimest.activity import LayerActivity
from cimest.config import Experiment
from cimest.pricing import training_samples

ASSUMED = asdict(LayerActivity())
"""What a file leaves out, since it was not measured."""


def shortened(run: Path, command: str) -> dict[str, Any]:
    """What the run measured, with the command behind it, its updates and the accuracy that they reached."""
    result = json.loads((run / "result.json").read_text())
    measured = json.loads((run / "activity.json").read_text())
    experiment = Experiment.model_validate(result["experiment"])
    batch, loss = experiment.training.batch, result["history"][0]["loss"]
    reached = f"loss {loss:.3g} in epoch 1, test accuracy {result['accuracy']['test']:.2f} at the end"
    layers = {
        name: {key: float(f"{value:.4g}") for key, value in entries.items() if value != ASSUMED[key]}
        for name, entries in measured["layers"].items()
    }
    updates = training_samples(experiment) // batch
    return {"command": command, "origin": f"{updates} updates of batches of {batch}: {reached}", "layers": layers}


def text(data: dict[str, Any]) -> str:
    """JSON with a line for each layer."""
    layers = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entries)}" for name, entries in data["layers"].items())
    head = "".join(f"  {json.dumps(key)}: {json.dumps(data[key])},\n" for key in ("command", "origin"))
    return f'{{\n{head}  "layers": {{\n{layers}\n  }}\n}}\n'


if __name__ == "__main__":
    run, file, command = sys.argv[1:]
    Path(file).write_text(text(shortened(Path(run), command)))
