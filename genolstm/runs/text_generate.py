"""``text generate``: a model in, new text or FASTA out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import IO, Any

from genolstm.files import PathLike, atomic_text, check_paths
from genolstm.runs.sources import model_files
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import DNA

_LINE = 60
_FLUSH_S = 0.05


def run(
    model: PathLike,
    output: PathLike = "-",
    *,
    prompt: str = "",
    echo: bool = False,
    length: int = 1000,
    samples: int = 1,
    seed: int = 1,
    sampling: Mapping[str, Any] | None = None,
    skip_unknown: bool = False,
    carry: bool | None = None,
    sentence: bool = False,
    force: bool = False,
) -> None:
    """Write samples as they are made: text, or FASTA of 60 bases per line.

    Parameters
    ----------
    sampling
        Fields of :class:`~genolstm.text.sampling.Sampling` that differ from the model's default.
    carry
        Whether to carry the state or read the last window again; by default as trained.
    sentence
        Whether a sample ends with the sentence, if that is before ``length``.
    """
    check_paths(model_files(model), [output], force=force)
    generator = TextGenerator.load(model)
    drawing = replace(generator.default_sampling, **(sampling or {}))
    # Made before the output is opened, so that an invalid prompt leaves no file.
    options: dict[str, Any] = {"skip_unknown": skip_unknown, "carry": carry, "sentence": sentence}
    streams = [
        generator.symbols_stream(prompt, length, seed=seed, stream=i, sampling=drawing, **options)
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
    """Write symbols so that they soon become visible, without a system call for each."""
    shown = time.monotonic()
    for symbol in symbols:
        stream.write(symbol)
        now = time.monotonic()
        if now - shown > _FLUSH_S:
            stream.flush()
            shown = now
    stream.flush()
