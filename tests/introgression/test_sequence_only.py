"""The sequence-only recipe without its training: words, sentences, labels, groups, measures, refusals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.introgression import READER as TINY
from support.introgression import SHORT as SMALL
from support.introgression import letters, sequence_only_bytes, write_region
from support.lstm import random_weights

from genolstm.errors import InputError, ModelError, SettingError
from genolstm.introgression.sequence_only.data import Sentences, read_folders, read_loci
from genolstm.introgression.sequence_only.measures import Measures, seen_share
from genolstm.introgression.sequence_only.scorer import SequenceScorer
from genolstm.introgression.sequence_only.settings import (
    NETWORK,
    RECIPE,
    SENTENCES,
    TRAINING,
    WARNING,
    SentenceSettings,
    SequenceOnlyTraining,
)
from genolstm.introgression.sequence_only.tokens import Sequence, tokens_of
from genolstm.introgression.sequence_only.train import split_by_groups
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.cell import forward
from genolstm.lstm.splits import draw_with_all
from genolstm.sequences.alphabet import encode, reverse_complement


def plain_tokens(text: str, k: int) -> list[int]:
    """Count in the letters themselves."""
    found = []
    for at in range(len(text) - k + 1):
        word = text[at : at + k].upper().replace("U", "T")
        known = all(letter in "ACGT" for letter in word)
        found.append(1 + int("".join(str("ACGT".index(c)) for c in word), 4) if known else 0)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of random weights that reads short sentences."""
    path = tmp_path / "recipe.genolstm"
    path.write_bytes(sequence_only_bytes())
    return path


