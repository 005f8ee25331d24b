"""Count anew, position by position, what `genolstm introgression compare` says of hmmix and sstar; imports nothing of ours.

    python count_agreement.py AGREEMENT.tsv --genome GENOME.txt --target TARGET.txt \
        --set genolstm=SEGMENTS.bed --set hmmix=T0.hap1.txt,T0.hap2.txt --set sstar=TRACTS.bed [--set truth=TRUTH.bed]

One flag for every position of every haplotype, no interval arithmetic; ends with an error if any figure differs.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

Flags = dict[tuple[str, str, str], np.ndarray]


def read(name: str, paths: list[Path], genome: dict[str, int]) -> Flags:
    """Return a flag for every position: of hmmix per haplotype, of sstar per person, else as columns 7 and 8 say."""
    found: Flags = {}
    for path in paths:
        for line in path.read_text().splitlines():
            row = line.split("\t")
            if line.startswith(("#", "chrom\t")):
                continue
            if name == "hmmix":
                if row[4] != "Archaic":
                    continue
                person, haplotype = path.name.split(".")[0], path.name.split(".")[1].removeprefix("hap")
                end = int(row[1]) + int(row[3])
            elif name == "sstar":
                person, haplotype, end = row[3], "", int(row[2])
            else:
                person, haplotype, end = row[6], row[7], int(row[2])
            flags = found.setdefault((row[0], person, haplotype), np.zeros(genome[row[0]], bool))
            flags[int(row[1]) : end] = True
    return found


def by_person(flags: Flags) -> Flags:
    found: Flags = {}
    for (chrom, person, _), one in flags.items():
        found[chrom, person, ""] = found.get((chrom, person, ""), np.zeros(len(one), bool)) | one
    return found


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return where flags begin and cease to be set."""
    changes = (np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist()
    edges = [*([0] if flags[0] else []), *changes, *([len(flags)] if flags[-1] else [])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def count(a: Flags, b: Flags, genome: dict[str, int]) -> dict[str, int]:
    names = ("a_bp", "b_bp", "both_bp", "a_segments", "a_touching", "a_same", "b_segments", "b_touching", "b_same")
    found = dict.fromkeys(names, 0)
    for key in set(a) | set(b):
        none = np.zeros(genome[key[0]], bool)
        first, second = a.get(key, none), b.get(key, none)
        found["a_bp"] += int(np.count_nonzero(first))
        found["b_bp"] += int(np.count_nonzero(second))
        found["both_bp"] += int(np.count_nonzero(first & second))
        of_first, of_second = stretches(first), stretches(second)
        for side, spans, theirs, others in (("a", of_first, second, of_second), ("b", of_second, first, of_first)):
            for start, end in spans:
                found[f"{side}_segments"] += 1
                found[f"{side}_touching"] += bool(theirs[start:end].any())
                found[f"{side}_same"] += any(
                    2 * (min(end, stop) - max(start, begin)) >= max(end - start, stop - begin) for begin, stop in others
                )
    return found


def check(table: Path, sets: dict[str, list[Path]], genome: dict[str, int], people: list[str]) -> list[str]:
    """Return a line for every row of the table; raise SystemExit where a figure differs."""
    flags = {name: read(name, paths, genome) for name, paths in sets.items()}
    lines, wrong = [], []
    with table.open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in rows:
        wanted = people if row["sample"] == "." else [row["sample"]]
        a, b = ({key: one for key, one in flags[row[side]].items() if key[1] in wanted} for side in "ab")
        if row["level"] == "sample":
            a, b = by_person(a), by_person(b)
        elif "sstar" in (row["a"], row["b"]):
            wrong.append(f"{row['a']} and {row['b']}: sstar tells no haplotypes, but the level is {row['level']}")
        counted = count(a, b, genome)
        either = counted["a_bp"] + counted["b_bp"] - counted["both_bp"]
        shares = {"jaccard": (counted["both_bp"], either), "precision": (counted["both_bp"], counted["a_bp"])}
        shares |= {"recall": (counted["both_bp"], counted["b_bp"])}
        shares |= {"f1": (2 * counted["both_bp"], counted["a_bp"] + counted["b_bp"])}
        expected = {name: str(number) for name, number in counted.items()}
        expected |= {name: f"{part / whole:.6g}" if whole else "NA" for name, (part, whole) in shares.items()}
        what = f"{row['a']} and {row['b']}, {row['sample']}, by {row['level']}"
        wrong += [f"{what}: {name} is {row[name]}, counted {one}" for name, one in expected.items() if row[name] != one]
        lines.append(
            "\t".join([row["a"], row["b"], row["level"], row["sample"], *(expected[name] for name in expected)])
        )
    if wrong or not rows:
        raise SystemExit("\n".join(wrong or [f"{table} has no rows"]))
    return ["\t".join(["a", "b", "level", "sample", *expected]), *lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--genome", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=FILE,...")
    told = parser.parse_args()
    genome = {name: int(size) for name, size in (line.split() for line in told.genome.read_text().splitlines())}
    sets = {name: [Path(one) for one in files.split(",")] for name, files in (word.split("=", 1) for word in told.set)}
    lines = check(told.table, sets, genome, told.target.read_text().split())
    sys.stdout.write("\n".join(lines) + "\n")
    print(f"{len(lines) - 1} rows of {told.table.name}: every figure is as counted", file=sys.stderr)


if __name__ == "__main__":
    main()
