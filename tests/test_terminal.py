"""The line on a terminal: what it shows there, and that it is gone afterwards."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

SCRIPTS = {
    "status": """
from genolstm.cli import options
with options.status("aligning", lambda done: f"{done} pairs of [red]", quiet=False) as update:
    for done in range(1000):
        update(done)
        if done == 500:
            time.sleep(0.2)
        if done == 501:
            options.say("warning: of something", quiet=False)
""",
    "progress": """
from genolstm.cli import options
with options.progress("scanning", quiet=False) as update:
    update("[red]chr1", None)
    for sequence in ("chr1", "chr2"):
        for step in range(11):
            time.sleep(0.03)
            update(sequence, step / 10)
""",
    "training": """
from genolstm.lstm.train.reporting import make_reporter
bar = make_reporter(progress=True, epochs=2)
for epoch in (1, 2):
    for step in range(1, 41):
        time.sleep(0.005)
        bar.step(epoch, step, 40, 0.5)
    bar.epoch({"epoch": epoch, "loss": 0.5, "seconds": 1.0, "sequences_per_s": 3})
bar.close()
""",
}
SHOWN = {
    "status": [r"0 pairs of \[red\]", r"501 pairs of \[red\]", r"\r *\rwarning: of something\r\n"],
    "progress": [r"\[red\]chr1", r"chr1 [^\r]*[4-9]0%", r"chr2 [^\r]*[4-9]0% 00:00"],
    "training": [r"epoch 1/2 [^\r]*40/40, loss 0.5000", r"epoch 1/2  loss 0.5000", r"epoch 2/2  loss 0.5000"],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_terminal_is_told_and_left_clean(name: str) -> None:
    ours, theirs = pty.openpty()
    code = f"import time\n{SCRIPTS[name]}\nimport sys; print('end', file=sys.stderr)"
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    os.close(ours)
    assert child.wait(30) == 0
    assert child.stdout is not None
    assert child.stdout.read() == b""
    child.stdout.close()
    text = said.decode()
    for pattern in SHOWN[name]:
        assert re.search(pattern, text), (pattern, text)
    # The last line is empty but for what was printed after it.
    assert re.split(r"[\r\n]+", text.rstrip())[-1] == "end"


def test_elsewhere_no_line_is_drawn() -> None:
    code = "from genolstm.cli import options\nwith options.status('a', str, quiet=False) as update: print(update)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None\n", "")
