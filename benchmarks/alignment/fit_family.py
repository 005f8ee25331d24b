"""Where the defaults of ``ParameterFamily`` come from: counts from true simulated alignments.

For every divergence and indel rate, parameters are counted from pairs of mixed composition, kappa,
rate variation and indel law; the table compares them with the family's own. Below it stands what
``align train --families`` would learn from all of these pairs together, and from families if their
alignments are given.

    python benchmarks/alignment/fit_family.py [--pairs 200] [--seed 11] [--families SEEDS.sto.gz]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from genolstm.alignment.context.estimation import fit_aligned, parameters_from_alignments
from genolstm.alignment.formats.aligned import read_families
from genolstm.alignment.learning import draw_pairs
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs

DIVERGENCES = (0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.8, 1.1, 1.5)
RATES = (0.004, 0.015, 0.04, 0.08, 0.15)


def show(p: PairHMMParameters) -> str:
    """Return the parameters as one line of numbers."""
    return (
        f"{p.identity:.3f}  {sum(p.gap_open):.5f}  {p.gap_open[0] / sum(p.gap_open):.2f}  "
        f"{p.gap_extend[0]:.2f} {p.gap_extend[1]:.3f}  {p.gap_link:5.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--families", nargs="+", default=[], help="Stockholm or aligned FASTA")
    arguments = parser.parse_args()
    family = ParameterFamily()
    every = []
    print(f"seed {arguments.seed}; identity, gap opening, share of short, extensions, link")
    print(f"{'d':>5} {'rate':>6}  {'counted':<40} {'family':<40}")
    for d in DIVERGENCES:
        for rate in RATES:
            settings = replace(PRESETS["homogeneous"], indel_rate=(0.9 * rate, 1.1 * rate))
            pairs = simulate_pairs(settings, arguments.pairs, seed=arguments.seed, divergences=[d] * arguments.pairs)
            known = [(p.query, p.reference, p.pairs) for p in pairs]
            every += known
            counted = parameters_from_alignments(known)
            print(f"{d:5.2f} {rate:6.3f}  {show(counted):<40} {show(family.member(d, rate)):<40}")
    print(f"\nall of them together: {fit_aligned(every)}")
    if arguments.families:
        families, handled = read_families(arguments.families)
        drawn = draw_pairs(families, range(len(families)), 4, arguments.seed)
        print(f"{handled}; {len(drawn)} pairs: {fit_aligned([(*x.codes, x.truth) for x in drawn])}")


if __name__ == "__main__":
    main()