def regions(place: Path, n: int = 4, length: int = 400) -> list[Path]:
    """Regions of two people each, in each of which one haplotype is archaic in its first half."""
    found = []
    for number in range(n):
        names = [f"S{person}#{haplotype}#chr{number % 2 + 1}" for person in (1, 2, 3) for haplotype in (1, 2)]
        sequences = {name: letters(length, 100 * number + at) for at, name in enumerate(names)}
        tracts = [(f"chr{number % 2 + 1}", 0, length // 4, f"S{person}", "1") for person in (1, 2, 3)]
        found.append(write_region(place / f"seed_{number}", sequences, tracts))
    return found


# --- words and sentences --------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 6, 9])
def test_tokens_are_those_of_a_plain_count(k: int) -> None:
    text = letters(300, k, "ACGTacgtuN") + "RYn-" + letters(50, k)
    assert tokens_of(encode(text), k).tolist() == plain_tokens(text, k)
    assert tokens_of(encode(text.lower()), k).tolist() == plain_tokens(text, k)
    assert tokens_of(encode(text[: k - 1]), k).tolist() == []
    assert max(plain_tokens("T" * k, k)) == SentenceSettings(k=k).vocabulary - 1


def test_the_other_strand_is_read_as_other_words() -> None:
    """Words are those of the strand that is given, as the page says."""
    text = letters(200, 5)
    codes = encode(text)
    other = "".join("TGCA"["ACGT".index(c)] for c in reversed(text))
    assert tokens_of(reverse_complement(codes), 5).tolist() == plain_tokens(other, 5)
    assert sorted(plain_tokens(other, 5)) != sorted(plain_tokens(text, 5))


@pytest.mark.parametrize(
    "settings", [SMALL, replace(SMALL, step=7), replace(SMALL, step=33), replace(SMALL, known=1.0)]
)
def test_sentences_are_cut_as_a_loop_cuts_them(settings: SentenceSettings) -> None:
    text = letters(137, 2) + "N" * 30 + letters(64, 3, "ACGTN")
    found = Sequence.of(encode(text), settings)
    starts = [at for at in range(0, len(text), settings.step) if at + settings.sentence <= len(text)]
    words = [plain_tokens(text[at : at + settings.sentence], settings.k) for at in starts]
    assert found.starts.tolist() == starts
    assert found.known.tolist() == [sum(token > 0 for token in one) for one in words]
    assert found.readable.tolist() == [sum(t > 0 for t in one) >= settings.known * len(one) for one in words]
    assert not found.readable.all()
    assert found.sentences(np.arange(len(starts))).tolist() == words
    assert found.rest == len(text) - starts[-1] - settings.sentence
    assert Sequence.of(encode("ACGT"), settings).starts.tolist() == []


def test_a_sentence_is_no_shorter_than_a_word() -> None:
    with pytest.raises(SettingError, match=r"sentence is 5 bp; it must be at least k \(6\)"):
        SentenceSettings(sentence=5)


# --- labelled loci --------------------------------------------------------------------------------


def test_labels_are_those_of_the_tracts(tmp_path: Path) -> None:
    sequence = letters(100, 1)
    folder = write_region(tmp_path / "a", {"S#1#chr1": sequence, "S#2#chr1": sequence}, [("chr1", 25, 58, "S", "1")])
    found = read_folders([folder], SMALL, replace(RECIPE, modern=0))
    inside = {(0, at): sum(25 <= base < 58 for base in range(at, at + 20)) for at in range(0, 81, 10)}
    label = {key: covered >= 10 for key, covered in inside.items()}
    assert dict(
        zip(zip(found.sequence.tolist(), found.start.tolist(), strict=True), found.archaic.tolist(), strict=True)
    ) == {**label, **{(1, at): False for _, at in inside}}
    for row in range(len(found)):
        at = found.start[row]
        assert found.tokens[row].tolist() == plain_tokens(sequence[at : at + 20], 3)
    assert [one[1:] for one in found.haplotypes] == [("chr1", "S", "1"), ("chr1", "S", "2")]


def runs(found: Sentences, which: np.ndarray) -> list[tuple[str, int]]:
    """Return the region and the length of each run of sentences that follow one another on a haplotype."""
    lengths: list[tuple[str, int]] = []
    before = (-1, -1)
    for row in np.flatnonzero(which):
        here = int(found.sequence[row]), int(found.start[row])
        if here == (before[0], before[1] + SMALL.step):
            lengths[-1] = lengths[-1][0], lengths[-1][1] + 1
        else:
            lengths.append((str(found.groups[row]), 1))
        before = here
    return lengths


def test_modern_stretches_are_drawn_that_are_as_long_as_the_archaic_ones(tmp_path: Path) -> None:
    folders = regions(tmp_path, length=2000)
    one, again, other = (read_folders(folders, SMALL, seed=seed) for seed in (1, 1, 2))
    whole = read_folders(folders, SMALL, replace(RECIPE, modern=0))
    assert one.archaic.sum() == whole.archaic.sum() > 0
    # Two that touch would be one here: with these seeds none do.
    assert sorted(runs(one, ~one.archaic)) == sorted(runs(one, one.archaic))
    assert one.tokens.tolist() == again.tokens.tolist()
    assert one.tokens.tolist() != other.tokens.tolist()
    assert one.counts.drawn_from == (~whole.archaic).sum()
    assert one.counts.lacking == 0
    places = set(zip(whole.sequence[~whole.archaic].tolist(), whole.start[~whole.archaic].tolist(), strict=True))
    drawn = list(zip(one.sequence[~one.archaic].tolist(), one.start[~one.archaic].tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= places
    twice = read_folders(folders, SMALL, replace(RECIPE, modern=2.0))
    assert (~twice.archaic).sum() == 2 * one.archaic.sum()
    (room,) = read_folders(folders, SMALL, replace(RECIPE, modern=9.0)).counts.lines(SMALL)
    assert re.fullmatch(r"modern stretches wanted for which there is no room: \d+", room)


@pytest.mark.parametrize(
    ("split", "groups"),
    [
        ("region", {"seed_0/chr1", "seed_1/chr2", "seed_2/chr1", "seed_3/chr2"}),
        ("chromosome", {"chr1", "chr2"}),
        ("haplotype", {"S1", "S2", "S3"}),
    ],
)
def test_groups_are_what_is_to_stay_together(tmp_path: Path, split: str, groups: set[str]) -> None:
    regions(tmp_path / "x")
    found = read_folders([tmp_path / "x"], SMALL, replace(RECIPE, split=split))
    assert set(found.groups.tolist()) == groups


def test_what_is_unknown_is_counted_and_not_taken_for_known(tmp_path: Path) -> None:
    sequence = letters(100, 1)
    holed = sequence[:45] + "N" * 35 + sequence[80:]
    folder = write_region(
        tmp_path / "a", {"S#1#c": sequence + "ACG", "S#2#c": holed, "T#1#c": "ACGT"}, [("c", 0, 50, "S", "1")]
    )
    found = read_folders([folder], SMALL, replace(RECIPE, modern=0))
    words = {at: plain_tokens(holed[at : at + 20], 3) for at in range(0, 81, 10)}
    kept = [at for at, one in words.items() if sum(t > 0 for t in one) >= 9]
    assert found.start[found.sequence == 1].tolist() == kept
    counts = found.counts
    assert counts.unread == len(words) - len(kept) > 0
    assert counts.unknown == sum(one.count(0) for at, one in words.items() if at in kept) > 0
    assert (counts.short, counts.rest, counts.sentences) == (1, 3, len(found))
    said = counts.lines(SMALL)
    assert said[0] == f"{counts.unread} sentences left out: fewer than 50 % of their k-mers are known"
    assert len(said) == 4
    assert said[2] == "1 sequence shorter than a sentence (20 bp) left out"


@pytest.mark.parametrize(
    ("tract", "message"),
    [
        (("chr1", 0, 401, "S1", "1"), ":5: reaches chr1:401, beyond the end of the sequence (400 bp)"),
        (("chr1", 0, 9, "S9", "1"), ":5: names haplotype 1 of S9, which target.fa.gz lacks"),
        (("1", 0, 9, "S1", "1"), ":5: is on 1, target.fa.gz on chr1; chromosome names must agree"),
    ],
)
def test_a_truth_of_something_else_is_refused(tmp_path: Path, tract: tuple[object, ...], message: str) -> None:
    (folder,) = regions(tmp_path, 1)
    c, a, b, s, h = tract
    with (folder / "truth.bed").open("a") as stream:
        stream.write(f"{c}\t{a}\t{b}\tarchaic\t1000\t.\t{s}\t{h}\n")
    with pytest.raises(InputError) as error:
        read_folders([folder], SMALL)
    assert str(error.value) == f"{folder}/truth.bed{message}"


def test_a_haplotype_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    folder = write_region(tmp_path / "a", {"S#1#c": "A" * 30, "S_hap1_c": "C" * 30}, [("c", 0, 30, "S", "1")])
    with pytest.raises(InputError, match="the haplotype 1 of S is there twice"):
        read_folders([folder], SMALL)


def loci(folder: Path, rows: str, head: str = "name\tlabel\tgroup\n") -> tuple[Path, Path]:
    fasta, table = folder / "loci.fa", folder / "labels.tsv"
    fasta.write_text("".join(f">l{n} some locus\n{letters(40, n)}\n" for n in range(4)))
    table.write_text(head + rows)
    return fasta, table


def test_loci_and_a_table_of_labels(tmp_path: Path) -> None:
    rows = "l0\tarchaic\tchr1\nl1\tmodern\tchr1\n\nl2\tmodern\tchr2\nl3\tarchaic\tchr3\nabsent\tmodern\tchr4\n"
    fasta, table = loci(tmp_path, rows)
    found = read_loci([fasta], table, SMALL)
    assert found.groups.tolist() == ["chr1"] * 6 + ["chr2"] * 3 + ["chr3"] * 3
    assert found.archaic.tolist() == [True] * 3 + [False] * 6 + [True] * 3
    swapped = loci(
        tmp_path,
        "a\tl0\tarchaic\tx\n" + "".join(f"b\tl{n}\tmodern\tx\n" for n in (1, 2, 3)),
        "#Group\tname\tlabel\tmore\n",
    )
    assert set(read_loci([swapped[0]], swapped[1], SMALL).groups.tolist()) == {"a", "b"}


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        ("name\tlabel\n", "l0\tarchaic\n", "{table}:1: the first line names the column group not at all"),
        ("name\tlabel\tgroup\tname\n", "", "{table}:1: the first line names the column name 2 times"),
        (None, "l0\tarchaic\n", "{table}:2: has 2 fields, 3 are needed"),
        (None, "l0\tintrogressed\tchr1\n", "{table}:2: the label is 'introgressed', archaic or modern is needed"),
        (None, "l0\tarchaic\t\n", "{table}:2: l0: the group is missing"),
        (None, "l0\tarchaic\ta\nl0\tmodern\ta\n", "{table}:3: l0 is in line 2 too"),
        (None, "", "{table}: holds no labels"),
        (None, "l0\tarchaic\ta\n", "{fasta}:3: l1: has no label in {table}"),
    ],
)
def test_bad_tables_of_labels(tmp_path: Path, head: str | None, rows: str, message: str) -> None:
    fasta, table = loci(tmp_path, rows, head or "name\tlabel\tgroup\n")
    with pytest.raises(InputError) as error:
        read_loci([fasta], table, SMALL)
    assert str(error.value).startswith(message.format(table=table, fasta=fasta))


def test_a_name_in_two_files_is_refused(tmp_path: Path) -> None:
    fasta, table = loci(tmp_path, "".join(f"l{n}\tmodern\ta\n" for n in range(4)))
    with pytest.raises(InputError, match="l0: the name is in another file too"):
        read_loci([fasta, fasta], table, SMALL)


# --- splits ---------------------------------------------------------------------------------------


def sentences(groups: list[str], archaic: list[bool]) -> Sentences:
    n = len(groups)
    zeros = np.zeros(n, dtype=np.int64)
    return Sentences(np.zeros((n, 4), np.uint16), np.array(archaic), np.array(groups), zeros, zeros, (), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_a_split_never_shares_a_group(seed: int) -> None:
    random = np.random.default_rng(seed)
    n_groups = int(random.integers(3, 12))
    groups = [f"g{n}" for n in random.integers(0, n_groups, 300)] + [f"g{n}" for n in range(n_groups)] * 2
    archaic = (random.random(300) < 0.5).tolist() + [True] * n_groups + [False] * n_groups
    data = sentences(groups, archaic)
    parts = split_by_groups(data, 0.2, 0.3, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(data)))
    members = [set(data.groups[rows].tolist()) for rows in parts]
    assert sum(map(len, members)) == len(set().union(*members)) == n_groups
    for rows in parts:
        assert 0 < data.archaic[rows].sum() < len(rows)


def test_parts_grow_if_groups_are_of_one_label() -> None:
    groups = [f"g{n}" for n in range(12)]
    data = sentences(groups, [n % 2 == 0 for n in range(12)])
    parts = split_by_groups(data, 0.05, 0.05, 1)
    assert all(0 < data.archaic[rows].sum() < len(rows) for rows in parts)
    # By hand: parts of one group each can never hold both labels.
    assert min(map(len, parts)) == 2


@pytest.mark.parametrize("names", [["chr1"], ["chr1", "chr2"]])
def test_too_few_groups_are_refused(names: list[str]) -> None:
    data = sentences(names * 6, [True, True, False] * 2 * len(names))
    with pytest.raises(InputError, match=rf"all sentences are of {len(names)} groups? \(chr1.*random split"):
        split_by_groups(data, 0.2, 0.2, 1)


def test_a_label_in_one_group_only_is_refused() -> None:
    with pytest.raises(InputError, match="all sentences of the inputs are modern; loci of both kinds are needed"):
        split_by_groups(sentences(["a", "b", "c"], [False] * 3), 0.2, 0.2, 1)
    data = sentences(["a", "b", "c", "d"], [True, False, False, False])
    with pytest.raises(InputError, match=r"no split of 4 groups was found .* \(1 groups hold archaic ones, 3 modern"):
        split_by_groups(data, 0.2, 0.2, 1)
    with pytest.raises(SettingError, match="leave nothing to train on"):
        split_by_groups(data, 0.5, 0.5, 1)
    with pytest.raises(SettingError, match="validation_fraction is 0"):
        split_by_groups(data, 0.0, 0.5, 1)
    part, fits = draw_with_all(np.eye(2, dtype=bool), [1], np.random.default_rng(1))
    assert not fits
    assert len(part) == 2


# --- measures -------------------------------------------------------------------------------------


def test_sentences_that_were_seen() -> None:
    rows = np.arange(12, dtype=np.uint16).reshape(4, 3)
    assert seen_share(rows[:2], rows) == 0.5
    assert seen_share(rows[:2], rows[2:]) == 0.0


@pytest.mark.parametrize(
    ("low", "seen", "groups", "warned"),
    [
        (0.61, 0.0, 12, []),
        (0.49, 0.0, 12, ["the AUC on groups that it did not see cannot be told from chance (0.5)"]),
        (0.9, 0.374, 12, ["37.4 % of the test sentences are also in the training data, letter for letter"]),
        (0.9, 0.009, 3, ["only 3 groups were set aside: the intervals cannot be trusted"]),
        (None, 0.0, 1, ["only 1 group was set aside: there is no interval"]),
    ],
)
def test_what_the_figures_are_worth_is_said(
    tmp_path: Path, monkeypatch, low: float | None, seen: float, groups: int, warned: list[str]
) -> None:
    """Whatever the training: a measure stands in for it."""
    from genolstm.introgression.sequence_only.train import _card
    from genolstm.runs import train_sequence

    interval = [] if low is None else [low, 0.97]
    found = Measures(90, 40, groups, 0.5, 0.95, interval, 0.8, interval, 0.7, interval, 0.6, 0.55)
    regions(tmp_path / "in")

    def stand_in(*_: object, begun: Callable[..., None], **given: object) -> SimpleNamespace:
        data = read_folders([tmp_path / "in"], SMALL)
        begun(data, split_by_groups(data, 0.25, 0.25, 1))
        return SimpleNamespace(metadata={"test": {**found.to_dict(), "seen": seen, "doubt": found.doubt()}})

    monkeypatch.setattr(train_sequence, "train_model", stand_in)
    warnings: list[str] = []
    told: list[str] = []
    output = tmp_path / "m.genolstm"
    said = train_sequence.run([tmp_path / "in"], output=output, warn=warnings.append, tell=told.append, sentences=SMALL)
    assert warnings.pop(0) == WARNING
    assert [line[: len(start)] for line, start in zip(warnings, warned, strict=True)] == warned
    shown = "0.950 (no interval)" if low is None else f"0.950 ({low:.3f} to 0.970)"
    of = "1 group" if groups == 1 else f"{groups} groups"
    assert said.startswith(f"{output}: test of {of}: AUC {shown}, F1 0.800 ")
    pattern = r"\d+ archaic sentences, \d+ of \d+ modern ones: \d+ training, \d+ validation, \d+ test"
    assert re.fullmatch(pattern, told[0])
    card = _card(SMALL, RECIPE, found, seen, {"training": 5, "validation": 2, "test": groups})
    assert card.split("\n\n")[1] == f"{WARNING[0].upper()}{WARNING[1:]}."
    assert f"| AUC | {shown} | .500 |" in card
    assert ("are also in the training data, letter for letter" in card) == (seen >= 0.01)
    assert found.doubt() in card
    assert bool(found.doubt()) == (groups < 10)


# --- scoring --------------------------------------------------------------------------------------


def test_a_model_scores_what_its_weights_say(model: Path, tmp_path: Path, cli: Callable) -> None:
    text = letters(50, 1) + "N" * 25 + letters(31, 2)
    (tmp_path / "q.fa").write_text(f">S#2#chr7\n{text}\n>short\nACGT\n>other\n{text.lower()}\n")
    result = cli("introgression", "score", tmp_path / "q.fa", "--model", model)
    assert result.code == 0
    warning, *told = result.err.splitlines()
    assert warning == f"warning: {WARNING}"
    starts = range(0, len(text) - 19, 10)
    words = [plain_tokens(text[at : at + 20], 3) for at in starts]
    known = [sum(token > 0 for token in one) for one in words]
    unread = sum(n < 9 for n in known)
    assert unread > 0
    assert told == [
        f"3 sequences, {2 * len(words)} windows of 20 bp",
        f"NA in {2 * unread} windows: fewer than 50 % of their k-mers are known",
        "1 sequence shorter than a window left out",
    ]
    expected = forward(TINY, random_weights(TINY), np.array(words, dtype=np.int32))[:, 0]
    header, *rows = [line.split("\t") for line in result.out.splitlines()]
    assert header == ["#chrom", "start", "end", "sample", "haplotype", "known", "probability"]
    for name, part in ((["chr7", "S", "2"], rows[: len(words)]), (["other", "other", "1"], rows[len(words) :])):
        assert [[row[0], *row[3:5]] for row in part] == [name] * len(words)
        assert [int(row[1]) for row in part] == list(starts)
        assert [int(row[2]) - int(row[1]) for row in part] == [20] * len(words)
        assert [int(row[5]) for row in part] == known
        for row, n, value in zip(part, known, expected, strict=True):
            assert row[6] == "NA" if n < 9 else float(row[6]) == pytest.approx(value, abs=6e-5)
    # The warning is no progress: it is told all the same.
    quiet = cli("introgression", "score", tmp_path / "q.fa", "--model", model, "-q", "-o", tmp_path / "x.tsv")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", f"warning: {WARNING}\n")
    assert (tmp_path / "x.tsv").read_text() == result.out


def test_windows_do_not_depend_on_how_they_are_batched(model: Path, monkeypatch) -> None:
    codes = encode(letters(400, 4, "ACGTN"))
    scorer = SequenceScorer.load(model, threads=1)
    (whole,) = scorer.score(codes)
    monkeypatch.setattr("genolstm.introgression.sequence_only.tokens._BATCH", 7)
    parts = list(scorer.score(codes))
    assert len(parts) > 3
    for name in ("start", "known"):
        assert np.concatenate([getattr(one, name) for one in parts]).tolist() == getattr(whole, name).tolist()
    np.testing.assert_allclose(np.concatenate([one.probability for one in parts]), whole.probability, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nACGT\n", "{q}: no sequence is as long as a window (20 bp)"),
        (f">S#1#c\n{'A' * 30}\n>S_hap1_c\n{'C' * 30}\n", "{q}:3: S_hap1_c: the haplotype S 1 of c occurs twice"),
    ],
)
def test_queries_that_cannot_be_scored(model: Path, tmp_path: Path, cli: Callable, text: str, message: str) -> None:
    (tmp_path / "q.fa").write_text(text)
    result = cli("introgression", "score", tmp_path / "q.fa", "--model", model, "-o", tmp_path / "x.tsv")
    assert result.code == 1
    assert result.err.splitlines()[-1] == message.format(q=tmp_path / "q.fa")
    assert not (tmp_path / "x.tsv").exists()


# --- models of other modes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            "introgression scan q.fa --archaic a.panel --outgroup o.panel -o x.bed --model",
            "cannot scan; its probabilities are given by: genolstm introgression score",
        ),
        ("model gates {m} q.fa", "the gates of a model for sequence-only introgression cannot be shown"),
        ("text score q.fa --model", "is a model for sequence-only introgression, one for text is needed"),
        ("text generate --model", "is a model for sequence-only introgression, one for text is needed"),
        ("align score q.fa q.fa --model", "is a model for sequence-only introgression, one for alignment is needed"),
        ("align search q.fa q.fa --model", "is a model for sequence-only introgression, one for alignment is needed"),
    ],
)
def test_no_other_command_takes_it(
    model: Path, tmp_path: Path, monkeypatch, cli: Callable, command: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.fa").write_text(f">q\n{letters(60, 1)}\n")
    words = command.split() if "{m}" in command else [*command.split(), "{m}"]
    result = cli(*(word.format(m=model) for word in words))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"{model}: ")
    assert reason in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["archaic", "dna"])
