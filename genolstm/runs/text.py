"""What the commands do: files in, files out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO, Any

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import PathLike, atomic_text, check_outputs
from genolstm.text.corpus import DNA, HELD_OUT_HINT, Corpus, check_learnable, read_corpus, split
from genolstm.text.generator import TextGenerator
from genolstm.text.sampling import Sampling
from genolstm.text.scoring import Total, write_bedgraph, write_bedgraph_header, write_positions, write_positions_header

_LINE = 60
_FLUSH_S = 0.05


def run_generate(
    model: PathLike,
    output: PathLike,
    *,
    prompt: str = "",
    echo: bool = False,
    length: int = 1000,
    samples: int = 1,
    seed: int = 1,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    skip_unknown: bool = False,
    carry: bool | None = None,
    force: bool = False,
) -> None:
    """Write samples as they are made: text, or FASTA of 60 bases a line."""
    check_outputs([output], force=force)
    generator = TextGenerator.load(model)
    sampling = Sampling(
        temperature=generator.default_sampling.temperature if temperature is None else temperature,
        top_k=top_k or 0,
        top_p=1.0 if top_p is None else top_p,
    )
    # Asked for before the output is opened, so that a prompt that will not do leaves nothing.
    streams = [
        generator.symbols_stream(
            prompt, length, seed=seed, stream=i, sampling=sampling, skip_unknown=skip_unknown, carry=carry
        )
        for i in range(samples)
    ]
    with atomic_text(output, force=force) as stream:
        for index, symbols in enumerate(streams):
            if generator.symbols == DNA:
                stream.write(f">sample{index + 1} seed={seed}\n")
                _write_live(stream, _wrapped(_with(prompt.upper() if echo else "", symbols)))
            else:
                _write_live(stream, _with(prompt if echo else "", symbols))
                if index + 1 < samples or stream.isatty():
                    stream.write("\n")


def _with(prompt: str, symbols: Iterator[str]) -> Iterator[str]:
    yield from prompt
    yield from symbols


def _wrapped(symbols: Iterator[str]) -> Iterator[str]:
    column = 0
    for symbol in symbols:
        if column == _LINE:
            yield "\n"
            column = 0
        yield symbol
        column += 1
    if column:
        yield "\n"


def _write_live(stream: IO[str], symbols: Iterator[str]) -> None:
    """Write symbols so that a reader sees them soon, without a system call for each."""
    shown = time.monotonic()
    for symbol in symbols:
        stream.write(symbol)
        now = time.monotonic()
        if now - shown > _FLUSH_S:
            stream.flush()
            shown = now
    stream.flush()


def run_score(
    model: PathLike,
    files: Sequence[PathLike],
    *,
    form: str = "auto",
    skip_unknown: bool = False,
    positions: PathLike | None = None,
    bedgraph: PathLike | None = None,
    bin_size: int = 1,
    by_record: bool = False,
    as_json: bool = False,
    threads: int = 0,
    force: bool = False,
) -> None:
    """Print bits per symbol, and write them symbol by symbol where asked to."""
    check_outputs([positions, bedgraph], force=force)
    generator = TextGenerator.load(model, threads=threads)
    if bedgraph is not None and generator.symbols != DNA:
        raise SettingError("a bedGraph needs a model of DNA", hint="--positions is for text")
    # stdout belongs to the data if they were sent there.
    out = sys.stderr if "-" in map(str, (positions, bedgraph)) else sys.stdout
    rows: list[tuple[str, Total]] = []
    total = Total()
    with ExitStack() as stack:
        table, track = (
            None if path is None else stack.enter_context(atomic_text(path, force=force))
            for path in (positions, bedgraph)
        )
        if table is not None:
            write_positions_header(table)
        if track is not None:
            write_bedgraph_header(track)
        # One record in memory at a time.
        for record in generator.score_records(
            list(files), form=None if form == "auto" else form, skip_unknown=skip_unknown
        ):
            if table is not None:
                write_positions(table, record, generator.alphabet)
            if track is not None:
                write_bedgraph(track, record, bin_size)
            total += record.total
            if by_record:
                rows.append((record.name, record.total))
    if as_json:
        content: dict[str, Any] = total.to_dict()
        if by_record:
            content["records"] = [{"record": name, **one.to_dict()} for name, one in rows]
        print(json.dumps(content, ensure_ascii=False), file=out)
        return
    print("#record\tsymbols\tbits\tbits_per_symbol\tperplexity", file=out)
    for name, one in [*rows, ("total", total)]:
        print(f"{name}\t{one.symbols}\t{one.bits:.1f}\t{one.bits_per_symbol:.4f}\t{one.perplexity:.4f}", file=out)


def run_baseline(
    files: Sequence[PathLike],
    *,
    form: str = "auto",
    held_out: Sequence[PathLike] = (),
    validation: float = 0.1,
    max_order: int = 12,
    reverse_complement: bool = True,
    seed: int = 1,
    as_json: bool = False,
) -> list[tuple[str, float]]:
    """Return (baseline, held-out bits per symbol)."""
    corpus = read_corpus(files, form)
    check_learnable(corpus)
    if held_out:
        apart = read_corpus(
            held_out,
            "fasta" if corpus.kind == DNA else "text",
            alphabet=None if corpus.kind == DNA else corpus.alphabet,
            hint=HELD_OUT_HINT,
        )
        return baselines(corpus, apart, max_order, reverse_complement=reverse_complement)
    training, held = split(corpus, validation, seed)
    assert held is not None
    return baselines(training, held, max_order, reverse_complement=reverse_complement)


def baselines(
    training: Corpus, held_out: Corpus, max_order: int = 12, *, reverse_complement: bool = True
) -> list[tuple[str, float]]:
    """Return what Markov models and compressors need for a held-out corpus, bits per symbol.

    The compressors are measured cold, and primed with the training symbols. They are given the
    symbols alone: a byte each of DNA, UTF-8 of text.
    """
    from genolstm.text.baselines import compressor_bits, markov_bits

    stream = training.stream()
    if training.kind == DNA and reverse_complement:
        from genolstm.sequences.alphabet import reverse_complement as other_strand

        stream = np.concatenate([stream, other_strand(stream[1:].astype(np.uint8))])
    rows = []
    found = markov_bits(stream, held_out.stream(), len(training.alphabet), max_order=max_order)
    for name, bits in found.items():
        rows += [(f"order-{order} Markov, {name}", one) for order, one in enumerate(bits)]
    content, before = held_out.text().encode(), training.text().encode()
    for given in (None, before):
        for name, one in compressor_bits(content, held_out.n_symbols, training=given).items():
            flags = "-9e" if name == "xz" else "-9"
            rows.append((f"{name} {flags}{', primed' if given else ''}", one))
    return rows


def run_spectrum(
    sample: PathLike, source: PathLike, ks: Sequence[int]
) -> Iterator[tuple[int, float, float, float, float]]:
    """Yield k, divergence and correlation of the sample and of as long a part of the source."""
    from genolstm.sequences.fasta import read_codes
    from genolstm.text.spectrum import compare_spectra

    ours = [codes for _, codes in read_codes(sample)]
    theirs = [codes for _, codes in read_codes(source)]
    size = sum(map(len, ours))
    joined = np.concatenate(theirs)
    start = max(0, (len(joined) - size) // 2)
    part, rest = joined[start : start + size], [joined[:start], joined[start + size :]]
    # Where the sample is as long as the source there is no rest to compare a part with.
    apart = len(rest[0]) + len(rest[1]) >= size
    for k in ks:
        found = compare_spectra(ours, theirs, k)
        chance = compare_spectra([part], rest if apart else theirs, k)
        yield k, found.divergence, found.correlation, chance.divergence, chance.correlation
