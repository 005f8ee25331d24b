"""`example`, `info` and `cite`: what somebody meets first, and what a report of a fault, or a paper, needs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from support import EXAMPLE

import genolstm
from genolstm.runs import cite, example, info

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def source() -> dict[str, bytes]:
    return {name: data for name, data in files(EXAMPLE).items() if not name.startswith("results")}


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_the_example_is_written_whole(tmp_path: Path, cli, exists: bool) -> None:
    target = tmp_path / "a" / "b c"
    if exists:
        target.mkdir(parents=True)
    code, out, err = cli("example", str(target))
    assert (code, out) == (0, "")
    assert err == f"{len(source())} files; now run: sh '{target}/run.sh'\n"
    assert files(target) == source()


def test_a_folder_with_files_is_refused_unless_forced(tmp_path: Path, cli) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "README.md").write_text("old")
    code, _, err = cli("example", str(tmp_path))
    assert (code, err) == (1, f"{tmp_path}: holds files already; name another folder, or use --force to add to it\n")
    assert set(files(tmp_path)) == {"mine.txt", "README.md"}
    for _ in range(2):  # also over an example that is there
        assert cli("example", str(tmp_path), "--force", "-q") == (0, "", "")
        assert files(tmp_path) == {"mine.txt": b"mine", **source()}


def test_a_failure_leaves_nothing_half_written(tmp_path: Path, monkeypatch, cli) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(example.shutil, "copyfile", fail)
    code, _, err = cli("example", str(tmp_path / "new"))
    assert code == 1
    assert "No space left on device" in err
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_the_example_itself_are_refused(tmp_path: Path, cli) -> None:
    (tmp_path / "file").write_text("")
    assert cli("example", str(tmp_path / "file")).code == 1
    # In a clone, that of the clone; else that of the installed package.
    code, _, err = cli("example", str(example.data_folder()), "--force")
    assert code == 1
    assert "is the example itself" in err


@pytest.fixture
def program(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which `genolstm` is the one under test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "genolstm"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m genolstm "$@"\n')
    script.chmod(0o755)
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}


def test_the_lines_of_the_script_work(tmp_path: Path, monkeypatch, cli) -> None:
    example.run(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    text = (tmp_path / "run.sh").read_text().replace("\\\n", " ")
    lines = [line[line.index("genolstm ") :] for line in text.splitlines() if line.startswith(("genolstm ", "if ! "))]
    assert [line.split()[2] for line in lines] == ["scan", "evaluate", "report", "search"]
    for line in lines:
        found = cli(*shlex.split(line.rstrip("; then"))[1:])
        assert found.code == 0, (line, found.err)


@pytest.mark.slow
def test_the_script_finds_segments_draws_a_page_and_aligns(tmp_path: Path, program: dict[str, str]) -> None:
    example.run(tmp_path / "first")
    # From anywhere, and again over its own results.
    done = subprocess.run(
        ["sh", "first/run.sh"], cwd=tmp_path, env=program, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    results = tmp_path / "first" / "results"
    assert sum(not line.startswith("#") for line in (results / "segments.bed").read_text().splitlines()) == 6
    assert "<html" in (results / "report.html").read_text(encoding="utf-8")
    hits = [line.split("\t")[:8] for line in (results / "alignments.paf").read_text().splitlines()]
    assert [(hit[0], hit[5]) for hit in hits] == [("read1", "chr1"), ("read2", "chr2"), ("read3", "chr1")]
    assert "\t".join(hits[0]) in done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_example(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, timeout=220)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 6e6
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    subprocess.run(
        [sys.executable, "-m", "genolstm", "example", "first"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=True,
        timeout=60,
    )
    assert files(tmp_path / "first") == source()


def test_info_tells_versions_models_and_where_code_is_kept(cli) -> None:
    found = json.loads(cli("info", "--json").out)
    assert found["genolstm"] == genolstm.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["libraries"]["numpy"] == metadata.version("numpy")
    listed = json.loads(cli("model", "list", "--json").out)
    assert found["models"] == {one["name"]: one["sha256"] for one in listed}
    assert found["threads"] >= 1
    folder = found["compiled"]["folder"]
    assert found["compiled"]["writable"] is (folder is not None)
    rows = dict(line.split("\t") for line in cli("info").out.splitlines())
    assert rows["genolstm"].startswith(f"{genolstm.__version__} in ")
    assert rows["model archaic"] == f"sha256 {found['models']['archaic']}"
    assert rows["threads"] == str(found["threads"])


def test_info_imports_nothing_that_is_heavy() -> None:
    script = (
        "import sys\nfrom genolstm.cli import main\nmain(['info'])\n"
        "print([name for name in ('tensorflow', 'keras', 'onnxruntime', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_info_tells_what_an_extra_lacks(monkeypatch, cli) -> None:
    requirements = [
        "numpy>=2.0",
        "matplotlib>=3.9; extra == 'plot'",
        "no-such-package>=1; extra == 'plot'",
        "click>=99.5; extra == 'future'",
        "click>=0.1; extra == 'past'",
        'xopen[zstd]>=0.1 ; extra == "past"',
        "no-such-package; extra == 'dev'",
    ]
    monkeypatch.setattr(info.metadata, "requires", lambda _: requirements)
    monkeypatch.setattr(info, "_version", lambda name: None if "no-such" in name else "4.1.2")
    old = "click 4.1.2 (at least 99.5 is needed)"
    assert info.extras() == {"plot": ["no-such-package"], "future": [old], "past": []}
    rows = dict(line.split("\t") for line in cli("info").out.splitlines())
    assert rows["extra plot"] == "no: no-such-package"
    assert rows["extra past"] == "yes"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert info._writable(tmp_path / "not" / "yet")
    (tmp_path / "file").write_text("")
    assert not info._writable(tmp_path / "file" / "below")


def test_the_citation_file_is_what_cite_prints(cli) -> None:
    assert (ROOT / "CITATION.cff").read_text(encoding="utf-8") == cli("cite", "--format", "cff").out


def test_all_forms_of_the_citation_name_the_same(cli) -> None:
    for form in cite.FORMS:
        out = cli("cite", "--format", form).out
        for what in (cite.TITLE, cite.AUTHORS, genolstm.__version__, cite.RELEASED[:4]):
            assert what in out, (form, what)
    assert cli("cite").out == cli("cite", "--format", "text").out
    bibtex = cli("cite", "--format", "bibtex").out
    assert bibtex.startswith("@software{genolstm_")
    assert bibtex.count("{") == bibtex.count("}")


def test_the_citation_file_is_yaml_with_the_keys_of_its_format() -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # Those that CFF 1.2.0 requires, and those that make a citation complete.
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert {"version", "date-released", "abstract", "keywords", "license", "type"} <= set(found)
    assert all(isinstance(found[key], str) for key in ("cff-version", "version", "date-released", "message"))
    assert isinstance(found["references"][0]["year"], int)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'license = "{found["license"]}"' in project
    assert all(f'"{word}"' in project for word in found["keywords"])