def test_it_takes_no_other_model(tmp_path: Path, cli: Callable, name: str) -> None:
    (tmp_path / "q.fa").write_text(f">q\n{letters(300, 1)}\n")
    result = cli("introgression", "score", tmp_path / "q.fa", "--model", name, "-o", tmp_path / "x.tsv")
    needed = (
        "is a model that compares with references, not a sequence-only one; use it with: genolstm introgression scan"
        if name == "archaic"
        else "is a model for alignment, one for sequence-only introgression is needed"
    )
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith(f"{name}.genolstm: {needed}\n")
    assert result.err.count("\n") == 1


def test_model_commands_know_it(model: Path, cli: Callable) -> None:
    assert cli("model", "verify", model).code == 0
    assert "kind\tsequence-only introgression" in cli("model", "info", model).out
    assert WARNING in cli("model", "card", model).out


@pytest.mark.parametrize(
    "change",
    [
        {"k": 4},
        {"k": 10},
        {"sentence": 2},
        {"step": 0},
        {"known": 0},
        {"known": "all"},
        {"split": "random"},
        {"threshold": 2},
        {"warning": " "},
        {"warning": None},
    ],
)
def test_what_a_model_misstates_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "m.genolstm"
    path.write_bytes(sequence_only_bytes(**change))
    with pytest.raises(ModelError) as error:
        SequenceScorer.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_network_of_another_form_is_refused(tmp_path: Path) -> None:
    config = replace(TINY, n_outputs=2, activation="softmax")
    path = tmp_path / "m.genolstm"
    path.write_bytes(sequence_only_bytes(config))
    with pytest.raises(ModelError, match="its network does not turn sentences into one probability"):
        SequenceScorer(Bundle.open(path))


