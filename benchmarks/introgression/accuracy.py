"""How well the shipped model finds archaic tracts, through both doors, beside the supervised HMM.

Each replicate is 5 Mb of PapuansOutOfAfrica_10J19 with 10 CEU and 100 YRI diploids and one
Neanderthal sampled at its published time; what CEU have of Denisovans counts as archaic, too. Scores are in base pairs, pooled over haplotypes and
replicates; intervals are 95 %, from drawing 1 Mb loci with replacement. The seeds are the
benchmark's own: the shipped model was trained and validated on seeds from 7,000,000 on.

    python benchmarks/introgression/accuracy.py [--replicates 6] [--first-seed 510000]
"""

from __future__ import annotations

import argparse
import gzip
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from genolstm import IntrogressionClassifier
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.evaluate import Pieces, bootstrap, calibration_error, evaluate, pieces_of_posteriors, rank
from genolstm.introgression.model import ScanResult
from genolstm.introgression.segments import Interval
from genolstm.introgression.simulate import KNOWN_MODELS, SimulatedRegion, SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation_vcf
from genolstm.sequences.panel.builder import PanelBuilder


def panel(region: SimulatedRegion, role: str):
    """Build the panel of one population from its sequences."""
    builder = PanelBuilder(31)
    for column in region.haplotype_columns(role):
        builder.add_haplotype([region.sequence(int(column))])
    return builder.finish()


def write_query(region: SimulatedRegion, path: Path) -> None:
    """Write the target haplotypes as FASTA."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for column, (sample, haplotype) in zip(
            region.haplotype_columns("target"), region.haplotype_names("target"), strict=True
        ):
            stream.write(f">{sample}#{haplotype}#{region.settings.chrom}\n".encode())
            stream.write(letters[region.sequence(int(column))].tobytes() + b"\n")


def scored(model: IntrogressionClassifier, result: ScanResult, region: SimulatedRegion):
    """Return the pieces of a scan's posteriors, its segments, and the threshold that it chose."""
    blocks = list(result.blocks)
    segments = [segment for block in blocks for segment in result.decoder.add(block)]
    more, expected = result.decide()
    table = model.posteriors(ScanResult(iter(blocks), result.decoder))
    return pieces_of_posteriors(table, region.truth), segments + more, expected.threshold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=510_000)
    parser.add_argument("--length", type=int, default=5_000_000)
    parser.add_argument("--demography", default="PapuansOutOfAfrica_10J19", choices=KNOWN_MODELS)
    parser.add_argument("--model", default="archaic")
    parser.add_argument("--skip-fasta", action="store_true", help="VCF door only")
    arguments = parser.parse_args()
    model = IntrogressionClassifier.load(arguments.model)
    donors = ("Nea1", "Den1", "Den2") if arguments.demography == "PapuansOutOfAfrica_10J19" else ()
    settings = SimulationSettings(model=arguments.demography, length=arguments.length, donors=donors)
    doors = ["LSTM, VCF", "HMM, VCF"] + ([] if arguments.skip_fasta else ["LSTM, FASTA"])
    pieces: dict[str, list[Pieces]] = {door: [] for door in doors}
    calls, truth, thresholds = [], [], []
    last = arguments.first_seed + arguments.replicates - 1
    print(f"{arguments.demography}, {arguments.length / 1e6:g} Mb, seeds {arguments.first_seed} to {last}")
    for seed in range(arguments.first_seed, last + 1):
        start = time.perf_counter()
        region = simulate_region(replace(settings, seed=seed))
        with TemporaryDirectory() as name:
            vcf = Path(name) / "region.vcf.gz"
            write_simulation_vcf(region, vcf)
            groups = {
                role: [region.samples[i] for i in region.individuals(role)]
                for role in ("target", "outgroup", "archaic")
            }
            for door, baseline in (("LSTM, VCF", None), ("HMM, VCF", "hmm")):
                found, segments, threshold = scored(
                    model, model.open(VcfDoor(vcf, **groups), baseline=baseline), region
                )
                pieces[door].append(found)
                if baseline is None:
                    thresholds.append(threshold)
                    # Replicates share names; the seed keeps them apart.
                    calls += [
                        (Interval(s.chrom, s.start, s.end, f"{s.sample}@{seed}", s.haplotype), s.posterior)
                        for s in segments
                    ]
                    truth += [t._replace(sample=f"{t.sample}@{seed}") for t in region.truth]
            if "LSTM, FASTA" in pieces:
                query = Path(name) / "query.fa.gz"
                write_query(region, query)
                panels = {role: panel(region, role) for role in ("archaic", "outgroup")}
                pieces["LSTM, FASTA"].append(scored(model, model.open(FastaDoor([query], **panels)), region)[0])
        row = "  ".join(f"{door} AP {rank(p[-1]).ap:.3f}" for door, p in pieces.items())
        print(f"  seed {seed}: {row}  ({time.perf_counter() - start:.0f} s)", flush=True)
    print("\n| | AP | 95 % | best F1 | 95 % | precision | recall | recall at 95 % precision | ECE |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for door in doors:
        pooled = Pieces.pool(pieces[door])
        if not pooled.positives.any():
            print("\nno replicate holds an archaic tract: nothing to score")
            return
        r, interval = rank(pooled), bootstrap(pooled, replicates=500)
        print(
            f"| {door} | {r.ap:.3f} | {interval['ap'][0]:.3f}-{interval['ap'][1]:.3f} | "
            f"{r.best_f1:.3f} | {interval['best_f1'][0]:.3f}-{interval['best_f1'][1]:.3f} | "
            f"{r.precision:.3f} | {r.recall:.3f} | {r.recall_at_95:.3f} | "
            f"{calibration_error(pooled):.4f} |"
        )
    summary = evaluate(calls, truth)
    print(
        f"\nSegments as called by default (thresholds {min(thresholds):.3f} to {max(thresholds):.3f}): precision "
        f"{summary.precision:.3f}, recall {summary.recall:.3f}, F1 {summary.f1:.3f}, median "
        f"boundary error {summary.boundary_error or 0:.0f} bp"
    )
    for name, entry in summary.recall_by_length.items():
        print(f"  recall of tracts {name} ({entry['tracts']:.0f}): {entry['recall']:.3f}")


if __name__ == "__main__":
    main()
