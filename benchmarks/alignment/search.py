"""Recall and time of the search, compared with edlib, on families that grew along random trees.

All against all: for a sample of queries, edlib's distances to every other sequence, on both strands,
determine the nearest neighbours (all those at the smallest distance). The output gives the recall
among the candidates of each prefilter, with the time to index and look up all sequences, and the
recall of the whole search: the share of queries with a nearest neighbour among their hits. The whole search
is timed as a user types it, as a process that writes its alignments as PAF with E-values, beside vsearch and
blastn (as blastn and as megablast) on the same files. All are judged twice: by edits, and, for amplicons, by the
tree that the sequences were grown along, whose nearest leaves are the nearest relatives; to edits, a gap of
thirteen bases is thirteen events. `--grown` also searches the same queries in so many sequences, and so many queries
in the same sequences.
Nearest by edits and best by bits are not the same: for the first
`--exact` queries of the sample, the search without a prefilter scores all pairs, and the recall of
its best hits (all those with the same score) shows what the prefilter loses. Reads on a long
reference follow: how many are placed correctly.

Other times are CPU seconds of this process (all threads); on idle cores, divide them by the number of
cores to get the wall time.

    python benchmarks/alignment/search.py [--sequences 10000] [--sample 200] [--threads 2] [--sets ...]
        [--exact 40] [--embedding BUNDLE] [--grown 100000] [--tools genolstm vsearch blastn megablast]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from shutil import which
from subprocess import DEVNULL, run
from tempfile import TemporaryDirectory

import edlib
import numpy as np
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from families import amplicons, families, placed_reads

from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.encoders import KmerEncoder, NearestVectors, NetworkEncoder
from genolstm.alignment.search.searcher import Searcher
from genolstm.alignment.search.seeds import Prefilter, SeedIndex
from genolstm.alignment.settings import SearchSettings
from genolstm.sequences.masks import Masks, complement_masks, decode_masks, encode_masks
from genolstm.sequences.packed import PackedSequences, pack

DEPTHS = (2, 6, 21, 51, 101, 201, 601)


def nearest(masks: list[Masks], sample: np.ndarray) -> tuple[list[set[int]], np.ndarray, float]:
    """Return edlib's nearest neighbours of the sample, their distances, and its seconds per pair."""
    texts = [decode_masks(x) for x in masks]
    found, distances = [], []
    start = time.process_time()
    for i in sample:
        best: dict[int, int] = {}
        limit = -1
        for own in (texts[i], decode_masks(complement_masks(masks[i]))):
            for j, other in enumerate(texts):
                if j == i:
                    continue
                d = edlib.align(own, other, k=limit)["editDistance"]
                if d >= 0:
                    best[j] = min(d, best.get(j, d))
                    # Only sequences at least as near as the nearest so far matter.
                    limit = d if limit < 0 else min(limit, d)
        top = min(best.values())
        found.append({j for j, d in best.items() if d == top})
        distances.append(top)
    seconds = time.process_time() - start
    return found, np.array(distances), seconds / (2 * len(sample) * len(texts))


def relatives(lineages: list[tuple[int, ...]], sample: np.ndarray) -> list[set[int]]:
    """Return, for each of the sample, the leaves of the tree that are nearest to it."""
    below: dict[tuple[int, ...], set[int]] = {}
    for k, lineage in enumerate(lineages):
        for depth in range(len(lineage) + 1):
            below.setdefault(lineage[:depth], set()).add(k)
    found = []
    for i in sample.tolist():
        lineage = lineages[i]
        sets = (below[lineage[:depth]] - {i} for depth in range(len(lineage), -1, -1))
        found.append(next(s for s in sets if s))
    return found


def recall(rows: list[list[int]], truth: list[set[int]]) -> float:
    """Return the share of queries with a nearest neighbour among the answers."""
    return float(np.mean([bool(set(r) & t) for r, t in zip(rows, truth, strict=True)]))