# --- the command line -----------------------------------------------------------------------------


def test_options_of_the_mode_arrive(cli: Callable, monkeypatch) -> None:
    from genolstm.runs import train_sequence

    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def run(*args: object, **options: object) -> str:
        calls.append((args, options))
        return "how good"

    monkeypatch.setattr(train_sequence, "run", run)
    data = ["-k", 4, "--sentence", 90, "--step", 30, "--known", 0.7, "--modern", 3]
    split = ["--split", "haplotype", "--test", 0.3, "--validation", 0.4, "--seed", 77]
    network = ["--cell", "gru", "--units", 9, "--layers", 3, "--dropout", 0.25, "--embedding", 5]
    how = ["--epochs", 4, "--batch-size", 8, "--learning-rate", 0.01, "--patience", 0]
    rest = ["--checkpoints", "c", "--log", "l.csv", "--force", "-q"]
    command = ["introgression", "train", "--mode", "sequence"]
    said = cli(*command, "r1", "r2", "-o", "m.genolstm", *data, *split, *network, *how, *rest)
    assert said == (0, "how good\n", "")
    assert cli(*command, "r1", "-o", "m", "--labels", "t.tsv").code == 0
    for _, given in calls:
        assert callable(given.pop("warn"))
        assert callable(given.pop("tell"))
    ours = {"cell": "gru", "units": 9, "layers": 3, "dropout": 0.25, "input_units": 5}
    changed = {
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.01,
        "patience": 0,
        "validation_fraction": 0.4,
        "seed": 77,
    }
    kept = {"checkpoints": None, "log": None, "progress": True, "force": False}
    assert calls == [
        (
            ((Path("r1"), Path("r2")),),
            {
                "output": Path("m.genolstm"),
                "labels": None,
                "network": replace(NETWORK, **ours),
                "settings": replace(TRAINING, **changed),
                "options": SequenceOnlyTraining("haplotype", 3.0, 0.3),
                "sentences": SentenceSettings(4, 90, 30, 0.7),
                "checkpoints": Path("c"),
                "log": Path("l.csv"),
                "progress": False,
                "force": True,
            },
        ),
        (
            ((Path("r1"),),),
            {
                "output": Path("m"),
                "labels": Path("t.tsv"),
                "network": NETWORK,
                "settings": TRAINING,
                "options": RECIPE,
                "sentences": SENTENCES,
                **kept,
            },
        ),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mode sequence --window 64", "--window goes with --mode tracks"),
        ("--mode sequence --label x", "--label goes with --mode tracks"),
        ("--mode sequence --bin 100", "--bin goes with --mode tracks"),
        ("--labels t.tsv", "--labels goes with --mode sequence"),
        ("--split region", "--split goes with --mode sequence"),
        ("--sentence 100", "--sentence goes with --mode sequence"),
        ("--step 10", "--step goes with --mode sequence"),
        ("--known 0.9", "--known goes with --mode sequence"),
        ("--modern 0", "--modern goes with --mode sequence"),
        ("--test 0.1", "--test goes with --mode sequence"),
        ("--embedding 8", "--embedding goes with --mode sequence"),
        ("--mode sequence --labels t.tsv --modern 2", "--modern goes with folders, not with --labels"),
        ("--mode sequence --labels t.tsv --split region", "--split goes with folders, not with --labels"),
        ("--mode sequence --split random", "'random' is not one of 'region', 'chromosome', 'haplotype'"),
    ],
)
def test_options_of_the_other_mode_are_refused(tmp_path: Path, cli: Callable, options: str, message: str) -> None:
    result = cli("introgression", "train", tmp_path / "r", "-o", tmp_path / "m", *options.split())
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "all sentences are of 2 groups (chr1, chr2); training, validation and test need one each"),
        (["-k", 12], "k is 12, a whole number at least 1 and at most 9 is needed"),
        (["--sentence", 5000], "the inputs hold no labelled sentence"),
    ],
)
def test_data_that_cannot_be_trained_on(tmp_path: Path, cli: Callable, options: list[object], message: str) -> None:
    pytest.importorskip("onnx")
    folders = regions(tmp_path)
    output = tmp_path / "m.genolstm"
    result = cli(
        "introgression", "train", *folders, "-o", output, "--mode", "sequence", "--split", "chromosome", *options
    )
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(message)
    assert result.err.count("\n") == 1
    assert not list(tmp_path.glob("m.genolstm*"))


def test_a_region_is_not_written_over(tmp_path: Path, cli: Callable) -> None:
    (folder,) = regions(tmp_path, 1)
    for name in ("target.fa.gz", "truth.bed"):
        result = cli("introgression", "train", folder, "--mode", "sequence", "-o", folder / name, "--force")
        assert (result.code, result.err) == (1, f"{folder / name}: is also an input; write elsewhere\n")


def test_what_is_no_region(tmp_path: Path, cli: Callable) -> None:
    (folder,) = regions(tmp_path / "in", 1)
    (folder / "truth.bed").unlink()
    for place, message in (
        (folder, f"{folder}: lacks truth.bed"),
        (tmp_path / "none", f"{tmp_path / 'none'}: no such folder"),
        (folder / "target.fa.gz", f"{folder / 'target.fa.gz'}: is no folder; FASTA files go with --labels"),
    ):
        result = cli("introgression", "train", place, "--mode", "sequence", "-o", tmp_path / "m")
        assert (result.code, result.err) == (1, f"{message}\n")
