"""What scoring in stretches with a warm-up changes, compared with carrying the state throughout.

``text score`` reads long records in stretches, in parallel, each after a warm-up of 1,024 symbols
(genolstm/text/scoring.py). Here the same symbols are also read one by one, with the state carried
from the first to the last.

    python benchmarks/text/warm_up.py MODEL.genolstm FILE --last 200000
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

from genolstm.lstm.bundle.stepper import Stepper
from genolstm.text.corpus import Corpus, Record, read_corpus, record_stream
from genolstm.text.generator import TextGenerator
from genolstm.text.scoring import KEPT, WARM_UP


def carried_bits(model: TextGenerator, corpus: Corpus) -> np.ndarray:
    """Return the bits of each known symbol of all records, read one by one."""
    found = []
    for record in corpus.records:
        stream = record_stream(record.codes, corpus.boundary)[0].tolist()
        stepper = Stepper(model.bundle)
        for code, target in pairwise(stream):
            probabilities = stepper.step(np.array([code], np.int32))[0]
            if target != corpus.boundary:
                found.append(-np.log2(max(probabilities[target], 2.0**-60)))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("file")
    parser.add_argument("--last", type=int, help="symbols of each record, from its end")
    options = parser.parse_args()
    model = TextGenerator.load(options.model)
    form = "fasta" if model.symbols == "dna" else "text"
    corpus = read_corpus([options.file], form, alphabet=model.alphabet)
    if options.last:
        records = tuple(Record(one.name, one.codes[-options.last :]) for one in corpus.records)
        corpus = Corpus(corpus.kind, model.alphabet, records)
    score = model.score(corpus)
    stretches = np.concatenate([one.bits[~np.isnan(one.bits)] for one in score.records])
    carried = carried_bits(model, corpus)
    difference = stretches - carried
    largest = np.abs(difference).max()
    print(f"{len(carried)} symbols, stretches of {KEPT} after a warm-up of {WARM_UP}")
    print(f"bits per symbol: {stretches.mean():.6f} in stretches, {carried.mean():.6f} carried")
    print(f"difference of the means {difference.mean():+.2e}, of one symbol at most {largest:.2e}")


if __name__ == "__main__":
    main()
