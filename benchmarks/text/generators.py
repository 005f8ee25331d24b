"""LSTM, Markov model and GAN as generators of DNA, judged beside real sequence: the table of docs/architectures.md.

    python benchmarks/text/generators.py --work generators-benchmark --figure generators.png

A simulated genome (genolstm.text.simulate, seed 7) is divided by ``genolstm text generators``; settings that are not
given are those of the command. Prints sizes, seeds and CPU time, and the tables as Markdown. What is done is kept in the
folder, and a rerun goes on from there. ``--develop`` judges nothing: it prints what the validation part says of the GAN, pass
by pass, to settle what is to be settled.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd

from genolstm.runs.text_generators import run
from genolstm.sequences.alphabet import decode
from genolstm.text.corpus import read_corpus
from genolstm.text.gan import train_gan
from genolstm.text.generators import CHOICE_K
from genolstm.text.parts import divide
from genolstm.text.settings import GENERATORS, GanSettings, GeneratorsSettings
from genolstm.text.simulate import simulate_genome
from genolstm.text.spectrum import compare_spectra

GENOME_SEED = 7
NAMES = {"real": "real, held out", "lstm": "LSTM", "markov": "Markov", "gan": "GAN", "independent": "independent bases"}
DIGITS = {"jsd_4": 5, "jsd_6": 4, "jsd_8": 3, "auc": 3, "accuracy": 3, "copied": 4, "bits": 3}


def develop(fasta: Path, settings: GeneratorsSettings, gan: GanSettings) -> None:
    parts = divide(read_corpus([fasta], "fasta"), settings)
    like = [record.codes for record in parts.validation.records]
    began = time.process_time()

    def score(made: object) -> float:
        return compare_spectra(made, like, CHOICE_K, canonical=settings.reverse_complement).divergence

    def tell(row: dict[str, float]) -> None:
        print(
            f"{gan} pass {row['epoch']}: loss {row['loss']:.3f}, distance {row['distance']:.3f}, divergence of "
            f"{CHOICE_K}-mers {row['score']:.4f}, {time.process_time() - began:.0f} s of CPU",
            flush=True,
        )

    options = {"window": settings.window, "passes": settings.passes, "seed": settings.seed}
    train_gan(parts.training, gan, **options, score=score, progress=tell)


def markdown(summary: pd.DataFrame) -> str:
    header = ["", *(f"{k}-mers" for k in (4, 6, 8)), "AUC", "accuracy", "copied 31-mers", "bits per base"]
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    for row in summary.to_dict("records"):
        cells = [NAMES[row["generator"]]]
        for name, digits in DIGITS.items():
            mean, least, most = (f"{row[name + end]:.{digits}f}" for end in ("", "_min", "_max"))
            cells.append(f"{mean} ({least}-{most})" if row["seeds"] > 1 else mean)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| | parameters | training bases read | CPU seconds |", "| --- | ---: | ---: | ---: |"]
    for row in summary.dropna(subset="parameters").to_dict("records"):
        spent = "" if pd.isna(row["cpu_seconds"]) else f"{row['cpu_seconds']:,.0f}"
        lines.append(f"| {NAMES[row['generator']]} | {row['parameters']:,} | {row['bases_read']:,} | {spent} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=400_000)
    parser.add_argument("--generators", default=",".join(GENERATORS))
    parser.add_argument("--passes", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--gan", action="append", default=[], metavar="NAME=VALUE", help="a setting of the GAN")
    parser.add_argument("--develop", action="store_true")
    parser.add_argument("--work", default="generators-benchmark", help="folder for genome, tables and checkpoints")
    parser.add_argument("--figure", help="where to draw the comparison")
    options = parser.parse_args()
    work = Path(options.work)
    work.mkdir(exist_ok=True)
    fasta = work / "genome.fa"
    fasta.write_text(f">sim\n{decode(simulate_genome(options.length, GENOME_SEED)[0])}\n")
    chosen = {
        name: getattr(options, name) for name in ("passes", "seeds", "seed") if getattr(options, name) is not None
    }
    settings = GeneratorsSettings(generators=tuple(options.generators.split(",")), **chosen)
    types = {field.name: type(field.default) for field in dataclasses.fields(GanSettings)}
    changes = dict(one.split("=", 1) for one in options.gan)
    gan = GanSettings(**{name: types[name](value) for name, value in changes.items()})
    print(f"simulated genome of {options.length:,} bases, seed {GENOME_SEED}\n{settings}\n{gan}", flush=True)
    if options.develop:
        develop(fasta, settings, gan)
        return
    began = time.process_time()

    def tell(row: dict[str, object]) -> None:
        print(*(f"{name}={value}" for name, value in row.items()), flush=True)

    found = run(
        [fasta],
        work / "generators.tsv",
        settings,
        gan,
        runs=work / "runs.tsv",
        figure=options.figure,
        force=True,
        progress=tell,
    )
    print(f"\n{found.account['parts']}\nthis process: {time.process_time() - began:.0f} s of CPU\n")
    print(markdown(found.summary()))


if __name__ == "__main__":
    main()
