"""Run a command, and write what it and all it started cost: wall and CPU seconds, and the memory of its largest process.

    python measure.py COST.tsv COMMAND ...

Snakemake's own benchmark files ask the processes every half second and, after 15 s, every 30 s: of a job of a minute, up
to half of the CPU time is missing from them, and of what ended between two questions, all. These are the kernel's counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    begin = time.monotonic()
    done = subprocess.run(sys.argv[2:], check=False)
    wall = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # ru_maxrss is in KiB (on macOS in bytes).
    peak = used.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    Path(sys.argv[1]).write_text(
        f"wall_s\tcpu_s\tpeak_mib\n{wall:.2f}\t{used.ru_utime + used.ru_stime:.2f}\t{peak:.1f}\n"
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
