"""How loops are compiled, what is kept of them, and what compiling ahead does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.compiled import compiled
from genolstm.errors import GenolstmError, OutputError
from genolstm.runs import warm_up
from genolstm.sorting import order_of

FILES = {
    "limits.py": "STEP = 1\n",
    "deep.py": "from genolstm.compiled import compiled\n\n\n@compiled()\ndef deep(x):\n    return x + 10\n",
    "inner.py": (
        "from genolstm.compiled import compiled\nfrom deep import deep\n\n\n"
        "@compiled()\ndef inner(x):\n    return deep(x) + 100\n"
    ),
    "outer.py": (
        "from numba import int64\n\nfrom genolstm.compiled import compiled\nfrom inner import inner\n"
        "from limits import STEP\n\n\n"
        "@compiled()\ndef first(x):\n    return inner(x) + STEP\n\n\n"
        "@compiled(int64(int64))\ndef second(x):\n    return inner(x) + STEP\n"
    ),
}
# What a process prints that finds numba imported; each child imports the loops anew.
RUN = """
import os, pathlib, sys
import genolstm.compiled

sys.dont_write_bytecode = True
for name, old, new in CHANGES:
    path = pathlib.Path(name)
    path.write_text(path.read_text().replace(old, new))
    child = os.fork()
    if not child:
        from outer import first, second
        print(first(0), second(0), *(sum(loop.stats.cache_hits.values()) for loop in (first, second)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
CHANGES = [
    ("limits.py", "1", "1"),
    ("limits.py", "1", "1"),
    ("limits.py", "1", "2"),
    ("deep.py", "10", "20"),
    ("deep.py", "20", "20"),
]


def test_loops_are_compiled_anew_when_what_they_took_from_other_files_changes(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])}
    environment.pop("NUMBA_CACHE_DIR", None)
    found = subprocess.run(
        [sys.executable, "-c", f"CHANGES = {CHANGES}\n{RUN}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert found.stdout.splitlines() == ["111 111 0 0", "111 111 1 1", "112 112 0 0", "122 122 0 0", "122 122 1 1"]


def test_a_loop_called_with_a_constant_has_one_version() -> None:
    @compiled()
    def inner(x, up):
        return x + 1 if up else x - 1

    @compiled()
    def outer(x):
        return inner(1, True) + inner(x, False)

    assert outer(5) == 6
    assert inner(3, True) == 4
    assert len(inner.signatures) == 1  # type: ignore[attr-defined]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False)), max_size=40))
def test_sorting_agrees_with_numpy_and_keeps_the_order_of_equals(values: list[float]) -> None:
    asked = np.array(values, dtype=np.float64)
    assert order_of(asked).tolist() == np.argsort(asked, kind="stable").tolist()


def test_compiling_is_said_once_and_only_if_something_is_compiled(tmp_path: Path) -> None:
    loop = "from genolstm import program\nprogram.begin()\nprogram.when_compiling(lambda: print('compiling'))\n"
    loop += "import genolstm.compiled\nfrom genolstm.compiled import compiled\ngenolstm.compiled.SHORT = -1.0\n"
    loop += "@compiled()\ndef twice(x):\n    return 2 * x\n"
    loop += "@compiled()\ndef fourfold(x):\n    return twice(twice(x))\nprint(fourfold(3))\n"
    (tmp_path / "loop.py").write_text(loop)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    said = [
        subprocess.run(
            [sys.executable, tmp_path / "loop.py"], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert [one.stdout.split() for one in said] == [["compiling", "12"], ["12"]]


def test_warming_up_names_the_command_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warm_up.PARTS, "align", (("align", "score", "absent.fa", "a.fa"),))
    with pytest.raises(GenolstmError, match=r"genolstm align score failed: .*absent\.fa"):
        warm_up.run(["align"])


def test_warming_up_is_refused_where_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "kept_in", lambda: None)
    with pytest.raises(OutputError, match="cannot be kept"):
        warm_up.run(["align"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_warming_up_nothing_is_left_to_compile(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept")}

    def run(*words: str | Path) -> str:
        command = [sys.executable, "-m", "genolstm", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr

    assert run("warm-up").count("compiled in") == 2
    for name, text in (("a.fa", "ACGTTGCATTTAGCACCATGACA"), ("b.fa", "ACGTTCCATTAGCACCTTGACA")):
        (tmp_path / name).write_text(f">s\n{text}\n")
    pair = (tmp_path / "a.fa", tmp_path / "b.fa", "-o")
    example = Path(__file__).parents[1] / "example_data"
    roles = [word for role in ("target", "outgroup", "archaic") for word in (f"--{role}", example / f"{role}.txt")]
    said = [
        run("align", "score", *pair, tmp_path / "x.paf"),
        run("align", "search", *pair, tmp_path / "y.paf"),
        run("introgression", "scan", "--vcf", example / "region.vcf.gz", *roles, "-o", tmp_path / "z.bed"),
    ]
    assert [one for one in said if "compiling" in one] == []
