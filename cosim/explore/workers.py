"""Who evaluates candidates: processes on this machine, or a Dask cluster, behind one interface.

A worker may die at any time (memory, a machine that goes away); its candidate is then evaluated
again by another one, and nothing else is affected.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from cosim.explore.evaluation import Job, Outcome, evaluate
from hwmodels.errors import ModelError

#: How often a candidate may lose its worker before it is blamed for it.
ATTEMPTS = 3
#: How long a scheduler may take to answer.
PATIENCE_s = 10.0


class Workers(Protocol):
    """Evaluates jobs in the background."""

    @property
    def count(self) -> int:
        """How many jobs run at a time."""
        ...

    def submit(self, job: Job) -> Future[Outcome]:
        """Begin a job."""
        ...

    def lost(self, error: BaseException) -> bool:
        """Whether an error means that the worker is gone; makes sure there are others."""
        ...

    def close(self) -> None:
        """Let go of all workers; what runs is abandoned."""
        ...


class LocalWorkers:
    """Processes on this machine, which live as long as the search."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        # A fresh interpreter: a fork would copy the threads' locks of whatever is loaded here.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.count, mp_context=context, initializer=_begin)

    def submit(self, job: Job) -> Future[Outcome]:
        """See :class:`Workers`."""
        try:
            return self._pool.submit(evaluate, job)
        except BrokenProcessPool:
            self._pool = self._new_pool()
            return self._pool.submit(evaluate, job)

    def lost(self, error: BaseException) -> bool:
        """See :class:`Workers`."""
        return isinstance(error, BrokenProcessPool)

    def close(self) -> None:
        """See :class:`Workers`."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _begin() -> None:
    """Prepare a worker: one thread of its own, and gone when the coordinator is."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()  # returns also when the parent was killed
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


class DaskWorkers:
    """Workers of a Dask cluster.

    Parameters
    ----------
    address : str
        Of its scheduler.
    workload : Path
        File of the shared workload, sent to every worker that does not see it.

    Raises
    ------
    ModelError
        When Dask is not installed, or nobody answers at the address.
    """

    def __init__(self, address: str, workload: Path) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ModelError("--cluster needs Dask: pip install 'cosim[explore]'") from None
        try:
            self._client: Any = Client(address, timeout=PATIENCE_s, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ModelError(f"no Dask scheduler answers at {address} ({error})") from None
        self._client.register_plugin(_sender(workload), name=f"cosim-{workload.stem}")
        self._executor: Executor = self._client.get_executor(pure=False)

    @property
    def count(self) -> int:
        """Threads of all workers there are now."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, job: Job) -> Future[Outcome]:
        """See :class:`Workers`."""
        return self._executor.submit(_evaluate_there, job)

    def lost(self, error: BaseException) -> bool:
        """See :class:`Workers`; Dask itself has tried others already."""
        return type(error).__name__ in ("KilledWorker", "CommClosedError", "CancelledError")

    def close(self) -> None:
        """See :class:`Workers`."""
        self._executor.shutdown(wait=False)
        self._client.close()


def _evaluate_there(job: Job) -> Outcome:
    """Evaluate on a worker of a cluster, with its own copy of the workload if it needs one."""
    if not Path(job.workload).exists():
        from distributed import get_worker

        copy = Path(get_worker().local_directory) / Path(job.workload).name
        job = replace(job, workload=str(copy))
    return evaluate(job)


def _sender(workload: Path) -> Any:
    """A plugin that puts the workload beside each worker, also beside those that join later."""
    from distributed import WorkerPlugin

    class Sender(WorkerPlugin):
        def __init__(self) -> None:
            self.name, self.content = workload.name, workload.read_bytes()

        def setup(self, worker: Any) -> None:
            (Path(worker.local_directory) / self.name).write_bytes(self.content)

    return Sender()
