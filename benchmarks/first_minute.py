"""What the first commands after installing take, with nothing compiled yet, and what the second ones do.

    python benchmarks/first_minute.py [--again]

Each command runs twice in a folder of compiled code that is empty before the first. ``align search`` comes after ``align
score``, as a user would go on; with ``--again``, it has an empty folder of its own. A genome is mixed by counts and
copies alone. CPU time counts the processes that help a command to compile, as far as they have ended; run it on an idle
machine, for wall time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from genolstm.text.example import untrained

_SCAN = (
    "introgression scan --vcf people.vcf.gz --samples people.tsv --target CEU --outgroup AFR "
    "--archaic-vcf neanderthal=archaic.g.vcf.gz -o {out}.bed"
)
COMMANDS = {
    "align score": "align score reads.fa reference.fa -o {out}.paf",
    "align search": "align search reads.fa reference.fa -o {out}.paf",
    "introgression scan": _SCAN,
    "text score --mix": "text score genome.fa.gz --model dna.genolstm --mix --counts-only",
}


def run(words: str, folder: Path, kept: Path) -> tuple[float, float]:
    """Run a command in a folder, with compiled code kept in another; return wall and CPU seconds."""
    before, begin = os.times(), time.perf_counter()
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(kept)}
    command = [sys.executable, "-m", "genolstm", *words.split(), "--force", "-q"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return time.perf_counter() - begin, sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    """Print wall and CPU seconds of each command, the first and the second time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--again", action="store_true", help="nothing compiled before any of the commands")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        example = Path(work) / "example"
        subprocess.run([sys.executable, "-m", "genolstm", "example", example, "-q"], check=True)
        (example / "dna.genolstm").write_bytes(untrained())
        print(f"{'seconds, wall (CPU)':<22} {'first':>16} {'second':>16} {'more':>7}")
        for number, (name, words) in enumerate(COMMANDS.items()):
            kept = Path(work) / f"kept{number if arguments.again else ''}"
            asked = words.format(out=Path(work) / "out")
            (first, cpu), (second, cpu_then) = run(asked, example, kept), run(asked, example, kept)
            print(
                f"{name:<22} {first:7.1f} ({cpu:6.1f}) {second:7.1f} ({cpu_then:6.1f}) {first - second:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
