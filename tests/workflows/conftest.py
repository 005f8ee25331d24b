"""Runs of the workflows that several tests look at, made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.people import two_chromosomes
from support.snakes import Run, Snakes, clone


@pytest.fixture(scope="session")
def snakemake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snakes]:
    """Snakemake, which a test calls with a folder and words of a command line."""
    pytest.importorskip("snakemake")
    snakes = Snakes(tmp_path_factory.mktemp("cache"))
    yield snakes
    snakes.close()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fresh clone holds of the workflows."""
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def introgression(fresh: Path, snakemake: Snakes) -> Path:
    """Folder of the introgression workflow in a clone, run on the example as it comes."""
    folder = fresh / "workflows" / "introgression"
    snakemake(folder, "--cores", 2)
    return folder


@pytest.fixture(scope="session")
def alignment(fresh: Path, snakemake: Snakes) -> Path:
    """Folder of the alignment workflow in a clone, run on the example as it comes."""
    folder = fresh / "workflows" / "alignment"
    snakemake(folder, "--cores", 2)
    return folder


@pytest.fixture(scope="session")
def embed(fresh: Path, snakemake: Snakes) -> tuple[Path, Run]:
    """Folder of the project that embeds both workflows in a clone, and its run."""
    folder = fresh / "workflows" / "examples" / "embed"
    return folder, snakemake(folder, "--cores", 2)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two chromosomes and two batches, not yet run."""
    pytest.importorskip("yaml")
    return two_chromosomes(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def scattered(people: Path, fresh: Path, snakemake: Snakes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of two chromosomes and two batches, run on this machine."""
    folder = tmp_path_factory.mktemp("scattered") / "project"
    shutil.copytree(people, folder)
    snakefile = fresh / "workflows" / "introgression" / "workflow" / "Snakefile"
    snakemake(folder, "--snakefile", snakefile, "--cores", 2)
    return folder
