"""Bits per symbol of the mixture of a network, counts and copies, on the three rows of docs/text.md.

    python benchmarks/text/mix.py text kjv.txt --model bible.genolstm
    python benchmarks/text/mix.py simulated --model simulated.genolstm
    python benchmarks/text/mix.py fasta hominin_mtdna.fa --validation KX198087.1 --validation KX198084.1 \\
        --validation KX198088.1 --test FN673705.1 --test KT780370.1 --forward-only

Parts and models are those of english.py and genome.py, which train the model; without ``--model``, counts
and copies are mixed alone. The training part is the history, the validation part is held-out data: the
network has learned from the former, so that only the latter says how far to trust it. The test part is
scored once. Markov models (order 12, tuned) count both parts before. Compressors (7z's PPMd of order 16,
``zpaq -m5``; Debian's ``7zip`` and ``zpaq``) are shown as what the test part adds to the compressed size of
both. ``--develop`` scores the validation part after the training part instead, to settle what is to be settled.
"""

from __future__ import annotations

import argparse
import copy
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from evaluation import both_strands, interval
from genome import parts

from genolstm.text.adaptive import AdaptiveHead
from genolstm.text.baselines import MarkovModel
from genolstm.text.corpus import Corpus, Record, dna_corpus, read_corpus, read_text, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.mixed import mixed_bits
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.simulate import simulate_genome

ORDER = 12
#: Commands that write an archive: {archive}, {file}.
COMPRESSORS = {
    "7z, PPMd of order 16": "7z a -bd -m0=PPMd:o=16:mem=256m {archive} {file}",
    "zpaq -m5": "zpaq a {archive} {file} -m5 -t1",
}


def read_parts(options: argparse.Namespace) -> tuple[Corpus, Corpus, Corpus]:
    if options.case == "text":
        whole = text_corpus([("text", read_text(options.file))])
        codes, held = whole.records[0].codes, 200_000
        cuts = codes[: -2 * held], codes[-2 * held : -held], codes[-held:]
        first, second, third = (Corpus(whole.kind, whole.alphabet, (Record("text", part),)) for part in cuts)
        return first, second, third
    if options.case == "simulated":
        return parts(dna_corpus([("sim", simulate_genome(1_000_000, options.seed)[0])]), [], [], 1)
    return parts(read_corpus([options.file], "fasta"), options.validation, options.test, 1)


def scored(
    taught: Mixture | None, held_out: Corpus | None, test: Corpus, model: TextGenerator | None = None, *, adapt=False
) -> np.ndarray:
    """Return the bits of the test part's symbols, after the held-out part, as ``TextGenerator.score`` does.

    What counts and copies have been taught is copied, so that the history is read once for all rows.
    """
    mixture = copy.deepcopy(taught)
    corpora = [one for one in (held_out, test) if one is not None]
    if model is None:
        assert mixture is not None
        bits = [mixture.read(corpus.stream()).bits for corpus in corpora][-1]
        return bits[~np.isnan(bits)]
    head = AdaptiveHead(model.bundle) if adapt else None
    runtime = model.runtime if head is None else head.runtime(model.threads)
    options = {"mode": model.mode, "window": model.window}
    rows = [
        [mixed_bits(record, model.config, mixture, runtime, head, **options).bits for record in corpus.records]
        for corpus in corpora
    ]
    bits = np.concatenate(rows[-1])
    return bits[~np.isnan(bits)]


def markov(training: Corpus, validation: Corpus, test: Corpus, reverse_complement: bool) -> np.ndarray:
    both = [both_strands(one, reverse_complement) for one in (training, validation)]
    model = MarkovModel(ORDER, len(test.alphabet)).fit(both[0], tune=True, validation=validation.stream())
    bits = model.recount(np.concatenate(both)).bits_by_order(test.stream())[ORDER]
    return bits[~np.isnan(bits)]


def compressed(before: str, test: str, command: str, size: int) -> float | None:
    """Return what the test part adds, in bits per symbol."""
    words = command.split()
    program = shutil.which(words[0]) or shutil.which(words[0] + "z")
    if program is None:
        return None
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate((before, before + test)):
            file, archive = Path(folder, f"{number}.txt"), Path(folder, f"{number}.{words[0]}")
            file.write_text(content)
            filled = [word.format(archive=archive, file=file) for word in words[1:]]
            subprocess.run([program, *filled], check=True, capture_output=True)
            sizes.append(archive.stat().st_size)
    return 8 * (sizes[1] - sizes[0]) / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["text", "simulated", "fasta"])
    parser.add_argument("file", nargs="?")
    for part in ("validation", "test"):
        parser.add_argument(f"--{part}", action="append", default=[], metavar="NAME", help=f"record of the {part} part")
    parser.add_argument("--model", help="the network; by default none")
    parser.add_argument("--seed", type=int, default=7, help="of the simulated genome; 7: that of the tables")
    parser.add_argument("--forward-only", action="store_true", help="Markov models count one strand")
    parser.add_argument("--develop", action="store_true", help="score the validation part after the training part")
    parser.add_argument("--threads", type=int, default=0, help="they change no figure; 0: all cores")
    parser.add_argument("--block", type=int, default=1000, help="symbols per block of the bootstrap")
    options = parser.parse_args()
    training, validation, test = read_parts(options)
    before = [training, validation]
    if options.develop:
        before, test = [training], validation
    held_out = None if options.develop else validation
    # Beside the rest, as other processes.
    pool = ThreadPoolExecutor(len(COMPRESSORS))
    texts = "".join(one.text() for one in before), test.text()
    costs = {name: pool.submit(compressed, *texts, command, test.n_symbols) for name, command in COMPRESSORS.items()}
    began = time.process_time()
    taught = Mixture(test.alphabet, test.kind, threads=options.threads)
    taught.read(training.stream())
    rows = {"counts and copies": scored(taught, held_out, test)}
    size = sum(one.n_symbols for one in (*before, test))
    spent = time.process_time() - began
    print(f"counts and copies: {size:,} symbols, {size / spent:,.0f} per second of CPU, compiling included", flush=True)
    if options.model:
        model = TextGenerator.load(options.model, threads=options.threads)
        print(f"LSTM: {model.config.n_parameters:,} parameters, {model.bundle.provenance['settings']}", flush=True)
        runs = {
            "LSTM": (None, False),
            "LSTM, adapting": (None, True),
            "LSTM, counts and copies": (taught, False),
            "LSTM, adapting, counts and copies": (taught, True),
        }
        for name, (mixture, adapt) in runs.items():
            began = time.process_time()
            rows[name] = scored(mixture, held_out if mixture or adapt else None, test, model, adapt=adapt)
            print(f"{name}: {rows[name].mean():.4f}, {time.process_time() - began:.1f} s of CPU", flush=True)
    rows[f"Markov, order {ORDER}, tuned"] = markov(
        training, validation, test, test.kind == "dna" and not options.forward_only
    )
    print(f"\n| model | bits per symbol, {test.n_symbols:,} symbols | 95 % interval |\n| --- | ---: | --- |")
    for name, bits in rows.items():
        assert len(bits) == test.n_symbols
        low, high = interval(bits, options.block)
        print(f"| {name} | {bits.mean():.4f} | {low:.4f} to {high:.4f} |")
    for name, waiting in costs.items():
        cost = waiting.result()
        print(f"| {name} | {'not installed' if cost is None else format(cost, '.4f')} | |", flush=True)
    for name in [name for name in rows if "copies" in name]:
        for other in rows:
            if other != name:
                low, high = interval(rows[name] - rows[other], options.block)
                print(f"{name}, less {other}: {(rows[name] - rows[other]).mean():+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
