"""Check the evidence of a scan's segments against the VCF, with nothing but Python itself.

python check_evidence.py SEGMENTS.bed EVIDENCE.tsv VCF TARGET OUTGROUP SOURCE=ARCHAIC

The last three are lists of samples; the VCF holds phased substitutions of one base of all of them, all of them called.
It works out from the genotypes which sites each segment has and what each of them says, and compares every field of
every line. It ends with 1, and a line on each difference, unless all is right.
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from pathlib import Path

#: An allele that is more frequent in the outgroup is not informative.
RARE = 0.05


def lines_of(path: str) -> list[str]:
    """Return the lines of a file, packed or not."""
    content = Path(path).read_bytes()
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode().splitlines()


def table(path: str) -> list[dict[str, str]]:
    """Return the rows of a table by the names of its columns."""
    lines = [line for line in lines_of(path) if not line.startswith("##")]
    columns = lines[0].removeprefix("#").split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]


def main(segments: str, evidence: str, vcf: str, target: str, outgroup: str, archaic: str) -> int:
    """Compare; return the number of differences."""
    source, archaic = archaic.split("=")
    people, others, old = (lines_of(path) for path in (target, outgroup, archaic))
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    called = table(segments)
    samples: list[str] = []
    for line in lines_of(vcf):
        if line.startswith("#"):
            samples = line.split("\t")[9:]
            continue
        chrom, place, _, ref, alt, _, _, _, _, *calls = line.split("\t")
        pos, alleles = int(place), [ref, *alt.split(",")]
        assert all(len(allele) == 1 for allele in alleles), line[:80]
        of = {name: [alleles[int(i)] for i in call.split("|")] for name, call in zip(samples, calls, strict=True)}
        in_outgroup = Counter(allele for name in others for allele in of[name])
        in_targets = Counter(allele for name in people for allele in of[name])
        in_archaic = {allele for name in old for allele in of[name]}
        there = {*in_outgroup, *in_targets, *in_archaic}
        for segment in called:
            # BED counts from 0, and the end is not in it; a VCF counts from 1.
            if segment["chrom"] != chrom or not int(segment["start"]) + 1 <= pos <= int(segment["end"]):
                continue
            own = of[segment["sample"]][int(segment["haplotype"]) - 1]
            frequency = in_outgroup[own] / (2 * len(others))
            if frequency > RARE:
                continue
            wanted[segment["name"], place] = (
                *(chrom, ref, ",".join(sorted(a for a in alleles[1:] if a in there))),
                *(segment["start"], segment["end"], segment["sample"], segment["haplotype"], own),
                *(f"{frequency:.4f}", str(in_targets[own] - 1)),
                *("supports" if own in in_archaic else "contradicts", "/".join(sorted(in_archaic))),
            )
    columns = ["chrom", "ref", "alt", "segment_start", "segment_end", "sample", "haplotype", "allele"]
    columns += ["outgroup_frequency", "shared", "evidence", f"allele_{source}"]
    wrong = []
    seen: Counter[tuple[str, str]] = Counter()
    said = Counter()
    for row in table(evidence):
        key = row["segment"], row["pos"]
        seen[key] += 1
        said[row["segment"], row["evidence"]] += 1
        expected = wanted.get(key)
        if expected is None:
            wrong.append(f"{key}: is no site of this segment")
        else:
            wrong += [
                f"{key}: {column} is {row[column]}, not {value}"
                for column, value in zip(columns, expected, strict=True)
                if row[column] != value
            ]
    wrong += [f"{key}: is {seen[key]} times there" for key in wanted if seen[key] != 1]
    for segment in called:
        supports, contradicts = (said[segment["name"], what] for what in ("supports", "contradicts"))
        if (str(supports), str(supports + contradicts)) != (segment["n_match"], segment["n_sites"]):
            told = f"{segment['n_match']} of {segment['n_sites']}"
            wrong.append(f"{segment['name']}: {supports} support and {contradicts} contradict; its segment says {told}")
    print(*wrong, sep="\n", file=sys.stderr)
    print(f"{sum(seen.values())} sites of {len(called)} segments, {len(wrong)} differences")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) > 0)
