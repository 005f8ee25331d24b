"""Mutated k-mer panels: damaged, and resealed by somebody who knows the format; each is used after it is read."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.fuzz import corpus, counts, fuzz, mutate

from genolstm.errors import PanelError
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel

_PREAMBLE = struct.Struct("<8sIIQ")
_K = 11
Change = Callable[[bytes, np.random.Generator], bytes]
WORDS = [
    b'"k"',
    b'"m"',
    b'"sections"',
    b'"n_bases"',
    b'"width"',
    b"true",
    b"null",
    b"NaN",
    b"1e3",
    b"63",
    b"64",
    b"[0,0]",
]


@pytest.fixture(scope="module")
def haplotypes() -> list[Codes]:
    """Relatives with a repeat whose minimizers are heavy, both strands, and unknown bases."""
    random = np.random.default_rng(1)
    ancestor = random.integers(0, 4, 1500, dtype=np.uint8)
    ancestor[300:700] = np.tile(ancestor[300:340], 10)
    found = []
    for _ in range(3):
        child = ancestor.copy()
        child[random.integers(0, 1500, 20)] = random.integers(0, 5, 20, dtype=np.uint8)
        found.append(child)
    found.append((3 - ancestor[::-1]) % 5)
    return found


@pytest.fixture(scope="module")
def seed(haplotypes: list[Codes], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    builder = PanelBuilder(_K)
    for codes in haplotypes:
        builder.add_haplotype([codes])
    path = tmp_path_factory.mktemp("panels") / "x.panel"
    builder.finish(names=["a", "b", "c", "d"], provenance={"made": "by a test"}).save(path)
    return path.read_bytes()


@pytest.fixture
def use(haplotypes: list[Codes]) -> Callable[[Path], None]:
    def parse(path: Path) -> None:
        panel = KmerPanel.open(path)
        json.dumps(panel.summary(), allow_nan=False)
        for codes in haplotypes:
            # Both strands, and a stretch in which query and panel part and meet again.
            other = codes.copy()
            other[::97] = (other[::97] + 1) % 4
            for query in (codes, np.ascontiguousarray(3 - codes[::-1]) % 5, other):
                assert panel.lookup(query).shape == (max(query.size - panel.k + 1, 0),)

    return parse


def sealed(content: bytes) -> bytes:
    """The bytes with the right sizes and checksum, as far as there is room for them."""
    if len(content) < 128:
        return content
    magic, version, header, _ = _PREAMBLE.unpack_from(content)
    start = _PREAMBLE.pack(magic, version, header, len(content))
    digest = hashlib.sha256(start + content[_PREAMBLE.size + 32 :]).digest()
    return start + digest + content[_PREAMBLE.size + 32 :]


def parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    """The first 128 bytes, the header, and the arrays."""
    size = _PREAMBLE.unpack_from(content)[2]
    return content[:128], content[128 : 128 + size], content[128 + size :]


def change_header(content: bytes, random: np.random.Generator) -> bytes:
    """Changes the header's text, and states its length rightly, padded as it was."""
    first, header, arrays = parts(content)
    if random.random() < 0.5:
        table = json.loads(header)
        numbers = [name for name, value in table.items() if isinstance(value, int)]
        name = numbers[int(random.integers(len(numbers)))]
        extremes = [0, 1, 2, 31, 32, 48, 63, 64, 1 << 31, (1 << 47) - 1, -1, table[name] + 1, table[name] - 1]
        table[name] = extremes[int(random.integers(len(extremes)))]
        text = json.dumps(table).encode()
    else:
        text = mutate(header.rstrip(), random, WORDS)
    text += b" " * (-(128 + len(text)) % 64)
    magic, version, _, size = _PREAMBLE.unpack_from(first)
    return sealed(_PREAMBLE.pack(magic, version, len(text), size) + first[_PREAMBLE.size :] + text + arrays)


