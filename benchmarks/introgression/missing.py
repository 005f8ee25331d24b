"""What unknown bases cost each door, with the same bases unknown in both.

Regions of PapuansOutOfAfrica_10J19 are simulated with 10 CEU and 50 YRI diploids and one Neanderthal. Bases of
the archaic, of the outgroup or of the query are then replaced by N, and the region is scanned through panels
(the FASTA door) and through its sites, with the calls at those bases missing (what the VCF door counts). The
patterns are

    start   the first bases of every kb, the same in all haplotypes
    each    one run in every kb, at another place in each haplotype
    runs    runs of random lengths (300 bp on average) at random places, the same in all haplotypes
    short   runs of 1 to 10 bp at random places, the same in all haplotypes

``none, doubted`` is the complete region with panels that claim a share of unknown bases: the price of asking.

    python benchmarks/introgression/missing.py [--replicates 2] [--length 3000000] [--only WORD]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from genolstm.introgression.doors.blocks import Stages, TrackBlock
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.evaluate import Pieces, evaluate, pieces_of_posteriors, rank
from genolstm.introgression.model import IntrogressionClassifier, ScanResult
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import SimulationSettings, TrackSettings
from genolstm.introgression.simulate import SimulatedRegion, simulate_region
from genolstm.introgression.tracks import n_bins, tracks_from_variants
from genolstm.introgression.variants.block import UNKNOWN, VariantBlock
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel

DOORS = ("VCF", "FASTA")


def start(length: int, haplotypes: int, share: float) -> Iterator[np.ndarray]:
    """Yield the mask of every haplotype: the first bases of each kb."""
    mask = np.arange(length) % 1000 < 1000 * share
    for _ in range(haplotypes):
        yield mask


def each(length: int, haplotypes: int, share: float) -> Iterator[np.ndarray]:
    """Yield masks with one run per kb, at another place in each haplotype."""
    rng = np.random.default_rng(1)
    run = int(1000 * share)
    for _ in range(haplotypes):
        offsets = np.repeat(rng.integers(0, 1000 - run + 1, -(-length // 1000)), 1000)[:length]
        place = np.arange(length) % 1000 - offsets
        yield (place >= 0) & (place < run)


def _runs(length: int, share: float, draw: Callable[[np.random.Generator, int], np.ndarray]) -> np.ndarray:
    rng = np.random.default_rng(2)
    mask = np.zeros(length, dtype=bool)
    while mask.mean() < share:
        n = 1 + int((share - mask.mean()) * length / 300)
        for at, size in zip(rng.integers(0, length, n).tolist(), draw(rng, n).tolist(), strict=True):
            mask[at : at + size] = True
    return mask


def runs(length: int, haplotypes: int, share: float) -> Iterator[np.ndarray]:
    """Yield the same runs of random lengths for every haplotype."""
    mask = _runs(length, share, lambda rng, n: rng.geometric(1 / 300, n))
    for _ in range(haplotypes):
        yield mask


def short(length: int, haplotypes: int, share: float) -> Iterator[np.ndarray]:
    """Yield the same runs of 1 to 10 bp for every haplotype."""
    mask = _runs(length, share, lambda rng, n: rng.integers(1, 11, n))
    for _ in range(haplotypes):
        yield mask


PATTERNS = {"start": start, "each": each, "runs": runs, "short": short}


@dataclass
class SiteDoor:
    """The sites of a region as the VCF door counts them."""

    region: SimulatedRegion
    block: VariantBlock

    def tracks(self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None):
        length = self.region.settings.length
        tracks = tracks_from_variants(
            self.block, first_bin=0, last_bin=n_bins(length, settings.bin), length=length, settings=settings
        )
        names = self.region.haplotype_names("target")
        yield TrackBlock(self.region.settings.chrom, names, 0, tracks, length, True)


def masks(region: SimulatedRegion, role: str, pattern: str, share: float) -> Iterator[np.ndarray]:
    """Yield the mask of each haplotype of a population."""
    return PATTERNS[pattern](region.settings.length, len(region.haplotype_columns(role)), share)


def sequences(region: SimulatedRegion, role: str, pattern: str | None, share: float) -> Iterator[np.ndarray]:
    """Yield the haplotypes of a population as codes, masked."""
    columns = region.haplotype_columns(role).tolist()
    if pattern is None:
        yield from map(region.sequence, columns)
        return
    for column, mask in zip(columns, masks(region, role, pattern, share), strict=True):
        codes = region.sequence(column)
        codes[mask] = 4
        yield codes


def panel(region: SimulatedRegion, role: str, pattern: str | None, share: float) -> KmerPanel:
    """Build the panel of a population."""
    builder = PanelBuilder(31)
    for codes in sequences(region, role, pattern, share):
        builder.add_haplotype([codes])
    return builder.finish()


def sites(region: SimulatedRegion, role: str | None, pattern: str, share: float) -> VariantBlock:
    """Return the sites, with the same calls missing."""
    block = region.block()
    if role is None:
        return block
    alleles = getattr(block, role).copy()
    for column, mask in enumerate(masks(region, role, pattern, share)):
        alleles[mask[block.positions], column] = UNKNOWN
    return replace(block, **{role: alleles})


def write_query(region: SimulatedRegion, path: Path, pattern: str | None, share: float) -> None:
    """Write the targets as FASTA."""
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    names = region.haplotype_names("target")
    with path.open("wb") as stream:
        for (sample, haplotype), codes in zip(names, sequences(region, "target", pattern, share), strict=True):
            stream.write(f">{sample}#{haplotype}#{region.settings.chrom}\n".encode())
            stream.write(letters[codes].tobytes() + b"\n")


def doubted(found: KmerPanel) -> KmerPanel:
    """Return the panel as if a twentieth of its input were unknown."""
    assert found.bases is not None
    return replace(found, unknown=tuple(n // 20 for n in found.bases))


@dataclass
class Scores:
    """Posteriors, segments and truth over the replicates."""

    pieces: list[Pieces]
    calls: list[tuple[Interval, float]]
    truth: list[Interval]
    share: list[float]

    def add(self, model: IntrogressionClassifier, door: SiteDoor | FastaDoor, region: SimulatedRegion) -> None:
        """Scan a replicate."""
        result = model.open(door)
        blocks = list(result.blocks)
        segments = [segment for block in blocks for segment in result.decoder.add(block)]
        self.pieces.append(
            pieces_of_posteriors(model.posteriors(ScanResult(iter(blocks), result.decoder)), region.truth)
        )
        seed = region.settings.seed
        self.calls += [
            (Interval(s.chrom, s.start, s.end, f"{s.sample}@{seed}", s.haplotype), s.posterior) for s in segments
        ]
        self.truth += [t._replace(sample=f"{t.sample}@{seed}") for t in region.truth]
        self.share.append(float(np.mean([block.callable.mean() for block in blocks])))

    def row(self) -> str:
        """Return AP, recall, precision and F1 of the calls, and the callable share."""
        ap = rank(Pieces.pool(self.pieces)).ap
        e = evaluate(self.calls, self.truth)
        return f"{ap:.3f} | {e.recall:.3f} | {e.precision:.3f} | {e.f1:.3f} | {np.mean(self.share):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=520_000)
    parser.add_argument("--length", type=int, default=3_000_000)
    parser.add_argument("--outgroup", type=int, default=50, help="diploids of the outgroup")
    parser.add_argument("--only", default="", help="only rows whose name contains this")
    arguments = parser.parse_args()
    rows: list[tuple[str, str | None, str, float]] = [("none", None, "", 0.0), ("none, doubted", None, "", 0.0)]
    for role in ("archaic", "outgroup", "target"):
        for pattern in PATTERNS:
            for share in (0.05, 0.1, 0.3) if pattern in ("start", "each") else (0.05,):
                if role == "archaic" and pattern == "each":
                    continue  # the one individual has two haplotypes
                if role == "target" and share != 0.3 and pattern != "short":
                    continue
                rows.append((f"{role}, {pattern}, {100 * share:g} %", role, pattern, share))
    rows = [row for row in rows if arguments.only in row[0]]
    scores = {(row[0], door): Scores([], [], [], []) for row in rows for door in DOORS}
    model = IntrogressionClassifier.load()
    settings = SimulationSettings(length=arguments.length, n_outgroup=arguments.outgroup)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.replicates):
        region = simulate_region(replace(settings, seed=seed))
        whole = {role: panel(region, role, None, 0) for role in ("archaic", "outgroup")}
        with TemporaryDirectory() as folder:
            query = Path(folder) / "query.fa"
            for name, role, pattern, share in rows:
                began = time.perf_counter()
                scores[name, "VCF"].add(model, SiteDoor(region, sites(region, role, pattern, share)), region)
                write_query(region, query, pattern if role == "target" else None, share)
                panels = {r: panel(region, r, pattern, share) if r == role else p for r, p in whole.items()}
                if "doubted" in name:
                    panels = {r: doubted(p) for r, p in panels.items()}
                scores[name, "FASTA"].add(model, FastaDoor([query], **panels), region)
                print(f"  seed {seed}, {name} ({time.perf_counter() - began:.0f} s)", flush=True)
                for door in DOORS:
                    print(f"    {door} {scores[name, door].row()}", flush=True)
    print("\n| unknown | door | AP | recall | precision | F1 | callable |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, *_ in rows:
        for door in DOORS:
            print(f"| {name} | {door} | {scores[name, door].row()} |")


if __name__ == "__main__":
    main()
