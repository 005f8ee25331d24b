"""Bits per base of the genome model against Markov models and compressors.

Two cases, or one of your own::

    python benchmarks/text/genome.py simulated --units 128 --epochs 24 --batch-size 64 --steps 100
    python benchmarks/text/genome.py fasta GENOMES.fa --validation NAME --validation NAME \\
        --test NAME --forward-only --embedding 16 --dropout 0.1 --noise 0.02 --batch-size 32 \\
        --epochs 60 --learning-rate 4e-3 --warmup-steps 100
    python benchmarks/text/genome.py fasta NC_008253.fna.gz

``simulated``: a million bases with isochores, genes, repeat families and microsatellites
(genolstm.text.simulate, seed 7). The last tenth is the test, the tenth before it the validation;
for FASTA, records can be named instead. evaluation.py says what each part is for. Markov models
count both strands if the network reads both. For the simulated genome a sample as long as the test
part is drawn and its k-mers compared, and a foreign segment is inserted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from evaluation import fit, report

from genolstm.text.corpus import Corpus, dna_corpus, read_corpus, split
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import TextSettings
from genolstm.text.simulate import simulate_genome
from genolstm.text.spectrum import compare_spectra


def insert_foreign(model: TextGenerator, codes: np.ndarray, seed: int) -> None:
    """Put 1,000 bases of another genome into the test sequence; print how far they stand out."""
    foreign, _ = simulate_genome(1000, seed + 1000)
    half = len(codes) // 2
    joined = np.concatenate([codes[:half], foreign, codes[half:]])
    bits = model.score(dna_corpus([("x", joined)])).records[0].bits
    starts = np.arange(0, len(joined) - 999, 250)
    means = np.array([bits[start : start + 1000].mean() for start in starts])
    inside = bits[half : half + 1000].mean()
    native = means[(starts + 1000 <= half) | (starts >= half + 1000)]
    rank = (native < inside).mean()
    print(
        f"foreign segment of 1,000 bases: {inside:.3f} bits per base, native windows "
        f"{native.mean():.3f} +- {native.std():.3f}; above {100 * rank:.1f} % of them"
    )


def parts(whole: Corpus, validation: list[str], test: list[str], seed: int) -> tuple[Corpus, Corpus, Corpus]:
    """Return training, validation and test part: named records, or tenths from the end."""
    if not test:
        rest, last = split(whole, 0.1, seed)
        training, middle = split(rest, 1 / 9, seed)
        assert middle is not None
        assert last is not None
        return training, middle, last
    names = {record.name for record in whole.records}
    unknown = ({*validation, *test} - names) | ({*validation} & {*test})
    if unknown or not validation:
        raise SystemExit(f"name other records for --validation and --test: {sorted(unknown)}")
    sides = (names - {*validation, *test}, {*validation}, {*test})
    training, middle, last = (
        Corpus(whole.kind, whole.alphabet, tuple(r for r in whole.records if r.name in side)) for side in sides
    )
    return training, middle, last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["simulated", "fasta"])
    parser.add_argument("fasta", nargs="?")
    for part in ("validation", "test"):
        parser.add_argument(
            f"--{part}", action="append", default=[], metavar="NAME", help=f"record of the {part} part; may be repeated"
        )
    parser.add_argument("--max-order", type=int, default=12)
    parser.add_argument("--block", type=int, default=1000, help="symbols per block of the bootstrap")
    parser.add_argument("--length", type=int, default=1_000_000)
    parser.add_argument("--units", type=int)
    parser.add_argument("--embedding", type=int)
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--noise", type=float)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--warmup-steps", type=int, default=200)
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("--refit", action="store_true", help="train again, on training and validation part together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="genome-benchmark", help="folder for model and checkpoint")
    options = parser.parse_args()

    if options.case == "simulated":
        codes, _ = simulate_genome(options.length, 7)
        whole = dna_corpus([("sim", codes)])
    else:
        whole = read_corpus([options.fasta], "fasta")
    training, validation, test = parts(whole, options.validation, options.test, options.seed)
    settings = TextSettings(
        units=options.units,
        embedding=options.embedding,
        dropout=options.dropout,
        noise=options.noise,
        steps=options.steps,
        batch_size=options.batch_size,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        reverse_complement=not options.forward_only,
        seed=options.seed,
    )
    print(f"seed {options.seed}", flush=True)
    model = fit(training, validation, settings, Path(options.work), options.refit)
    report(
        model,
        training,
        validation,
        test,
        unit="base",
        max_order=options.max_order,
        block=options.block,
        reverse_complement=not options.forward_only,
    )
    if options.case == "simulated":
        print()
        held = test.records[0].codes
        sample = model.encode(model.sample("", len(held), seed=options.seed))
        source = [training.records[0].codes]
        for k in (2, 4, 6):
            ours, theirs = (compare_spectra([one], source, k) for one in (sample, held))
            print(
                f"k = {k}: Jensen-Shannon divergence from the source {ours.divergence:.5f} (sample), "
                f"{theirs.divergence:.5f} (test part); correlation {ours.correlation:.4f}, "
                f"{theirs.correlation:.4f}"
            )
        insert_foreign(model, held, options.seed)


if __name__ == "__main__":
    main()
