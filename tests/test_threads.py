"""How many threads are set up: no more than the cores a process may use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from genolstm.errors import SettingError
from genolstm.threads import available_cores, count_threads, worker_pool

PRINT = "from genolstm.threads import available_cores; print(available_cores())"
needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system binds no processes")
needs_two = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")


def cores_of(code: str = PRINT, **environment: str) -> int:
    """What a process of its own finds."""
    plain = {name: value for name, value in os.environ.items() if name != "SLURM_CPUS_PER_TASK"}
    done = subprocess.run([sys.executable, "-c", code], env=plain | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@needs_affinity
def test_a_bound_process_uses_the_cores_it_is_bound_to() -> None:
    ours = sorted(os.sched_getaffinity(0))
    for some in (ours[:1], ours[-1:], ours):
        assert cores_of(f"import os; os.sched_setaffinity(0, {set(some)}); {PRINT}") == len(some)


@needs_affinity
def test_slurm_may_grant_fewer_cores_than_there_are_but_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    for granted, cores in (("1", 1), ("4", 4), ("6", 6), ("7", 6), ("1000", 6)):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
        assert available_cores() == cores


@needs_affinity
@pytest.mark.parametrize("granted", ["", "0", "-2", "2.5", "four", " ", "2,2"])
def test_what_slurm_does_not_say_is_ignored(monkeypatch: pytest.MonkeyPatch, granted: str) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", granted)
    assert available_cores() == 6


@needs_affinity
def test_slurm_and_the_binding_hold_together() -> None:
    bind = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); {PRINT}"
    assert cores_of(bind, SLURM_CPUS_PER_TASK="64") == 1
    assert cores_of(PRINT, SLURM_CPUS_PER_TASK="1") == 1


def test_where_processes_are_not_bound_all_cores_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    for known, cores in ((12, 12), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda known=known: known)
        assert available_cores() == cores


def test_zero_threads_are_all_cores_and_a_number_is_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genolstm.threads.available_cores", lambda: 5)
    assert [count_threads(asked) for asked in (0, 1, 2, 40)] == [5, 1, 2, 40]
    with pytest.raises(SettingError, match="threads is -1"):
        count_threads(-1)


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@needs_two
def test_workers_share_the_cores_with_nobody() -> None:
    if not blas_threads():
        pytest.skip("numpy's BLAS is none that threadpoolctl knows")
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert max(before) == 2
        with worker_pool(3) as pool:
            assert blas_threads() == {1}
            assert pool.submit(blas_threads).result() == {1}
            assert pool._max_workers == 3
        assert blas_threads() == before


def test_a_pool_of_no_stated_size_has_a_worker_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genolstm.threads.available_cores", lambda: 4)
    with worker_pool() as pool:
        assert pool._max_workers == 4


# ---------------------------------------------------------------- commands on one core

SPY = """
import concurrent.futures, json, os, sys
from concurrent.futures import thread

seen = {"pools": [], "sessions": []}
init = thread.ThreadPoolExecutor.__init__

def spy(self, max_workers=None, *args, **kwargs):
    init(self, max_workers, *args, **kwargs)
    seen["pools"].append(self._max_workers)

thread.ThreadPoolExecutor.__init__ = spy

import onnxruntime

session = onnxruntime.InferenceSession.__init__

def open_session(self, content, sess_options=None, *args, **kwargs):
    seen["sessions"].append([sess_options.intra_op_num_threads, sess_options.inter_op_num_threads])
    session(self, content, sess_options, *args, **kwargs)

onnxruntime.InferenceSession.__init__ = open_session

from genolstm.cli import main

try:
    main(sys.argv[2:])
finally:
    with open(sys.argv[1], "w") as stream:
        json.dump(seen, stream)
"""


def threads_of(folder: Path, *args: object, cores: str | None = None) -> dict[str, list]:
    """Run a command in a process of its own, and return the sizes of the pools it set up."""
    bound = [] if cores is None else ["taskset", "-c", cores]
    report = folder / "threads.json"
    environment = {name: value for name, value in os.environ.items() if name != "SLURM_CPUS_PER_TASK"}
    done = subprocess.run(
        [*bound, sys.executable, "-c", SPY, str(report), *map(str, args)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(report.read_text())


def search_args(folder: Path) -> list[object]:
    rng = np.random.default_rng(2)
    genome = "".join(rng.choice(list("ACGT"), 400))
    (folder / "reference.fa").write_text(f">chr1\n{genome}\n>chr2\n{genome[::-1]}\n")
    (folder / "query.fa").write_text(f">a\n{genome[100:180]}\n>b\n{genome[250:330]}\n")
    return ["align", "search", folder / "query.fa", folder / "reference.fa", "-o", folder / "hits.paf"]


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset")
@pytest.mark.xdist_group("threads")
class TestOnOneCore:
    """A process bound to one core starts no threads that would wait for one another."""

    core = str(min(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else "0"

    def test_align_search(self, tmp_path: Path) -> None:
        seen = threads_of(tmp_path, *search_args(tmp_path), cores=self.core)
        assert (tmp_path / "hits.paf").read_text().count("\n") >= 2
        assert seen["pools"]
        assert set(seen["pools"]) == {1}
        assert all(counts == [1, 1] for counts in seen["sessions"])

    @pytest.mark.parametrize("source", ["fasta", "vcf"])
    def test_introgression_scan(self, tmp_path: Path, region_folder, panels, tiny_model, source: str) -> None:
        lists = [
            part for role in ("target", "outgroup", "archaic") for part in (f"--{role}", region_folder / f"{role}.txt")
        ]
        inputs = {
            "vcf": ["--vcf", region_folder / "region.vcf.gz", *lists],
            "fasta": [
                region_folder / "target.fa.gz",
                *("--archaic", panels["archaic"]),
                *("--outgroup", panels["outgroup"]),
            ],
        }
        out = tmp_path / "segments.bed"
        seen = threads_of(
            tmp_path, "introgression", "scan", *inputs[source], "--model", tiny_model, "-o", out, cores=self.core
        )
        assert out.read_text().startswith("##genolstm=")
        assert seen["sessions"]
        assert all(counts == [1, 1] for counts in seen["sessions"])
        assert set(seen["pools"]) <= {1}


@pytest.mark.xdist_group("threads")
def test_the_spy_sees_the_threads_that_are_asked_for(tmp_path: Path) -> None:
    """Without this, the tests above could pass by seeing nothing."""
    assert 3 in threads_of(tmp_path, *search_args(tmp_path), "--threads", 3)["pools"]
