"""The kernels in machine code by numba, held to the specification in reference.py."""

from __future__ import annotations

from cimest.kernels.draws import normal, uniform
from cimest.kernels.exact import exact_gradient, matmul
from cimest.kernels.ir_drop import ir_drop, ir_drop_correction
from cimest.kernels.noisy import noisy_mvm
from cimest.kernels.products import bit_serial_mvm, weight_gradient
from cimest.kernels.threads import set_threads
from cimest.kernels.updates import pulsed_update

__all__ = [
    "bit_serial_mvm",
    "exact_gradient",
    "ir_drop",
    "ir_drop_correction",
    "matmul",
    "noisy_mvm",
    "normal",
    "pulsed_update",
    "set_threads",
    "uniform",
    "weight_gradient",
]
