"""What people install: the wheel and the sdist, the conda recipe, and the definition of the Apptainer image."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGING = ROOT / "packaging"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "rustc", "cargo", "gfortran")
#: What a shell script of ours may call: nothing else is on the path of the tests below.
TOOLS = ("sh", "cut", "dirname", "find", "ls", "mkdir", "mktemp", "rm", "test")


def recipe_of(name: str = "conda/recipe.yaml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PACKAGING / name).read_text(encoding="utf-8"))
    return found


def sections() -> dict[str, list[str]]:
    """The definition's sections, without what indents their lines."""
    found: dict[str, list[str]] = {"": []}
    section = found[""]
    for line in (PACKAGING / "apptainer" / "genolstm.def").read_text(encoding="utf-8").splitlines():
        if line.startswith("%"):
            section = found.setdefault(line[1:].strip(), [])
        else:
            section.append(line.removeprefix("    "))
    return found


def test_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert recipe_of()["context"]["version"] == citation["version"] == PROJECT["version"]
    assert recipe_of()["about"]["license"] == citation["license"] == PROJECT["license"]
    assert recipe_of()["about"]["summary"] == PROJECT["description"]


def test_recipe_requires_what_the_project_does() -> None:
    run = recipe_of()["requirements"]["run"]
    ours = {f"{one.name} {one.specifier}".strip() for one in map(Requirement, PROJECT["dependencies"])}
    # The one extra of a dependency is a package of its own.
    extras = {one.name: one.extras for one in map(Requirement, PROJECT["dependencies"]) if one.extras}
    assert extras == {"xopen": {"zstd"}}
    assert set(run) == ours | {"backports.zstd", "python >=${{ python_min }},<3.14"}
    assert recipe_of("conda/variants.yaml") == {"python_min": ["3.11"]}
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert recipe_of()["build"]["python"]["entry_points"] == [f"genolstm = {PROJECT['scripts']['genolstm']}"]


def test_recipe_is_one_to_rattler_build() -> None:
    rattler = pytest.importorskip("rattler_build", reason="py-rattler-build, of the extra dev, is not installed")
    recipe = rattler.Stage0Recipe.from_file(str(PACKAGING / "conda" / "recipe.yaml"))
    (variant,) = recipe.render(rattler.VariantConfig.from_file(str(PACKAGING / "conda" / "variants.yaml")))
    rendered = variant.recipe.to_dict()
    assert rendered["package"] == {"name": "genolstm", "version": PROJECT["version"]}
    assert rendered["build"]["noarch"] == "python"
    assert "python >=3.11,<3.14" in rendered["requirements"]["run"]
    assert [sorted(test) for test in rendered["tests"]] == [["python"], ["script"]]
    (source,) = rendered["source"]
    for pattern in source["filter"]["include"]:
        assert any(PACKAGING.joinpath("conda", source["path"]).resolve().glob(pattern)), pattern


def test_script_of_the_recipe_runs(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in recipe_of()["tests"][1]["script"]:
        program, *arguments = shlex.split(line)
        assert program == "genolstm"
        code, out, err = cli(*arguments)
        assert code == 0, (line, out, err)
    assert (tmp_path / "segments.bed").stat().st_size > 0


def test_image_takes_what_there_is() -> None:
    found = sections()
    assert found[""][:2] == ["Bootstrap: docker", "From: python:3.12-slim"]
    assert set(found) == {"", "files", "post", "environment", "runscript", "test", "labels", "help"}
    taken = [line.split() for line in found["files"] if line]
    assert all((ROOT / source).exists() and target == f"/opt/genolstm/{source}" for source, target in taken)
    (extras,) = re.findall(r'"/opt/genolstm\[(.*)\]"', "\n".join(found["post"]))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    for section in ("post", "environment", "runscript", "test"):
        checked = subprocess.run(["sh", "-n"], input="\n".join(found[section]), text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), section


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sdist, and of the wheel that is made from it."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "-q", "--outdir", target, ROOT], check=True, capture_output=True)
    return target


def environment(folder: Path, *requirements: str) -> dict[str, str]:
    """The variables of an environment that holds what is required, and in which no compiler is found."""
    venv.create(folder, with_pip=True)
    tools = folder / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tools / tool).symlink_to(found)
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "http"))}
    variables = {
        **kept,
        "PATH": f"{folder / 'bin'}{os.pathsep}{tools}",
        "HOME": str(folder),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "LC_ALL": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    assert not any(shutil.which(name, path=variables["PATH"]) for name in COMPILERS)
    if requirements:
        command = [str(folder / "bin" / "pip"), "install", "-q", "--only-binary", ":all:", *requirements]
        subprocess.run(command, check=True, env=variables, cwd=folder, timeout=600)
    return variables


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sdist_and_wheel_hold_what_they_should(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    assert wheel.name == f"genolstm-{PROJECT['version']}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files", "genolstm", "example_data"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        wanted = tracked.stdout.split()
        assert {f"genolstm/{name}" if name.startswith("example_data") else name for name in wanted} == {
            name for name in names if ".dist-info/" not in name
        }
        assert set(wanted) <= sources
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "tests/conftest.py", "workflows", "docs", "packaging"):
        assert any(source == name or source.startswith(f"{name}/") for source in sources), name
    assert not [name for name in names | sources if name.endswith((".pyc", ".nbi", ".nbc"))]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_wheel_runs_without_a_compiler_or_tensorflow(built: Path, tmp_path: Path, capfd: Any) -> None:
    (wheel,) = built.glob("*.whl")
    variables = environment(tmp_path / "env", str(wheel))
    absent = ["python", "-c", "import tensorflow"]
    assert subprocess.run(absent, env=variables, cwd=tmp_path, capture_output=True).returncode == 1
    begun = time.monotonic()
    subprocess.run(["genolstm", "example", "d"], check=True, env=variables, cwd=tmp_path)
    script = subprocess.Popen(["sh", "d/run.sh"], env=variables, cwd=tmp_path)
    segments = tmp_path / "d" / "results" / "segments.bed"
    first = None
    while script.poll() is None:
        if first is None and segments.exists():  # written beside and renamed: it is whole
            first = time.monotonic() - begun
        time.sleep(0.1)
    whole = time.monotonic() - begun
    assert script.returncode == 0
    assert first is not None
    lines = segments.read_text(encoding="utf-8").splitlines()
    assert sum(not line.startswith("#") for line in lines) >= 5
    # Without the extra report there is none, and the script says what to install.
    assert not (segments.parent / "report.html").exists()
    assert "genolstm[report]" in capfd.readouterr().err
    with capfd.disabled():
        print(f"\nafter pip install: first segments in {first:.1f} s, all of run.sh in {whole:.1f} s")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sections_of_the_image_run(tmp_path: Path) -> None:
    """As near to an image as one comes without Apptainer: its files, its %post, then its %test."""
    found = sections()
    variables = environment(tmp_path / "env")
    inside = tmp_path / "opt"
    for line in filter(None, found["files"]):
        source, target = line.split()
        path = Path(target.replace("/opt", str(inside)))
        path.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, path)
        else:
            shutil.copyfile(ROOT / source, path)
    for section in ("post", "test"):
        script = "\n".join([*found["environment"], *found[section]]).replace("/opt", str(inside))
        subprocess.run(["sh", "-c", script], check=True, env=variables, cwd=tmp_path, timeout=800)
    assert not (inside / "genolstm").exists()
