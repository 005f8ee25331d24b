"""Calibrate the scores of a shipped aligner: E-value and P(homolog).

    python scripts/fit_significance.py --preset dna [--seed 41] [--pairs 6000] -o dna.significance.json

The unrelated sequences are independent bases of GC 30 to 65 %. One thread takes some minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from genolstm.alignment.calibrate import fit_significance
from genolstm.alignment.pairhmm import MODES
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.files import atomic_text


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--preset", default="dna")
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--pairs", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    scorer = AlignmentScorer.load(arguments.preset)
    found = fit_significance(
        scorer, seed=arguments.seed, modes=arguments.modes, pairs=arguments.pairs,
        threads=arguments.threads,
    )  # fmt: skip
    with atomic_text(arguments.output, force=True) as stream:
        json.dump(found.to_dict(), stream)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes, seed {arguments.seed}")


if __name__ == "__main__":
    main()
