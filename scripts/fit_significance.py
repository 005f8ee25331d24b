"""Calibrate the scores of a shipped aligner: E-value and P(homolog).

    python scripts/fit_significance.py --model dna [--seed 141] [--pairs 4000] -o dna.significance.json
    python scripts/fit_significance.py --put dna.significance.json genolstm/models/dna.genolstm

The unrelated sequences are independent bases with a GC content of 30 to 65 %. The fit takes about five
minutes of CPU on one thread, and as little as a third of that with one mode (``--modes semiglobal`` for ``adna``).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from genolstm.alignment.calibrate import fit_significance
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.significance import Significance
from genolstm.files import atomic_text
from genolstm.lstm.bundle.bundle import Bundle, save_bundle


def put(fit: Path, path: Path) -> None:
    """Write a fit into a bundle and keep everything else in it."""
    found = Significance.from_dict(json.loads(fit.read_text()))
    bundle = Bundle.open(path)
    save_bundle(
        path,
        kind=bundle.kind,
        config=bundle.config,
        provenance=bundle.provenance,
        force=True,
        card=bundle.card,
        metadata=bundle.metadata | {"significance": found.to_dict()},
        members={name: content for name, content in bundle.members.items() if name != "card.md"},
    )
    print(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--put", nargs=2, type=Path, metavar=("JSON", "BUNDLE"), help="write a fit into a bundle")
    parser.add_argument("--model", default="dna")
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--seed", type=int, default=141)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    if arguments.put is not None:
        put(*arguments.put)
        return
    if arguments.output is None:
        parser.error("give the file to write with -o")
    scorer = AlignmentScorer.load(arguments.model)
    found = fit_significance(
        scorer, seed=arguments.seed, modes=arguments.modes, pairs=arguments.pairs, threads=arguments.threads
    )
    with atomic_text(arguments.output, force=True) as stream:
        json.dump(found.to_dict(), stream)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes, seed {arguments.seed}")


if __name__ == "__main__":
    main()
