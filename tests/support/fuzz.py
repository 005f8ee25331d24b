"""Mutated inputs: what every parser is fed, and what it may answer.

A parser may refuse with a :class:`~genolstm.errors.GenolstmError` of one printable line, or return.
Any other exception, a hang, or a gigabyte of memory is a fault; what caused it is kept beside the
test's other files and named in the message, so that it can be added to ``tests/fuzz/corpus``.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from genolstm.errors import GenolstmError

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
SECONDS, MEMORY = 5.0, 1 << 30

# What parsers stumble over wherever a word or a number may stand.
WORDS = [
    *(b"", b".", b"*", b"-", b"0", b"-0", b"1", b"-1", b"-5", b"0.7", b"1e30", b"1e308", b"-1e308", b"1e18", b"1e999"),
    *(
        b"inf",
        b"-inf",
        b"nan",
        b"NaN",
        b"1_000",
        b"0x10",
        b"007",
        b"+1",
        b" 1",
        b"1 ",
        b"\xd9\xa1\xd9\xa2",
        b"\xef\xbc\x91",
    ),
    *(b"127", b"128", b"255", b"256", b"32767", b"32768", b"65535", b"65537", b"2147483647", b"2147483648"),
    *(
        b"4294967296",
        b"4294967297",
        b"9223372036854775807",
        b"9223372036854775808",
        b"18446744073709551617",
        b"9" * 400,
    ),
    *(
        b"\x00",
        b"\xff",
        b"\xe9",
        b"\xc3\xa9",
        b"\xef\xbb\xbf",
        b"\x1b[31m",
        b"\r",
        b"\n",
        b"\t",
        b"\x7f",
        b"\xe2\x80\xae",
    ),
    *(b"true", b"null", b"[]", b"{}", b"../x", b"/", b"chr1", b"A" * 70_000),
]
SEPARATORS = b'\t\n,;:|/= ">{}[]'


def mutate(
    data: bytes, random: np.random.Generator, words: Sequence[bytes] = (), others: Sequence[bytes] = ()
) -> bytes:
    """One to four changes of `data`: bytes, words between separators, lines, repeats, cuts and splices."""
    content = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        content = _CHANGES[int(random.integers(len(_CHANGES)))](content, random, [*WORDS, *words], others or [data])
    return bytes(content)


def _place(content: bytearray, random: np.random.Generator) -> int:
    return int(random.integers(len(content) + 1))


def _flip(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    for _i in range(int(random.integers(1, 9))):
        if content:
            content[_place(content, random) % len(content)] ^= 1 << int(random.integers(8))
    return content


def _overwrite(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    at, size = _place(content, random), int(random.integers(1, 9))
    content[at : at + size] = random.integers(0, 256, size, dtype=np.uint8).tobytes()
    return content


def _extreme(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    """A little-endian integer at its bounds, as binary formats carry lengths and positions."""
    width = int(random.choice([1, 2, 4, 8]))
    value = (
        int(random.choice([0, 1, 2, 3])) if random.random() < 0.3 else (1 << (8 * width - int(random.integers(2)))) - 1
    )
    at = _place(content, random)
    content[at : at + width] = value.to_bytes(width, "little")
    return content


def _word(content: bytearray, random: np.random.Generator, words: Sequence[bytes], _o: Sequence[bytes]) -> bytearray:
    """Replaces what stands between two separators."""
    at = _place(content, random)
    low, high = at, at
    while low > 0 and at - low < 200 and content[low - 1] not in SEPARATORS:
        low -= 1
    while high < len(content) and high - at < 200 and content[high] not in SEPARATORS:
        high += 1
    content[low:high] = words[int(random.integers(len(words)))]
    return content


def _insert(content: bytearray, random: np.random.Generator, words: Sequence[bytes], _o: Sequence[bytes]) -> bytearray:
    at = _place(content, random)
    content[at:at] = words[int(random.integers(len(words)))]
    return content


def _cut(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    at = _place(content, random)
    del content[at : at + int(random.choice([1, 2, 10, 100, 1000]))]
    return content


def _truncate(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    return content[: _place(content, random)]


def _lines(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    """Drops, doubles, swaps or moves a line."""
    lines = bytes(content).splitlines(keepends=True)
    if len(lines) < 2:
        return content
    first, second = (int(i) for i in random.integers(len(lines), size=2))
    what = int(random.integers(4))
    if what == 0:
        del lines[first]
    elif what == 1:
        lines.insert(second, lines[first])
    elif what == 2:
        lines[first], lines[second] = lines[second], lines[first]
    else:
        lines.insert(second, lines.pop(first))
    return bytearray(b"".join(lines))


def _repeat(content: bytearray, random: np.random.Generator, *_: Sequence[bytes]) -> bytearray:
    at, size = _place(content, random), int(random.choice([1, 5, 50]))
    content[at:at] = bytes(content[at : at + size]) * int(random.choice([2, 10, 1000]))
    return content


def _splice(content: bytearray, random: np.random.Generator, _w: Sequence[bytes], others: Sequence[bytes]) -> bytearray:
    other = others[int(random.integers(len(others)))]
    at, start = _place(content, random), int(random.integers(len(other) + 1))
    size = int(random.choice([1, 10, 100, 1000]))
    content[at : at + size] = other[start : start + size]
    return content


_CHANGES = [_flip, _overwrite, _extreme, _word, _word, _word, _insert, _cut, _truncate, _lines, _repeat, _splice]


def counts(many: int, few: int = 150) -> pytest.MarkDecorator:
    """Runs a target on a `few` inputs in every run, and on `many` behind the marker ``fuzz``."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=[pytest.mark.fuzz, pytest.mark.timeout(0)])])


