"""The hot loops of the simulator: a plain numpy specification and a compiled version held to it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from pathlib import Path
from types import ModuleType
from typing import Literal


def backend(name: Literal["compiled", "reference"] = "compiled") -> ModuleType:
    """The module with the kernels; see `compiled` for their names, and `reference` for what they do.

    Parameters
    ----------
    name : {"compiled", "reference"}
        `compiled` loads numba; `reference` is the specification: obvious and slow.
    """
    return importlib.import_module(f"cimest.kernels.{name}")


def _forget_stale(folder: Path) -> None:
    """Drop machine code of kernels whose sources have changed.

    numba keeps the code of a function until its own file changes, though it holds that of functions of other files.
    """
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()
    kept = folder / "__pycache__" / "sources.sha256"
    if kept.is_file() and kept.read_text() == sources:
        return
    with contextlib.suppress(OSError):  # a folder that cannot be written, or another process that was quicker
        for file in kept.parent.glob("*.nb?"):
            file.unlink(missing_ok=True)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(sources)


_forget_stale(Path(__file__).parent)
