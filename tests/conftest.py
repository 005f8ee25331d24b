"""Data that several test files share, made once per run."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support import DATA, Result

#: What takes long begins first, so that the end does not wait for it. The first two are given to different workers:
#: one imports TensorFlow and compiles what introgression needs, the other what alignments need, neither of them twice.
GROUPS = ("tensorflow", "threads", "workflow", "page in a browser")


@cache
def group_of(path: Path) -> str | None:
    """Return the name of the mark ``xdist_group`` in a file, which goes for all of it."""
    found = set(re.findall(r'xdist_group\("([^"]+)"\)', path.read_text(encoding="utf-8")))
    assert len(found) <= 1, f"{path}: has tests of several groups"
    return found.pop() if found else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    place = {name: number for number, name in enumerate(GROUPS)}
    items.sort(key=lambda item: len(GROUPS) if (group := group_of(item.path)) is None else place[group])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each group of files to one worker, and each other file, so that fixtures are made once.

    The marks ``xdist_group`` alone do not: pytest 9.2 no longer shows xdist 3.8 the names of the
    groups, and every test goes to whichever worker is free.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = nodeid.split("::", 1)[0]
            return group_of(config.rootpath / name) or name

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def compiling_is_not_spoken_of():
    """Whether loops have been compiled before is nothing that the messages of a test may depend on."""
    from genolstm import compiled

    compiled.SHORT = float("inf")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run ``genolstm`` in this process; what compiled code prints is caught as well."""
    from genolstm.cli import main

    def run(*args: object) -> Result:
        capfd.readouterr()
        code: object = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capfd.readouterr()
        assert isinstance(code, int), code
        return Result(code, out, err)

    return run


@pytest.fixture(scope="session")
def region():
    """A region of 240 kb that is a third archaic: 3 target, 10 outgroup diploids, 1 archaic."""
    from genolstm.introgression.simulate import SimulationSettings, simulate_region

    return simulate_region(
        SimulationSettings(
            model=str(DATA / "admixture.yaml"),
            length=240_000,
            seed=7,
            n_target=3,
            n_outgroup=10,
            target="target",
            outgroup="outgroup",
            archaic="archaic",
            archaic_time=1500.0,
            mutation_rate=1.4e-8,
            recombination_rate=1.2e-8,
        )
    )


@pytest.fixture(scope="session")
def tiny_model(region, tmp_path_factory) -> Path:
    """A bundle with a small network of random weights, and an HMM that knows the region."""
    from support.introgression import tiny_bundle

    from genolstm.introgression.hmm import SupervisedHMM
    from genolstm.introgression.tracks import TrackSettings, tracks_from_variants

    tracks = tracks_from_variants(region.block(), first_bin=0, last_bin=240, length=240_000, settings=TrackSettings())
    hmm = SupervisedHMM.fit([(tracks, region.truth_coverage(1000))])
    return tiny_bundle(tmp_path_factory.mktemp("model") / "tiny.genolstm", hmm=hmm)


@pytest.fixture(scope="session")
def region_folder(region, tmp_path_factory) -> Path:
    """The region as ``introgression simulate`` writes it."""
    from genolstm.runs.simulate import write_simulation

    folder = tmp_path_factory.mktemp("region")
    write_simulation(region, folder)
    return folder


@pytest.fixture(scope="session")
def panels(region_folder, tmp_path_factory) -> dict[str, Path]:
    """Archaic and outgroup panel of the region."""
    from genolstm.sequences.panel.build import build_panel

    folder = tmp_path_factory.mktemp("panels")
    paths = {role: folder / f"{role}.panel" for role in ("archaic", "outgroup")}
    for role, path in paths.items():
        build_panel([region_folder / f"{role}.fa.gz"], threads=1).save(path)
    return paths