def corpus(target: str) -> list[bytes]:
    """What has been found for `target`: inputs that once did harm, and are now read or refused."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]


def fuzz(
    parse: Callable[[Path], None],
    seeds: Sequence[bytes],
    count: int,
    file: Path,
    *,
    seed: int = 20261126,
    words: Sequence[bytes] = (),
    change: Callable[[bytes, np.random.Generator], bytes] | None = None,
    seal: Callable[[bytes], bytes] = bytes,
    expects_refusals: bool = True,
) -> None:
    """Feeds `parse` the seeds unchanged, then `count` mutations of them.

    Parameters
    ----------
    parse
        Reads the file it is given, and itself asserts what must hold of what it read.
    seeds
        Valid inputs and the corpus. The first must be read without an error.
    count
        How many mutations.
    file
        Where each input is written; its suffix tells the format.
    seed
        Of the mutations. A fault names it.
    words
        Of the format, to be put in beside :data:`WORDS`.
    change
        In place of :func:`mutate`, for formats whose content lies under compression.
    seal
        Applied after the mutation, such as compression or a checksum made anew.
    expects_refusals
        Whether mutations that are all read would mean that nothing was tested.
    """
    random = np.random.default_rng(seed)
    change = change or (lambda data, generator: mutate(data, generator, words, seeds))
    file.write_bytes(seal(seeds[0]))
    parse(file)
    refused = 0
    for index in range(len(seeds) - 1 + count):
        content = (
            seeds[index + 1] if index < len(seeds) - 1 else change(seeds[int(random.integers(len(seeds)))], random)
        )
        file.write_bytes(seal(content))
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            parse(file)
        except GenolstmError as error:
            refused += 1
            text = str(error)
            assert text.isprintable(), (
                f"input {index} of seed {seed}: a message that is not one printable line: {text!r}"
            )
        except Exception as error:
            kept = file.with_name(f"found_{file.name}")
            kept.write_bytes(seal(content))
            raise AssertionError(f"input {index} of seed {seed} ({kept}): {type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - started
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert seconds < SECONDS, f"input {index} of seed {seed} took {seconds:.0f} s ({file})"
        assert grown < MEMORY, f"input {index} of seed {seed} took {grown >> 20} MiB ({file})"
    assert refused or not expects_refusals, "nothing was refused: the mutations do not reach the parser"
