"""As much of ms (Hudson 2002) as `sstar quantile` asks for, by msprime: windows with a given number of segregating sites.

    ms.py NSAM NREPS -seeds A B C -t tbs -r tbs LENGTH -s SITES [demography]  < RATES

As with ms, each line of RATES gives theta and rho of one replicate, and with `-s` the mutations, whose number is given,
fall on the branches in proportion to their lengths, whatever theta is.
"""

from __future__ import annotations

import sys

import demes
import msprime
import numpy as np

#: Any size will do: times, sizes and rates of ms are in units of it.
N0 = 1000


def main() -> None:
    words = sys.argv[1:]
    n_samples, n_replicates, sites = int(words[0]), int(words[1]), int(words[words.index("-s") + 1])
    seeds = [int(one) for one in words[words.index("-seeds") + 1 :][:3]] if "-seeds" in words else None
    length = int(words[words.index("-r") + 2])
    structure = words[words.index("-I") :]
    n_demes = int(structure[1])
    sizes = [int(float(one)) for one in structure[2 : 2 + n_demes]]
    if sum(sizes) != n_samples:
        raise SystemExit(f"ms.py: {n_samples} samples, but demes have {sum(sizes)}")
    # Sizes are as floating-point numbers there, and who is sampled is no part of a graph.
    structure[2 : 2 + n_demes] = ["0"] * n_demes
    graph = demes.from_ms(" ".join(structure), N0=N0)
    demography = msprime.Demography.from_demes(graph)
    samples = [msprime.SampleSet(size, population=f"deme{i + 1}", ploidy=1) for i, size in enumerate(sizes) if size]
    # A seed for each number of sites, or all would have the same genealogies.
    random = np.random.default_rng(None if seeds is None else [*seeds, sites])
    rates = [line.split() for line in sys.stdin.read().splitlines()]
    print(*words)
    print(*(seeds or []))
    for replicate in range(n_replicates):
        rho = float(rates[replicate][1])
        trees = msprime.sim_ancestry(
            samples,
            demography=demography,
            sequence_length=length,
            recombination_rate=rho / (4 * N0 * (length - 1)),
            ploidy=2,
            random_seed=int(random.integers(1, 2**31)),
        )
        positions, genotypes = scattered(trees, sites, random)
        print(f"\n//\nsegsites: {sites}")
        print("positions:", *(f"{position / length:.6f}" for position in positions))
        for row in genotypes.T:
            print("".join("1" if allele else "0" for allele in row))


def scattered(trees: object, sites: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of mutations thrown onto the genealogies, and who has each, shape (sites, samples)."""
    spans = [(tree.total_branch_length * tree.span, tree.interval.left, tree.span) for tree in trees.trees()]
    weights = np.array([area for area, _, _ in spans])
    of_tree = np.sort(random.choice(len(spans), sites, p=weights / weights.sum()))
    positions = np.empty(sites)
    genotypes = np.zeros((sites, trees.num_samples), bool)
    counts = np.bincount(of_tree, minlength=len(spans))
    row = 0
    for index, tree in enumerate(trees.trees()):
        if not counts[index]:
            continue
        nodes = [node for node in tree.nodes() if tree.parent(node) != -1]
        branches = np.array([tree.branch_length(node) for node in nodes])
        _, left, span = spans[index]
        at = np.sort(random.uniform(left, left + span, counts[index]))
        for position, branch in zip(
            at, random.choice(len(nodes), counts[index], p=branches / branches.sum()), strict=True
        ):
            positions[row] = position
            genotypes[row, list(tree.samples(nodes[branch]))] = True
            row += 1
    return positions, genotypes


if __name__ == "__main__":
    main()
