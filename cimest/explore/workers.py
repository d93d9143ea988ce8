"""Where trainings run: in this process, in a pool of local processes, or on a dask cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from threading import Thread
from typing import Any, Protocol

from cimest.explore.training import Record, train

Job = tuple[Record, str, str, Record | None]
"""Arguments of `train`."""

DEATHS = 3
"""How often a job may take its worker down before it is given up: then it is the job's fault (our choice)."""


class Workers(Protocol):
    """Runs jobs and yields their records, in any order."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Record]:
        """Records of all jobs; those that were not begun when the iterable ends are not run."""
        ...


class Here:
    """This process, one job after the other, with all of its threads."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Record]:
        """See `Workers`."""
        for job in jobs:
            yield train(*job)


class Nobody:
    """Trains nothing: only what is there already counts."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Record]:
        """See `Workers`."""
        return iter(())


def _start(threads: int) -> None:
    """Prepare a worker: it leaves Ctrl-C to the parent, dies with it, and shares the cores with the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_die_with_parent, daemon=True).start()
    from cimest.run import use_threads

    use_threads(max(1, threads))


def _die_with_parent() -> None:
    """Without this a worker would train on after its parent was killed, beside the sweep that is started next."""
    parent = parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


class Pool:
    """Local processes, which share the cores.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int):
        self.workers = workers

    def _pool(self) -> ProcessPoolExecutor:
        threads = (os.cpu_count() or 1) // self.workers
        return ProcessPoolExecutor(self.workers, get_context("spawn"), _start, (threads,))

    def run(self, jobs: Iterable[Job]) -> Iterator[Record]:
        """See `Workers`; a job whose process died is run again, from its last checkpoint.

        Raises
        ------
        RuntimeError
            If the processes die again and again.
        """
        waiting, deaths, pool = iter(jobs), 0, self._pool()
        running: dict[Future[Record], Job] = {}
        try:
            while True:
                for job in islice(waiting, self.workers - len(running)):
                    running[pool.submit(train, *job)] = job
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                broken: list[Job] = []
                for future in done:
                    job = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(job)
                if broken:  # with one process the pool loses all
                    deaths += 1
                    if deaths > DEATHS:
                        raise RuntimeError(f"worker processes died {deaths} times, the last with {broken[0][1]}")
                    broken += running.values()
                    pool.shutdown(wait=True, cancel_futures=True)
                    pool = self._pool()
                    running = {pool.submit(train, *job): job for job in broken}
        finally:
            for process in list((pool._processes or {}).values()):
                process.terminate()  # a training that is left has its checkpoint
            pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """A dask.distributed cluster whose workers reach the folder of the results.

    Parameters
    ----------
    address : str
        Of the scheduler, such as `tcp://host:8786`, or the path of a scheduler file.

    Raises
    ------
    ValueError
        If dask.distributed is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str, timeout: float = 10.0):
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise ValueError("--scheduler needs dask.distributed: pip install 'cimest[cluster]'") from None
        where: dict[str, Any] = {"scheduler_file": address} if os.path.isfile(address) else {"address": address}
        try:
            self.client = Client(**where, timeout=timeout, set_as_default=False)
        except OSError as error:
            raise ValueError(f"no dask scheduler answers at {address}: {error}") from None

    def run(self, jobs: Iterable[Job]) -> Iterator[Record]:
        """See `Workers`; dask gives the jobs of a dead worker to the others, which take up their checkpoints."""
        from distributed import as_completed

        futures = [self.client.submit(train, *job, key=f"train-{job[1]}", retries=DEATHS) for job in jobs]
        try:
            for future in as_completed(futures, loop=self.client.loop):
                yield future.result()
        finally:
            self.client.cancel(futures)
            self.client.close()


def make(workers: int, scheduler: str | None) -> Workers:
    """The workers of the command line's options."""
    if scheduler is not None:
        return Cluster(scheduler)
    return Here() if workers == 1 else Pool(workers)
