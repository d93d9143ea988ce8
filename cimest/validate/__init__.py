"""Our numbers beside references: every comparison, in groups.

There are two kinds of reference. Two printed reports of DNN+NeuroSim V2.1 (`areas`, `energies`, `writes`, and the
whole training step under that tool's accounting, `phases`) are another model's output, so that agreement shows that
the same physics is priced, not that it is true. The others are published converters (`converters`).

The reports print totals of a training epoch. Each module says how it turns them into one action's price, and a
row's note says where that tool's accounting is known to be wrong. Nothing here is fitted to make a row hold.
"""

from cimest.validate.areas import areas
from cimest.validate.converters import converters
from cimest.validate.energies import energies
from cimest.validate.phases import phases
from cimest.validate.report import reports
from cimest.validate.row import Row
from cimest.validate.writes import writes

__all__ = ["Row", "validate"]


def validate() -> list[Row]:
    """All comparisons."""
    rows = [row for report in reports() for group in (areas, energies, writes, phases) for row in group(report)]
    return rows + converters()
