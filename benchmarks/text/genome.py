"""Held-out bits per base of the genome model against Markov models and compressors.

Two cases, or one of your own::

    python benchmarks/text/genome.py simulated
    python benchmarks/text/genome.py fasta GENOMES.fa --held-out NAME --held-out NAME \\
        --forward-only --embedding 16 --dropout 0.1 --noise 0.02 --batch-size 32 --epochs 60
    python benchmarks/text/genome.py fasta NC_008253.fna.gz --validation 0.1

``simulated``: a million bases with isochores, genes, repeat families and microsatellites
(genolstm.text.simulate, seed 7), the last tenth held out. ``fasta``: the records named are held
out, or the end. Markov models count both strands where the network reads both. Every order from 0
to 12 is tried with Witten and Bell's back-off and with back-off weights tuned on the training
data; the best of all is what the network is compared with. For the simulated genome a sample as
long as the held-out part is drawn and its k-mers compared, and a foreign segment is inserted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from genolstm.text.corpus import Corpus, dna_corpus, read_corpus, split
from genolstm.text.generator import TextGenerator
from genolstm.text.run import baselines
from genolstm.text.settings import TextSettings
from genolstm.text.simulate import simulate_genome
from genolstm.text.spectrum import compare_spectra


def insert_foreign(model: TextGenerator, codes: np.ndarray, seed: int) -> None:
    """Put 1,000 bases of another genome into the held-out sequence; print how they stand out."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["simulated", "fasta"])
    parser.add_argument("fasta", nargs="?")
    parser.add_argument("--held-out", action="append", default=[], help="record; may be repeated")
    parser.add_argument("--validation", type=float, default=0.1)
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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", default="genome-benchmark", help="folder of model and checkpoint")
    options = parser.parse_args()

    if options.case == "simulated":
        codes, _ = simulate_genome(options.length, 7)
        whole = dna_corpus([("sim", codes)])
    else:
        whole = read_corpus([options.fasta], "fasta")
    if options.held_out:
        sides = (
            tuple(r for r in whole.records if (r.name in options.held_out) == side)
            for side in (False, True)
        )
        training, held_out = (Corpus(whole.kind, whole.alphabet, side) for side in sides)
    else:
        training, held_out = split(whole, options.validation, options.seed)  # type: ignore[assignment]
    settings = TextSettings(
        units=options.units, embedding=options.embedding, dropout=options.dropout,
        noise=options.noise, steps=options.steps, batch_size=options.batch_size,
        epochs=options.epochs, learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps, reverse_complement=not options.forward_only,
        seed=options.seed,
    )  # fmt: skip
    work = Path(options.work)
    work.mkdir(exist_ok=True)
    print(
        f"{training.n_symbols} training bases, {held_out.n_symbols} held out; seed {options.seed}",
        flush=True,
    )
    found = baselines(training, held_out, reverse_complement=not options.forward_only)
    for name, one in found:
        print(f"{name}\t{one:.4f}", flush=True)
    model = TextGenerator.fit(
        training, settings, held_out=held_out, output=work / f"{options.case}.genolstm",
        folder=work, force=True,
    )  # fmt: skip
    bits = model.bundle.metadata["held_out"]["bits_per_symbol"]
    markov = min((one for one in found if "Markov" in one[0]), key=lambda one: one[1])
    print(model.bundle.provenance["settings"])
    print("\n| model | held-out bits per base |\n| --- | --- |")
    print(f"| LSTM, {model.config.n_parameters} parameters | {bits:.4f} |")
    print(f"| best Markov: {markov[0]} | {markov[1]:.4f} |")
    for name, one in found:
        if "Markov" not in name:
            print(f"| {name} | {one:.4f} |")
    if options.case == "simulated":
        print()
        held = held_out.records[0].codes
        sample = model.encode(model.sample("", len(held), seed=options.seed))
        source = [training.records[0].codes]
        for k in (2, 4, 6):
            ours, theirs = (compare_spectra([one], source, k) for one in (sample, held))
            print(
                f"k = {k}: Jensen-Shannon divergence from the source {ours.divergence:.5f} (sample), "
                f"{theirs.divergence:.5f} (held-out part); correlation {ours.correlation:.4f}, "
                f"{theirs.correlation:.4f}"
            )
        insert_foreign(model, held, options.seed)


if __name__ == "__main__":
    main()