def best_by_bits(sample: list[SeqRecord], records: list[SeqRecord], threads: int) -> tuple[list[set[int]], float]:
    """Return the best hits of the search without a prefilter, and its seconds per pair."""
    start = time.process_time()
    settings = SearchSettings(max_hits=20, skip_self=True, evalue=1e9, exact=True)
    searcher = Searcher(records, scorer=AlignmentScorer(), settings=settings, mode="global", threads=threads)
    masks = [encode_masks(str(r.seq)) for r in sample]
    found = searcher.find(masks, [r.id for r in sample])
    seconds = time.process_time() - start
    top = [{h.reference for h in own if h.bits > own[0].bits - 1e-6} for own in found]
    return top, seconds / (len(sample) * len(records))


def prefilters(packed: PackedSequences, embedding: Path | None, threads: int) -> list[tuple[str, object]]:
    """Return the name and the maker of every prefilter compared."""
    makers = [
        ("6-mer cosine, dense product", lambda: NearestVectors(KmerEncoder(6), packed)),
        *[(f"shared {k}-mers, weighted", lambda k=k: SeedIndex(packed, k)) for k in (6, 7, 8)],
    ]
    if embedding is not None:
        encoder = NetworkEncoder(embedding, threads)
        makers.append((f"LSTM, {encoder.size} numbers", lambda: NearestVectors(encoder, packed)))
    return makers


def all_against_all(name: str, masks: list[Masks], lineages: list[tuple[int, ...]], arguments) -> None:
    """Print one set's table."""
    rng = np.random.default_rng(arguments.seed)
    sample = rng.choice(len(masks), min(arguments.sample, len(masks)), replace=False)
    truth, distance, each = nearest(masks, sample)
    lengths = np.array([len(x) for x in masks])
    quantiles = ", ".join(f"{q:.0f}" for q in np.quantile(distance, [0, 0.25, 0.5, 0.75, 1]))
    print(f"\n{name}: {len(masks)} sequences of {lengths.mean():.0f} bp, seed {arguments.seed}")
    print(f"  edits to the nearest neighbour (quartiles): {quantiles}")
    print(
        f"  edlib, bounded by the best so far: {1e6 * each:.2f} us a pair, all against all, two strands: {2 * each * len(masks) ** 2:.0f} s"
    )
    packed = pack(masks)
    sampled = pack([masks[i] for i in sample])
    print(
        f"  {'prefilter':<30}{'index':>8}{'CPU s':>8}   recall among the first "
        + "  ".join(f"{d - 1:>5}" for d in DEPTHS)
    )
    for label, make in [] if arguments.no_prefilters else prefilters(packed, arguments.embedding, arguments.threads):
        start = time.process_time()
        prefilter: Prefilter = make()
        encoding = time.process_time() - start
        prefilter.candidates(packed, max(DEPTHS), arguments.threads)
        seconds = time.process_time() - start
        near = prefilter.candidates(sampled, max(DEPTHS), arguments.threads)
        shares = []
        for depth in DEPTHS:
            # The query itself takes one place.
            rows = [[j for j in r[:depth].tolist() if j != i] for r, i in zip(near, sample, strict=True)]
            shares.append(recall(rows, truth))
        print(
            f"  {label:<30}{encoding:8.1f}{seconds:8.1f}   {'':<23}" + "  ".join(f"{s:5.3f}" for s in shares),
            flush=True,
        )
    records = [SeqRecord(Seq(decode_masks(x)), id=f"s{k}") for k, x in enumerate(masks)]
    exactly = sample[: arguments.exact]
    if len(exactly):
        best, pair = best_by_bits([records[i] for i in exactly], records, arguments.threads)
        same = np.mean([bool(a & b) for a, b in zip(best, truth[: len(exactly)], strict=True)])
        print(
            f"  exact scores of {len(exactly)} queries: {1e6 * pair:.0f} us a pair, two strands; the best is a nearest by edits for {same:.3f}",
            flush=True,
        )
    truths = {"a nearest neighbour": truth}
    if lineages:
        truths["a nearest relative"] = relatives(lineages, sample)
    for hits in arguments.hits:
        commands(masks, sample, truths, hits, arguments)
    if arguments.grown and name == "amplicons":
        grown(masks, max(arguments.hits, default=5), arguments)


