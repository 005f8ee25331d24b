"""Other aligners behind one interface: a list of pairs of texts in, aligned positions out.

edlib, parasail and Biopython come from PyPI; FSA, MUSCLE, ProbCons, MAFFT and LAST are programs
(Debian packages fsa, muscle, probcons, mafft, last-align) and run on one pair at a time, as a user would run them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

Text = tuple[str, str]
Pairs = np.ndarray
PATIENCE = 120.0
"""Time limit of LAST's programs in seconds; last-train may never end if hardly anything aligns."""
Aligner = Callable[[Sequence[Text]], list[Pairs]]


def from_rows(query: str, reference: str) -> Pairs:
    """Return the aligned positions of two gapped rows."""
    a, b = (np.frombuffer(row.encode(), dtype=np.uint8) != ord("-") for row in (query, reference))
    both = a & b
    return np.stack([np.cumsum(a)[both] - 1, np.cumsum(b)[both] - 1], axis=1).astype(np.int32)


def from_cigar(cigar: str, query: int = 0, reference: int = 0) -> Pairs:
    """Return the aligned positions of a CIGAR that begins at the given positions."""
    parts = [np.empty((0, 2), dtype=np.int32)]
    for length, op in re.findall(r"(\d+)([MIDX=])", cigar):
        n = int(length)
        if op in "M=X":
            steps = np.arange(n)
            parts.append(np.stack([query + steps, reference + steps], axis=1))
        query += n if op in "M=XI" else 0
        reference += n if op in "M=XD" else 0
    return np.concatenate(parts).astype(np.int32)


def edlib(pairs: Sequence[Text]) -> list[Pairs]:
    """Align globally at the smallest edit distance, with edlib."""
    import edlib as library

    return [from_cigar(library.align(q, r, task="path")["cigar"]) for q, r in pairs]


def parasail(match: int = 5, mismatch: int = -4, gap: int = 10, extend: int = 1) -> Aligner:
    """Return parasail's global alignment with affine gaps."""
    import parasail as library

    matrix = library.matrix_create("ACGT", match, mismatch)

    def run(pairs: Sequence[Text]) -> list[Pairs]:
        return [from_cigar(library.nw_trace_scan_16(q, r, gap, extend, matrix).cigar.decode.decode()) for q, r in pairs]

    return run


def biopython(*, tuned: bool = False) -> Aligner:
    """Return Biopython's PairwiseAligner with its defaults, or with the scores of BLASTN."""
    from Bio.Align import PairwiseAligner

    aligner = PairwiseAligner(scoring="blastn") if tuned else PairwiseAligner()

    def run(pairs: Sequence[Text]) -> list[Pairs]:
        out = []
        for q, r in pairs:
            best = aligner.align(r, q)[0]
            inside = (best.indices >= 0).all(axis=0)
            out.append(best.indices[::-1, inside].T.astype(np.int32))
        return out

    return run


def tuned_parasail(training: Sequence[Text], truth: Sequence[Pairs]) -> tuple[Aligner, str]:
    """Choose the best of 60 settings of parasail on other pairs of the same kind."""
    from genolstm.alignment.evaluate import compare_pairs

    best, chosen = -1.0, (5, -4, 10, 1)
    for mismatch, gap, extend in product((-2, -3, -4, -6), (6, 8, 10, 14, 20), (1, 2, 3)):
        found = parasail(5, mismatch, gap, extend)(training)
        f1 = np.mean([compare_pairs(a, b).f1 for a, b in zip(found, truth, strict=True)])
        if f1 > best:
            best, chosen = float(f1), (5, mismatch, gap, extend)
    return parasail(*chosen), "/".join(map(str, chosen))


