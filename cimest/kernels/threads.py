"""Shares work among threads; no result depends on how many there are.

The loops release the interpreter lock and are called from a pool of threads: that compiles faster than numba's own
parallel loops, and may be done from several threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(count: int) -> int:
    """Use that many threads; the number before."""
    global _threads
    if count < 1:
        raise ValueError(f"at least one thread is needed, got {count}")
    before, _threads = _threads, count
    return before


@cache
def single_blas() -> None:
    """Keep BLAS to one thread from now on: work is shared among threads here, in pieces of a fixed size.

    How BLAS splits a product among threads of its own would change its sums.
    """
    import scipy.linalg  # noqa: F401  brings a BLAS of its own
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="cimest")


def shared(work: Callable[[int, int], Any], items: int, grain: int = 1) -> list[Any]:
    """Results of work(first, last) on ranges that cover all items, one range for each thread.

    Parameters
    ----------
    work : callable
        Releases the interpreter lock.
    items : int
        At least 1.
    grain : int
        Ranges start at its multiples.
    """
    pieces = -(-items // grain)
    if min(_threads, pieces) <= 1:
        return [work(0, items)]
    edges = np.minimum(np.linspace(0, pieces, min(_threads, pieces) + 1).astype(int) * grain, items).tolist()
    *others, last = pairwise(edges)
    pending = [_pool(_threads).submit(work, *part) for part in others]
    own = work(*last)
    return [*(future.result() for future in pending), own]
