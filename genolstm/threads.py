"""How many cores a process may use, and thread pools that respect it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from genolstm.errors import SettingError


def available_cores() -> int:
    """Return how many cores this process may use.

    These are the cores it is bound to (``taskset``, a container's or a scheduler's cpuset), but at most
    ``SLURM_CPUS_PER_TASK``, because Slurm does not always bind its tasks.
    """
    bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if bound else os.cpu_count() or 1
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isascii() and granted.isdigit() and len(granted) < 10 and int(granted) > 0:
        cores = min(cores, int(granted))
    return max(cores, 1)


def count_threads(asked: int) -> int:
    """Return the number of threads to use; 0 asks for all available cores."""
    if asked < 0:
        raise SettingError(f"threads is {asked}, it must be 0 or more")
    return asked or available_cores()


@contextmanager
def worker_pool(threads: int = 0) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of ``threads`` workers (0: all available cores), with BLAS limited to one thread each.

    The matrix products are small: further BLAS threads would only wait for one another.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(count_threads(threads)) as pool:
        yield pool
