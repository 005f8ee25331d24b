"""Bundles that mean no good are refused by every command that opens one: in one line, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import EXAMPLE, Result
from support.hostile import good_bundles, hostile_bundles, members_of, unzipped, with_metadata
from support.text import toy_bytes

from genolstm.introgression.metadata import SEQUENCE_ONLY

Command = tuple[object, ...]
# Each kind's own commands on top of those that take any model; {m} is the bundle.
COMMANDS: dict[str, tuple[str, ...]] = {
    "introgression": (
        "introgression scan query.fa.gz --archaic archaic.panel --outgroup outgroup.panel --model {m} -o out.bed",
        "introgression scan --vcf region.vcf.gz --target target.txt --archaic archaic.txt --outgroup outgroup.txt "
        "--model {m} -o out.bed --posteriors out.tsv",
        "introgression scan query.fa.gz --archaic archaic.panel --outgroup outgroup.panel --model {m} "
        "--baseline hmm -o out.bed",
        "model gates {m} query.fa.gz --archaic archaic.panel --outgroup outgroup.panel --haplotype x#1 -o out.tsv",
    ),
    "alignment": (
        "align score a.fa b.fa --model {m} -o out.paf",
        "align score a.fa b.fa --model {m} --classical",
        "align search a.fa b.fa --model {m} -o out.paf",
        "align msa family.fa --model {m} -o out.fa",
        "align plot a.fa b.fa --model {m} -o out.svg",
        "align train many.fa others.fa --one-to-one --model {m} -o out.genolstm",
        "align reliability a.fa b.fa --truth truth.paf --model {m} -o out.svg",
    ),
    "text": (
        "text generate --model {m} -n 5 -o out.txt",
        "text score words.txt --model {m}",
        "model gates {m} abc -o out.tsv",
    ),
    "comparison": ("model gates {m} ACGTACGT -o out.tsv", "model gates {m} a.fa --figure out.svg"),
    SEQUENCE_ONLY: ("introgression score a.fa --model {m} -o out.tsv", "introgression score a.fa b.fa --model {m}"),
}
ANY = (
    "model info {m}",
    "model info {m} --json",
    "model card {m}",
    "model verify {m}",
    "model export {m} --onnx out.onnx",
)
# Of how many bundles one is tried in every run; behind the marker `fuzz`, all with every command.
STRIDE = 23


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in EXAMPLE.iterdir():
        (tmp_path / path.name).symlink_to(path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.fa").write_text(f">{name}\nACGTTGCAACGGTACA\n")
    random = np.random.default_rng(1)
    for name in ("many", "others"):
        records = [f">{name}{i}\n{''.join('ACGT'[c] for c in random.integers(4, size=60))}\n" for i in range(6)]
        (tmp_path / f"{name}.fa").write_text("".join(records))
    (tmp_path / "long.fa").write_text(f">long\n{'ACGTTGCAACGG' * 4}\n")
    (tmp_path / "family.fa").write_text(">x\nACGTTGCAACGG\n>y\nACGTTGCAACG\n>z\nACGTTGAACGG\n")
    (tmp_path / "truth.paf").write_text("a\t16\t0\t16\t+\tb\t16\t0\t16\t16\t16\t60\tcg:Z:16=\n")
    (tmp_path / "words.txt").write_text("abcde")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(kind: str) -> list[Command]:
    return [tuple(command.format(m="m.genolstm").split()) for command in (*COMMANDS[kind], *ANY)]


def check(cli: Callable[..., Result], command: Command, what: str, files: set[str]) -> None:
    result = cli(*command)
    said = f"{what} ({' '.join(map(str, command))}): {result}"
    assert result.code == 1, said
    assert result.out == "", said
    assert re.fullmatch(r"m\.genolstm: [^\n]{1,600}\n", result.err), said
    assert result.err[:-1].isprintable(), said
    assert {path.name for path in Path().iterdir()} == files, said


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("stride", [STRIDE, pytest.param(1, marks=[pytest.mark.fuzz, pytest.mark.timeout(0)])])
def test_every_command_refuses(cli: Callable[..., Result], folder: Path, kind: str, stride: int) -> None:
    good = good_bundles(folder)[kind]
    path = folder / "m.genolstm"
    path.write_bytes(good)
    files = {one.name for one in folder.iterdir()}
    every, tried = commands(kind), 0
    for index, (what, make) in enumerate(hostile_bundles(good)):
        if index % stride:
            continue
        path.write_bytes(make())
        # All commands for all bundles is the long run; otherwise two that change from bundle to bundle.
        for place in range(len(every) if stride == 1 else 2):
            check(cli, every[(tried + place) % len(every)], what, files)
        tried += 2
    assert tried >= 14


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_good_bundles_are_read(cli: Callable[..., Result], folder: Path, kind: str) -> None:
    """What is refused above is refused for what was done to it."""
    (folder / "m.genolstm").write_bytes(good_bundles(folder)[kind])
    for command in ("model verify m.genolstm", "model card m.genolstm", "model info m.genolstm --json"):
        result = cli(*command.split())
        assert (result.code, result.err) == (0, ""), result
    own = {
        "introgression": "model card m.genolstm",
        "alignment": "align score a.fa b.fa --model m.genolstm",
        "text": "text generate --model m.genolstm -n 5",
        "comparison": "model gates m.genolstm ACGTACGT",
        SEQUENCE_ONLY: "introgression score family.fa long.fa --model m.genolstm",
    }
    result = cli(*own[kind].split())
    assert result.code == 0, result


def test_there_are_many_and_of_every_sort(tmp_path: Path) -> None:
    for good in good_bundles(tmp_path).values():
        made = list(hostile_bundles(good))
        assert all(callable(make) for _, make in made)
        labels = [label for label, _ in made]
        assert len(labels) == len(set(labels)) > 150
        for sort in ("graph: ", "step: ", "keras: ", "card: ", "settings: ", "metadata: "):
            assert any(label.startswith(sort) for label in labels), sort


# --- what was found from outside ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"), [("context", "x"), ("context", -1), ("tile", -5), ("tile", -1), ("tile", 1.5), ("window", "x")]
)
def test_numbers_that_are_none_or_never_end(
    cli: Callable[..., Result], folder: Path, field: str, value: object
) -> None:
    (folder / "m.genolstm").write_bytes(with_metadata(unzipped(toy_bytes()), (field,), value))
    files = {path.name for path in folder.iterdir()}
    check(cli, ("text", "score", "words.txt", "--model", "m.genolstm"), field, files)


def test_a_tile_far_shorter_than_its_context_never_ends(cli: Callable[..., Result], folder: Path) -> None:
    (folder / "m.genolstm").write_bytes(toy_bytes(tile=1, context=60_000))
    result = cli("text", "score", "words.txt", "--model", "m.genolstm")
    assert result.err == "m.genolstm: lacks or misstates 'tile' (1, too short for a context of 60000)\n"


@pytest.mark.parametrize(
    ("what", "command"),
    [("card: not UTF-8", "model card m.genolstm"), ("step: external data", "text generate --model m.genolstm -n 5")],
)
def test_members_that_are_none(cli: Callable[..., Result], folder: Path, what: str, command: str) -> None:
    """A card in another encoding; weights in a file of the working folder, which must not be read."""
    (folder / "secret.bin").write_bytes(bytes(100_000))
    (folder / "m.genolstm").write_bytes(dict(members_of(unzipped(toy_bytes())))[what]())
    check(cli, tuple(command.split()), what, {path.name for path in folder.iterdir()})