def commands(masks: list[Masks], sample: np.ndarray, truths: dict[str, list[set[int]]], hits: int, arguments) -> None:
    """Print time and recall of the whole search as a command, beside vsearch and blastn on the same files."""
    with TemporaryDirectory() as folder:
        every, out = Path(folder) / "a.fa", Path(folder) / "out"
        write_fasta(every, masks)
        asked, count = every, len(masks)
        if arguments.only_sample:
            asked, count = Path(folder) / "q.fa", len(sample)
            write_fasta(asked, masks, sample.tolist())
        threads = str(arguments.threads)
        deep = ["--id", "0.6", "--maxaccepts", "20", "--maxrejects", "256", "--strand", "both"]
        near = ["vsearch", "--usearch_global", asked, "--db", every, *deep, "--self", "--maxhits", str(hits)]
        blast = ["-query", asked, "-db", every, "-evalue", "10", "-outfmt", "6"]
        blast += ["-max_target_seqs", str(hits + 1), "-num_threads", threads, "-out", out]
        runs = {
            "genolstm": (own_command(asked, every, out, hits, threads), 5),
            "vsearch": ([*near, "--threads", threads, "--blast6out", out, "--quiet"], 1),
            "blastn": (["blastn", "-task", "blastn", *blast], 1),
            "megablast": (["blastn", "-task", "megablast", *blast], 1),
        }
        first: tuple[float, float] | None = None
        for name in arguments.tools:
            command, column = runs[name]
            if which(str(command[0])) is None:
                print(f"  {name}: not installed")
                continue
            if command[0] == "blastn":
                run(["makeblastdb", "-in", every, "-dbtype", "nucl"], check=True, stdout=DEVNULL)
            if name == "genolstm":
                # What is compiled once is not timed.
                run([sys.executable, "-m", "genolstm", "align", "search", *warm_up(folder), "-q"], check=True)
            wall, cpu = timed(command)
            first = first or (wall, cpu)
            found = read_hits(out, column)
            rows = [found.get(i, [])[:hits] for i in sample.tolist()]
            shares = "; ".join(
                f"{what} among them {recall(rows, truth):.4f}, first {recall([r[:1] for r in rows], truth):.4f}"
                for what, truth in truths.items()
            )
            print(
                f"  {name}, {hits} hit(s), {count} queries, {threads} threads: {wall:.1f} s, {cpu:.1f} CPU s,"
                f" {wall / first[0]:.2f} and {cpu / first[1]:.2f} times those of {arguments.tools[0]}; {shares}",
                flush=True,
            )


def grown(masks: list[Masks], hits: int, arguments) -> None:
    """Print how the time of the search grows with the sequences that are searched, and with the queries."""
    more = amplicons(arguments.grown, arguments.seed)
    threads, ratio = str(arguments.threads), len(more) / len(masks)
    with TemporaryDirectory() as folder:
        few, many, out = (Path(folder) / name for name in ("few.fa", "many.fa", "out"))
        write_fasta(few, masks)
        write_fasta(many, more)
        base = timed(own_command(few, few, out, hits, threads))
        print(f"  {len(masks)} queries in {len(masks)} sequences: {base[0]:.1f} s, {base[1]:.1f} CPU s", flush=True)
        for asked, every, what in (
            (few, many, f"{len(masks)} queries in {len(more)}"),
            (many, few, f"{len(more)} queries in {len(masks)}"),
        ):
            wall, cpu = timed(own_command(asked, every, out, hits, threads))
            powers = np.log(np.array([wall, cpu]) / base) / np.log(ratio)
            print(
                f"  {what} sequences: {wall:.1f} s, {cpu:.1f} CPU s; exponent {powers[0]:.2f}, of CPU {powers[1]:.2f}",
                flush=True,
            )