def _aligned_fasta(command: Callable[[Path, Path], list[str]], *, to_stdout: bool) -> Aligner:
    def run(pairs: Sequence[Text]) -> list[Pairs]:
        out = []
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.fa"), Path(folder, "out.fa")
            for q, r in pairs:
                source.write_text(f">q\n{q}\n>r\n{r}\n")
                done = subprocess.run(command(source, target), capture_output=True, text=True, check=True, cwd=folder)
                text = done.stdout if to_stdout else target.read_text()
                rows = {
                    part.split("\n", 1)[0].split()[0]: "".join(part.split("\n")[1:]) for part in text.split(">")[1:]
                }
                out.append(from_rows(rows["q"].upper(), rows["r"].upper()))
        return out

    return run


def fsa() -> Aligner:
    """Return FSA with its defaults: a pair-HMM fitted to each pair, and sequence annealing."""
    return _aligned_fasta(lambda a, _: ["fsa", str(a)], to_stdout=True)


def muscle() -> Aligner:
    """Return MUSCLE 5."""
    return _aligned_fasta(
        lambda a, b: ["muscle", "-align", str(a), "-output", str(b), "-threads", "1"], to_stdout=False
    )


def probcons() -> Aligner:
    """Return ProbCons with its RNA parameters, the only ones for nucleotides."""
    return _aligned_fasta(lambda a, _: ["probcons-RNA", str(a)], to_stdout=True)


def mafft(pairing: str = "--globalpair") -> Aligner:
    """Return MAFFT, G-INS-i by default; ``--localpair`` is L-INS-i."""
    return _aligned_fasta(lambda a, _: ["mafft", "--quiet", pairing, "--maxiterate", "1000", str(a)], to_stdout=True)


def last(training: Sequence[Text] | None = None) -> Aligner:
    """Return LAST, fitted by last-train if training pairs are given; all colinear hits count."""

    def run(pairs: Sequence[Text]) -> list[Pairs]:
        out = []
        with tempfile.TemporaryDirectory() as folder:
            query, reference, base = (Path(folder, x) for x in ("q.fa", "r.fa", "db"))
            options: list[str] = []
            if training is not None:
                for path, side in ((query, 0), (reference, 1)):
                    path.write_text("".join(f">{k}\n{p[side]}\n" for k, p in enumerate(training)))
                _run(["lastdb", str(base), str(reference)], folder)
                model = Path(folder, "model.txt")
                model.write_text(_run(["last-train", str(base), str(query)], folder))
                options = ["-p", str(model)]
            for q, r in pairs:
                query.write_text(f">q\n{q}\n")
                reference.write_text(f">r\n{r}\n")
                _run(["lastdb", str(base), str(reference)], folder)
                text = _run(["lastal", "-S1", "-s1", *options, str(base), str(query)], folder)
                out.append(_colinear(text))
        return out

    return run


def _run(command: list[str], folder: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, timeout=PATIENCE)
    return done.stdout


def _colinear(maf: str) -> Pairs:
    """Return the aligned positions of all colinear hits, accepting the best hits first."""
    hits = []
    for block in maf.split("\na ")[1:]:
        score = float(re.search(r"score=(\S+)", block)[1])
        rows = [line.split() for line in block.splitlines() if line.startswith("s ")]
        pairs = from_rows(rows[1][6].upper(), rows[0][6].upper())
        start = np.array([int(rows[1][2]), int(rows[0][2])])
        hits.append((score, pairs + start))
    taken: list[Pairs] = []
    for _, pairs in sorted(hits, key=lambda hit: -hit[0]):
        if all((pairs[-1] < other[0]).all() or (pairs[0] > other[-1]).all() for other in taken):
            taken.append(pairs)
    taken.sort(key=lambda pairs: tuple(pairs[0]))
    return np.concatenate([np.empty((0, 2), dtype=np.int64), *taken]).astype(np.int32)


PROGRAMS = {"fsa": "fsa", "muscle": "muscle", "probcons": "probcons-RNA", "last": "lastal"}


def missing_programs() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name, program in PROGRAMS.items() if shutil.which(program) is None]
