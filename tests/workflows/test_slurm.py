"""The introgression workflow on a real Slurm, with a job killed on the way; README.md here tells how to run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.snakes import BIN, Run

START = Path(__file__).parents[1] / "support" / "start_slurm.sh"
FILES = ("segments.bed", "summary.tsv", "summary_mqc.json", "evidence.tsv.gz")

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("workflow"), pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """A Slurm of one node, ended afterwards if it did not run before."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    done = subprocess.run(["sh", START], capture_output=True, text=True, check=False, timeout=120)
    said = done.stdout.strip().rpartition("\n")[2]
    if done.returncode == 77:
        pytest.skip(f"Slurm cannot start here: {said}")
    assert done.returncode == 0, done.stderr
    yield
    if "already" not in said:
        subprocess.run(["sh", START, "stop"], check=True, timeout=60)


def job_of_scan(folder: Path) -> str | None:
    """Return the number of the job that runs a scan in this folder, if there is one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"scan" not in words or (process / "cwd").readlink() != folder:
                continue
            environment = dict(pair.partition(b"=")[::2] for pair in (process / "environ").read_bytes().split(b"\0"))
        except OSError:  # it has ended
            continue
        if job := environment.get(b"SLURM_JOB_ID"):
            return job.decode()
    return None


def begin(folder: Path, workflow: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder)}
    environment.pop("SNAKEMAKE_PROFILE", None)
    # What the profile says for a real cluster, but for one that has two cores, and no record of ended jobs.
    words = ["--snakefile", workflow / "workflow" / "Snakefile", "--workflow-profile", workflow / "profiles" / "slurm"]
    words += ["--slurm-status-command", "squeue", "--slurm-no-account", "--jobs", 4, "--retries", 0]
    words += ["--default-resources", "mem_mb=1000", "runtime=10", "slurm_partition=main", "--latency-wait", 20]
    words += ["--set-threads", "scan_vcf=1", "--set-resources", "scan_vcf:mem_mb=1000", "gather_evidence:mem_mb=1000"]
    with (folder / "run.log").open("w") as log:
        return subprocess.Popen(
            [BIN / "snakemake", *map(str, words)], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )


def end(process: subprocess.Popen[str], folder: Path) -> Run:
    try:
        code = process.wait(timeout=600)
    finally:
        # While it waits for jobs, Snakemake may not heed SIGTERM.
        process.kill()
    return Run(code, (folder / "run.log").read_text())


def test_run_with_a_killed_job_is_finished_by_a_rerun_and_is_that_of_one_machine(
    slurm, people, scattered, fresh, tmp_path
):
    folder = tmp_path / "project"
    shutil.copytree(people, folder)
    workflow = fresh / "workflows" / "introgression"

    process = begin(folder, workflow)
    try:
        until = time.monotonic() + 300
        while (job := job_of_scan(folder)) is None:
            assert process.poll() is None, (folder / "run.log").read_text()[-6000:]
            assert time.monotonic() < until, "no scan has begun"
            time.sleep(0.05)
        subprocess.run(["scancel", job], check=True, timeout=60)
    except BaseException:
        process.kill()
        raise
    first = end(process, folder)
    assert first.code != 0
    assert first.jobs()["scan_vcf"] == 4
    assert job in first.text
    done = sorted((folder / "results" / "vcf" / "scans").rglob("*.bed"))
    assert len(done) < 4
    assert not (folder / "results" / "vcf" / "segments.bed").exists()
    assert not [path for path in (folder / "results").rglob("*.part*") if path.is_file()]
    times = {path: path.stat().st_mtime_ns for path in done}

    second = end(begin(folder, workflow), folder)
    assert second.code == 0, second.text[-6000:]
    assert second.jobs()["scan_vcf"] == 4 - len(done)
    assert times == {path: path.stat().st_mtime_ns for path in done}
    for name in FILES:
        found, wanted = ((place / "results" / "vcf" / name).read_bytes() for place in (folder, scattered))
        assert found == wanted, name
    assert len((folder / "results" / "vcf" / "segments.bed").read_text().splitlines()) > 6