def change_arrays(content: bytes, random: np.random.Generator) -> bytes:
    """Changes one of the arrays, whose size stays: little, or all of it."""
    first, header, arrays = parts(content)
    sections = json.loads(header)["sections"]
    name = sorted(sections)[int(random.integers(len(sections)))]
    width = {"words": 8, "directory": 4, "records": 1, "run_start": 2, "run_count": 2, "run_index": 4}[name]
    offset, length = sections[name]
    end = offset + length * width
    old = arrays[offset:end]
    what = int(random.integers(4))
    if what == 0:
        new = random.integers(0, 256, len(old), dtype=np.uint8).tobytes()
    elif what == 1:
        new = bytes([int(random.choice([0, 1, 0x7F, 0xFF]))]) * len(old)
    else:
        new = (mutate(old, random) + old)[: len(old)]
    return sealed(first + header + arrays[:offset] + new + arrays[end:])


def change_anything(content: bytes, random: np.random.Generator) -> bytes:
    return sealed(mutate(content, random, WORDS))


@counts(5000, 100)
def test_damaged_panels(count: int, seed: bytes, use: Callable[[Path], None], tmp_path: Path) -> None:
    fuzz(use, [seed], count, tmp_path / "x.panel", words=WORDS)


@counts(7000, 100)
@pytest.mark.parametrize("change", [change_header, change_arrays, change_anything])
def test_resealed_panels(count: int, change: Change, seed: bytes, use: Callable[[Path], None], tmp_path: Path) -> None:
    # A panel with other numbers in it is a panel: that it is used without harm is what is asked.
    known = [seed, *corpus("panels")]
    fuzz(use, known, count, tmp_path / "x.panel", change=change, expects_refusals=change is not change_arrays)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("k", value) for value in (0, -1, 32, 2.5, "11", True, None)),
        *(("m", value) for value in (0, 12, 1 << 40)),
        *(("n_bases", value) for value in (-1, 1 << 30, 1 << 62)),
        *(("place_bits", value) for value in (0, 63, 64, -5)),
        *(("width", value) for value in (0, 9, "2")),
        *(("n_haplotypes", value) for value in (-1, 1e300, [])),
        *(("names", value) for value in ("abcd", [1, 2], None)),
        *(("bases", value) for value in ([1, 2], [-1] * 4, "x")),
        *(("sections", value) for value in ([], {}, {"words": [0, 1]})),
        ("provenance", "x"),
    ],
)
def test_every_number_of_the_header_is_checked(seed: bytes, tmp_path: Path, field: str, value: object) -> None:
    first, header, arrays = parts(seed)
    text = json.dumps({**json.loads(header), field: value}).encode()
    text += b" " * (-(128 + len(text)) % 64)
    magic, version, _, size = _PREAMBLE.unpack_from(first)
    path = tmp_path / "x.panel"
    path.write_bytes(sealed(_PREAMBLE.pack(magic, version, len(text), size) + first[_PREAMBLE.size :] + text + arrays))
    for verify in (True, False):
        with pytest.raises(PanelError, match="its header"):
            KmerPanel.open(path, verify=verify)


@pytest.mark.parametrize("section", ["words", "run_index", "records"])
@pytest.mark.parametrize(("place", "length"), [(-64, 0), (64, 0), (3, 0), (1 << 40, 0), (0, -1), (0, 1), (0, 1 << 60)])
def test_every_section_lies_where_it_should(seed: bytes, tmp_path: Path, section: str, place: int, length: int) -> None:
    first, header, arrays = parts(seed)
    table = json.loads(header)
    old = table["sections"][section]
    table["sections"][section] = [old[0] + place, old[1] + length * 64]
    text = json.dumps(table).encode()
    text += b" " * (-(128 + len(text)) % 64)
    magic, version, _, size = _PREAMBLE.unpack_from(first)
    path = tmp_path / "x.panel"
    path.write_bytes(sealed(_PREAMBLE.pack(magic, version, len(text), size) + first[_PREAMBLE.size :] + text + arrays))
    with pytest.raises(PanelError, match=r"its header lacks or misstates 'sections"):
        KmerPanel.open(path)