def own_command(asked: Path, every: Path, out: Path, hits: int, threads: str) -> list[object]:
    """Return the command as a user types it."""
    begin = [sys.executable, "-m", "genolstm", "align", "search", asked, every, "--skip-self"]
    return [*begin, "--max-hits", str(hits), "-t", threads, "-q", "-o", out, "--force"]


def write_fasta(path: Path, masks: list[Masks], kept: list[int] | None = None) -> None:
    """Write sequences under their numbers."""
    path.write_text("".join(f">s{k}\n{decode_masks(masks[k])}\n" for k in kept or range(len(masks))))


def warm_up(folder: str) -> list[Path]:
    """Return two small files, whose search runs all that a large one does."""
    some, out = Path(folder) / "w.fa", Path(folder) / "w.paf"
    some.write_text("".join(f">s{k}\n{decode_masks(x)}\n" for k, x in enumerate(amplicons(40, 1))))
    return [some, some, "-o", out, "--force", "--skip-self"]


def timed(command: list[object]) -> tuple[float, float]:
    """Run a command; return its seconds and CPU seconds."""
    before, start = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    run([str(x) for x in command], check=True, stdout=DEVNULL)
    wall, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_hits(path: Path, column: int) -> dict[int, list[int]]:
    """Return the hits of each query but itself, in the order of the file, from PAF or a BLAST table."""
    found: dict[int, list[int]] = {}
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        query, other = int(fields[0][1:]), int(fields[column][1:])
        own = found.setdefault(query, [])
        if other != query and other not in own:
            own.append(other)
    return found


def long_reference(arguments) -> None:
    """Print how many reads are found at their true place in a long reference."""
    print(f"\nreads of 80 to 250 bp, either strand, in 1 Mb, seed {arguments.seed}")
    for divergence in (0.05, 0.15, 0.3):
        reads, reference, place = placed_reads(200, arguments.seed, divergence=divergence)
        queries = [SeqRecord(Seq(decode_masks(x)), id=f"q{k}") for k, x in enumerate(reads)]
        target = [SeqRecord(Seq(decode_masks(reference[0])), id="reference")]
        start = time.process_time()
        searcher = Searcher(
            target,
            scorer=AlignmentScorer(),
            settings=SearchSettings(max_hits=1),
            mode="semiglobal",
            threads=arguments.threads,
        )
        hits = searcher.search(queries)
        seconds = time.process_time() - start
        right = np.mean([bool(h) and abs(h[0].reference_span[0] - p) <= 20 for h, p in zip(hits, place, strict=True)])
        print(
            f"  divergence {divergence:.2f}: {right:.3f} at their place, {1e3 * seconds / len(reads):.1f} ms a read with index and alignment",
            flush=True,
        )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=6001)
    parser.add_argument("--sets", nargs="+", default=["amplicons", "families", "reads"])
    parser.add_argument(
        "--hits", type=int, nargs="*", default=[1, 5], help="hits per query; no value skips the whole search"
    )
    parser.add_argument("--no-prefilters", action="store_true", help="run only the whole search")
    parser.add_argument("--only-sample", action="store_true", help="search for the sample only")
    parser.add_argument("--exact", type=int, default=0, help="number of queries scored without a prefilter")
    parser.add_argument("--grown", type=int, default=0, help="search so many amplicons, too, with the same queries")
    tools = ("genolstm", "vsearch", "blastn", "megablast")
    parser.add_argument(
        "--tools", nargs="+", choices=tools, default=tools, help="what to run, the first to compare with"
    )
    parser.add_argument("--embedding", type=Path, help="bundle written by scripts/train_embedding.py")
    arguments = parser.parse_args()
    lineages: list[tuple[int, ...]] = []
    if "amplicons" in arguments.sets:
        all_against_all(
            "amplicons", amplicons(arguments.sequences, arguments.seed, lineages=lineages), lineages, arguments
        )
    if "families" in arguments.sets:
        all_against_all("families", families(arguments.sequences, arguments.seed), [], arguments)
    if "reads" in arguments.sets:
        long_reference(arguments)


if __name__ == "__main__":
    main()
