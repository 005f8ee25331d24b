"""How loops are compiled, what is kept of them, and what compiling ahead does."""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from support import EXAMPLE
from support.text import toy_bytes

from genolstm import turns
from genolstm.cli import cli
from genolstm.compiled import compiled
from genolstm.errors import GenolstmError, OutputError
from genolstm.runs import ahead, warm_up
from genolstm.sorting import order_of
from genolstm.text.mixing import copies, counts, frames, mixer
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.settings import DNA

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


APART = {
    "much.py": (
        "import numpy as np\nfrom genolstm.compiled import compiled\n\n\n"
        "@compiled(apart=True)\ndef much(x, y):\n    if y == 0:\n        raise ValueError('none')\n"
        "    return x * 2, np.full(3, y)\n"
    ),
    "between.py": (
        "from genolstm.compiled import compiled\nfrom much import much\n\n\n"
        "@compiled()\ndef between(x, y):\n    a, b = much(x, y)\n    return a + b.sum()\n"
    ),
    "caller.py": (
        "from genolstm.compiled import compiled\nfrom between import between\n\n\n"
        "@compiled()\ndef caller(x, y):\n    return 1 + between(x, y)\n"
    ),
}
RUN_APART = """
from caller import caller
from much import much
print(caller(4, 2), sum(caller.stats.cache_hits.values()), sum(much.stats.cache_hits.values()))
try:
    caller(4, 0)
except ValueError as error:
    print(error)
"""


def reports_what_it_needs() -> bool:
    """Return whether the libraries of this numba say what has to be loaded before them."""
    (found,) = njit("int64(int64)")(lambda x: x).overloads.values()
    return hasattr(found.library, "_reload_init")


def test_a_loop_that_is_called_by_its_address_is_there_when_its_callers_are_loaded(tmp_path: Path) -> None:
    for name, text in APART.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "kept")

    def run(code: str = RUN_APART) -> list[str]:
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return ended.stdout.splitlines()

    if not reports_what_it_needs():
        assert {run()[0].split()[0] for _ in range(2)} == {"15"}
        pytest.skip("this numba links loops as ever")
    # Another process has loaded it before it compiles a caller.
    assert run("from much import much\nprint(*much(4, 2))") == ["8 [2 2 2]"]
    assert run() == ["15 0 1", "none"]
    assert run() == ["15 1 1", "none"]
    # Only its callers are left.
    for path in (tmp_path / "kept").glob("*/much.*"):
        path.unlink()
    assert run() == ["15 1 0", "none"]
    assert run() == ["15 1 1", "none"]


@pytest.mark.skipif(not turns.possible(), reason="files cannot be locked here")
def test_of_processes_that_need_a_loop_at_the_same_time_one_compiles_it(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(
        "from genolstm.compiled import compiled\n\n\n@compiled()\ndef loop(x):\n    return x.sum() + x.max()\n"
    )
    code = "import sys, numpy\nfrom loop import loop\nprint('there', flush=True)\nsys.stdin.readline()\n"
    code += "loop(numpy.ones(3))\nprint(sum(loop.stats.cache_hits.values()))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "kept")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "there\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert sorted(one.communicate()[0] for one in both) == ["0\n", "1\n"]


def test_a_turn_that_is_not_given_back_is_waited_for_no_longer_than_is_sensible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.2)
    code = "import sys, pathlib\nfrom genolstm.turns import turn\nwith turn(pathlib.Path(sys.argv[1]), 'loop'):\n"
    code += "    print('there', flush=True)\n    sys.stdin.readline()"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "there\n"
        begin = time.monotonic()
        with turns.turn(tmp_path, "loop"):
            waited = time.monotonic() - begin
        with turns.turn(tmp_path, "another"):
            free = time.monotonic() - begin - waited
        other.communicate("go\n")
    assert waited >= 0.2 * turns.possible()
    assert free < 0.2
    with turns.turn(tmp_path / "absent", "loop"):  # where no file can be made, none is waited for
        pass


AHEAD = """
import sys
from numba.extending import is_jitted
from genolstm.runs import ahead

for task in ahead.TASKS["align score"]:
    task()
from genolstm.alignment.scorer import AlignmentScorer

known = {}
def versions():
    return {
        (module, name): len(loop.signatures)
        for module in list(sys.modules) if module.startswith("genolstm.alignment")
        for name, loop in vars(sys.modules[module]).items() if is_jitted(loop)
    }
before = versions()
text = "ACGTTGCATTTAGCACCATGACAG" * 8
AlignmentScorer.load("dna").align(text, text[:90] + text[97:])
print(sorted({name for key, n in versions().items() if n != before.get(key) for name in [key[1]]}))
"""


def test_what_is_compiled_ahead_is_what_a_pair_needs() -> None:
    ended = subprocess.run([sys.executable, "-c", AHEAD], capture_output=True, text=True, check=True)
    # The command itself begins with these.
    assert set(ast.literal_eval(ended.stdout)) <= {"shared_kmers", "divergence_of", "_kmers", "_place", "two_strands"}


def test_what_is_compiled_ahead_is_what_a_mixture_needs() -> None:
    loops: list[Any] = [mixer.mix, copies.follow, frames.read_frames, counts.count_dna, counts.keys_of_dna]
    for task in Mixture("ACGT", DNA).loops():
        task()
    ready = [set(loop.signatures) for loop in loops]
    assert all(ready)
    codes = np.random.default_rng(1).integers(0, 4, 900).astype(np.uint8)
    mixture = Mixture("ACGT", DNA)
    mixture.read(codes, explained=True)
    mixture.read(codes, np.full((900, 4), 0.25, np.float32))
    assert [set(loop.signatures) for loop in loops] == ready
    for task in ahead.TASKS["text score"]:
        task()
    assert [set(loop.signatures) for loop in loops] == ready


def test_commands_that_get_help_with_compiling_are_commands() -> None:
    for words in ahead.TASKS:
        assert CliRunner().invoke(cli, [*words.split(), "--help"]).exit_code == 0


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

    assert run("warm-up").count("compiled in") == 3
    for name, text in (("a.fa", "ACGTTGCATTTAGCACCATGACA"), ("b.fa", "ACGTTCCATTAGCACCTTGACA")):
        (tmp_path / name).write_text(f">s\n{text}\n")
    pair = (tmp_path / "a.fa", tmp_path / "b.fa", "-o")
    rhyme = "".join(sorted(set((EXAMPLE / "rhyme.txt").read_text())))
    (tmp_path / "text.genolstm").write_bytes(toy_bytes(rhyme))
    example = Path(__file__).parents[1] / "example_data"
    roles = [word for role in ("target", "outgroup", "archaic") for word in (f"--{role}", example / f"{role}.txt")]
    said = [
        run("align", "score", *pair, tmp_path / "x.paf"),
        run("align", "search", *pair, tmp_path / "y.paf"),
        run("introgression", "scan", "--vcf", example / "region.vcf.gz", *roles, "-o", tmp_path / "z.bed"),
        run("text", "score", example / "rhyme.txt", "--model", tmp_path / "text.genolstm", "--mix", "--adapt"),
    ]
    assert [one for one in said if "compiling" in one] == []
