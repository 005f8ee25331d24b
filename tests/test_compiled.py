"""What is kept of compiled loops follows the files that it was made from."""

import os
import subprocess
import sys
from pathlib import Path

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
