"""Models of words: nothing of a text is lost, and nothing of it is free."""

import itertools
import json
from collections import Counter, defaultdict
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import EXAMPLE, call
from support.text import VOCABULARY, toy, toy_bytes

from genolstm.errors import InputError, ModelError, SettingError
from genolstm.lstm.bundle.stepper import Stepper
from genolstm.runs.text_baseline import baselines
from genolstm.text.corpus import close_vocabulary, read_corpus, split, text_corpus
from genolstm.text.gates import sequence_gates
from genolstm.text.sampling import Sampling
from genolstm.text.settings import TUTORIAL, TextSettings
from genolstm.text.spelling import ORDER, Spelling
from genolstm.text.train import prepare, too_small
from genolstm.text.words import TOKEN, Vocabulary, tokens

RHYME = EXAMPLE / "rhyme.txt"
PAGE = Path(__file__).parents[2] / "docs" / "text.md"
#: Spaces of all kinds, letters with and without marks, digits, signs, and what is between them.
TEXTS = st.text(
    st.sampled_from("  \n\t\r\u00a0\u2003aBcéß\u0301漢123½Ⅷ_'’.,!?-stmrevl\x1c") | st.characters(codec="utf-8")
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "words.genolstm"
    path.write_bytes(toy_bytes(VOCABULARY))
    return path


@given(TEXTS)
def test_tokens_put_together_are_the_text(text):
    found = list(tokens(text))
    assert "".join(found) == text
    assert "" not in found


@given(TEXTS, TEXTS, st.integers(1, 6), st.floats(0.1, 0.5))
def test_no_vocabulary_loses_anything(text, other, size, share):
    """Through reading, splitting and closing the vocabulary, each part keeps its text."""
    first, second = f"go go go go {text}", f"{other} go"
    corpus = text_corpus([("a", first), ("b", second)], symbols="words")
    assert corpus.text() == first + second
    training, held = split(corpus, share, 1)
    closed, held_closed = close_vocabulary(training, held, size)
    assert (closed.text(), held_closed.text()) == (training.text(), held.text())
    assert closed.text() + held_closed.text() == first + second
    assert len(closed.alphabet) <= size + 1
    assert closed.n_characters == len(closed.text())
    codes, spelled = closed.alphabet.encode(other)
    assert "".join(closed.alphabet.texts(codes, spelled)) == other
    assert closed.alphabet.lengths(codes, spelled).sum() == len(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The goat's lamp.", ["The", " goat", "'s", " lamp", "."]),
        ("a  b\n c", ["a", " ", " b", "\n", " c"]),
        ("in 1984, they'll", [" in"[1:], " 1984", ",", " they", "'ll"]),
        ("snake_case -- ok", ["snake", "_", "case", " --", " ok"]),
        ("end \n\n", ["end", " \n\n"]),
    ],
)
def test_tokens_are_those_of_the_published_expression(text, expected):
    assert list(tokens(text)) == expected
    assert f"\n{TOKEN.pattern}\n" in PAGE.read_text(encoding="utf-8")


def test_the_vocabulary_is_that_of_the_training_part():
    text = "the goat and the lamp and the goat, " * 3 + "the mill the mill the mill"
    corpus = text_corpus([("x", text)], symbols="words")
    training, held = close_vocabulary(*split(corpus, 0.2, 1), 3)
    assert training.alphabet is held.alphabet
    assert training.alphabet.words == (" the", " goat", " and")
    assert " mill" not in {*training.alphabet.words, *training.alphabet.others}
    assert set(held.records[0].spelled) == {" mill", ","}  # one never seen, one beyond the three
    # The first word has no space before it, and is there once.
    assert "the" in training.alphabet.others
    assert training.text() + held.text() == text
    assert len(close_vocabulary(*split(corpus, 0.2, 1), 100)[0].alphabet) == 6


def test_words_seen_once_teach_what_an_unknown_word_is():
    corpus = text_corpus([("x", "a a a b c")], symbols="words")
    training, _ = close_vocabulary(corpus, None, 10)
    assert training.alphabet.words == (" a",)
    assert training.records[0].codes.tolist() == [1, 0, 0, 1, 1]
    assert training.records[0].spelled == ("a", " b", " c")
    with pytest.raises(InputError, match="no word is there twice"):
        close_vocabulary(text_corpus([("x", "a b c")], symbols="words"), None, 10)


def reference(words, word):
    """Bits of a word, by Witten and Bell's formula written out, over the letters of distinct words."""
    letters = sorted(set("".join(words)))
    follows = [defaultdict(Counter) for _ in range(ORDER + 1)]
    for one in words:
        padded = ["^"] * ORDER + [*one, "$"]
        for at in range(ORDER, len(padded)):
            for order in range(ORDER + 1):
                follows[order][tuple(padded[at - order : at])][padded[at]] += 1
    bits = 0.0
    padded = ["^"] * ORDER + [*(letter if letter in letters else "?" for letter in word), "$"]
    for at in range(ORDER, len(padded)):
        p = 1 / (len(letters) + 2)
        for order in range(ORDER + 1):
            seen = follows[order][tuple(padded[at - order : at])]
            if seen:
                p = (seen[padded[at]] + len(seen) * p) / (seen.total() + len(seen))
        bits -= log2(p)
        bits += log2(0x110000) if padded[at] == "?" else 0
    return bits


@pytest.mark.parametrize("word", [" the", " then", "x", " thé", "ettt", " goat", "漢漢"])
def test_spelling_costs_what_its_formula_says(word):
    words = [" the", " goat", " that", "the", " tee", "ox"]
    assert Spelling(words).bits([word, word]) == pytest.approx([reference(words, word)] * 2, abs=1e-9)
    assert len(Spelling(words).bits([])) == 0


def test_all_words_that_can_be_spelled_share_one():
    """Known words are never spelled, so that their share goes to others."""
    vocabulary = Vocabulary(("ab", "a", "ba"), ("abb", "bab"))
    every = ["".join(word) for n in range(11) for word in itertools.product("ab", repeat=n)]
    spelled = [word for word in every if word not in vocabulary]
    assert len(spelled) == len(every) - 3
    total = np.exp2(-vocabulary.spelled_bits(spelled)).sum()
    without = np.exp2(-vocabulary.spelling.bits(spelled)).sum()
    assert without < 0.75
    # What is left is for words of more than ten letters, and of letters never seen.
    assert 0.85 < total <= 1


def test_spelled_words_follow_the_letters():
    spelling = Spelling([" goat", " gate", " gait", " late"])
    random = np.random.default_rng(1)
    drawn = Counter(spelling.draw(Sampling(), random) for _ in range(120))
    assert drawn[" goat"] == pytest.approx(120 * 2 ** -spelling.bits([" goat"])[0], abs=14)
    assert all(set(word) <= set(" goatile") and word for word in drawn)
    assert all(spelling.draw(Sampling(), random, " g").startswith(" g") for _ in range(5))
    likeliest = spelling.draw(Sampling(temperature=0), random)
    assert likeliest == spelling.draw(Sampling(temperature=0), random)
    assert drawn[likeliest] > 4


def test_scores_are_the_network_s_and_the_spelling_s():
    model, text = toy(alphabet=VOCABULARY), "The goat and the ladle,\nthe lamp"
    words = list(tokens(text))
    stepper, expected = Stepper(model.bundle), []
    y = stepper.step(np.array([len(VOCABULARY)], np.int32))[0]
    for word in words:
        code = VOCABULARY.words.index(word) if word in VOCABULARY else len(VOCABULARY.words)
        spelled = 0 if word in VOCABULARY else VOCABULARY.spelled_bits([word])[0]
        expected.append(spelled - np.log2(y[code]))
        y = stepper.step(np.array([code], np.int32))[0]
    score = model.score(text_corpus([("x", text)], VOCABULARY))
    assert score.records[0].bits == pytest.approx(expected, abs=1e-4)
    assert model.bits(text) == pytest.approx(expected, abs=1e-4)
    total = score.total
    assert (total.symbols, total.characters, total.unknown) == (9, len(text), 2)  # " ladle", "the"
    assert total.bits_per_character == pytest.approx(sum(expected) / len(text))
    frame = score.frame()
    assert frame["symbol"].tolist() == words
    assert [text[at : at + len(word)] for at, word in zip(frame["position"], words, strict=True)] == words


def test_a_network_of_words_adapts():
    model, text = toy(alphabet=VOCABULARY), "The goat and the lamp, and the lamp.\n" * 20
    corpus = text_corpus([("x", text)], VOCABULARY)
    plain, adapted = model.score(corpus), model.score(corpus, adapt=True)
    assert adapted.bits_per_symbol < plain.bits_per_symbol - 0.05
    assert adapted.total.characters == len(text)


def test_windows_of_words():
    model = toy(alphabet=VOCABULARY, mode="window", window=4)
    bits = model.bits("The goat and the lamp, the ladle.")
    assert np.isnan(bits[:4]).all()
    assert not np.isnan(bits[4:]).any()
    assert model.sample("", 5) == model.sample("The goat and the lamp.", 5)  # its text's opening


def test_the_likeliest_words_are_those_of_the_network():
    model = toy(alphabet=VOCABULARY)
    stepper = Stepper(model.bundle)
    codes, expected = [len(VOCABULARY), *VOCABULARY.encode("The goat")[0].tolist()], []
    for _ in range(6):
        for code in codes:
            y = stepper.step(np.array([code], np.int32))[0]
        codes = [int(y.argmax())]
        word = VOCABULARY[codes[0]]
        if codes[0] == VOCABULARY.unknown:
            word = VOCABULARY.spelling.draw(Sampling(temperature=0), np.random.default_rng(1))
        expected.append(word)
    assert model.sample("The goat", 6, temperature=0) == "".join(expected)


def test_the_same_seed_gives_the_same_words():
    model = toy(alphabet=VOCABULARY)
    found = [*model.symbols_stream("The goat", 120, seed=4)]
    assert found[:30] == [*model.symbols_stream("The goat", 30, seed=4)]
    assert found[:30] != [*model.symbols_stream("The goat", 30, seed=5)]
    # Some are new, and none of those is one that has a code.
    assert {word for word in found if word not in VOCABULARY}
    assert len({word for word in found if word in VOCABULARY}) == len(VOCABULARY.words)


def test_a_space_at_the_end_of_a_prompt_belongs_to_the_next_word():
    model = toy(alphabet=VOCABULARY)
    for seed in range(12):
        word = model.sample("The goat ", 1, seed=seed)
        assert not word[:1].isspace()
        assert f" {word}" in VOCABULARY or f" {word}" not in {"The", ",", "."}
    # Two spaces are white space of their own.
    assert model.encode("The goat  ").tolist() == [3, 1, 8]
    firsts = {model.sample("The goat", 1, seed=seed) for seed in range(25)}
    assert {word[:1] for word in firsts} > {" "}


def test_an_ending_ends_with_the_sentence():
    model = toy(alphabet=VOCABULARY)
    for seed in range(3):
        found = [*model.symbols_stream("The goat", 1000, seed=seed, sentence=True)]
        assert found[-1][-1] in ".!?"
        assert not any(set(".!?") & set(word) for word in found[:-1])
        assert found == [*model.symbols_stream("The goat", len(found), seed=seed)]
    assert toy().sample("ab", 9, sentence=True) == toy().sample("ab", 9)  # there is no full stop in its alphabet
    with pytest.raises(SettingError, match="no sentences"):
        toy(alphabet="ACGT", symbols="dna").sample("AC", 9, sentence=True)


def test_the_gates_of_a_model_of_words():
    text = "The goat and the ladle."
    found = sequence_gates(toy(alphabet=VOCABULARY).bundle, text)
    assert found.symbols == ("The", " goat", " and", " the", " ladle", ".")
    assert found.starts.tolist() == [0, 3, 8, 12, 16, 22]
    assert found.ends.tolist() == [3, 8, 12, 16, 22, 23]
    shown = sequence_gates(toy(alphabet=VOCABULARY).bundle, text, shown=slice(8, 16))
    assert shown.symbols == (" and", " the")


def test_baselines_of_words_are_comparable_by_character():
    text = "the lamp on the hill, the goat at the gate\n" * 30 + "the ladle on the gate\n"
    corpus = text_corpus([("x", text)], symbols="words")
    training, held = close_vocabulary(*split(corpus, 0.1, 1), 100)
    found = {one.name: one for one in baselines(training, held, 2)}
    order = found["order-2 Markov, witten-bell"]
    assert order.bits_per_character == pytest.approx(order.bits_per_symbol * held.n_symbols / len(held.text()))
    # The unknown word alone costs this much.
    assert order.bits_per_symbol > training.alphabet.spelled_bits([" ladle"])[0] / held.n_symbols
    assert order.bits_per_symbol < found["order-0 Markov, witten-bell"].bits_per_symbol / 2
    assert found["xz -9e"].bits_per_character > found["xz -9e, primed"].bits_per_character


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("text score --model words.genolstm t.txt --mix", 1, "this is a model of words; train one without"),
        ("text score --model words.genolstm t.txt --skip-unknown", 1, "leaves no word out"),
        ("text score --model words.genolstm t.txt --bedgraph x.bg", 1, "a track needs a model of DNA"),
        ("text score --model words.genolstm x.fa --format fasta", 1, "the model reads text, the data are fasta"),
        ("text generate --model words.genolstm -p the --skip-unknown", 1, "leaves no word out"),
        ("text generate --model dna.genolstm --sentence", 1, "DNA has no sentences"),
        ("text train x.fa -o m.genolstm --tokens words", 1, "x.fa is FASTA, which has no words; leave --tokens words"),
        ("text train t.txt -o m.genolstm --tokens words", 1, "no word is there twice"),
        ("text train t.txt -o m.genolstm --vocabulary 9", 2, "--vocabulary goes with --tokens words"),
        ("text train t.txt -o m.genolstm --tokens words --preset tutorial", 1, "give --embedding 48"),
        ("text baseline x.fa --tokens words", 1, "x.fa is FASTA, which has no words"),
        ("text baseline t.txt --vocabulary 9", 2, "--vocabulary goes with --tokens words"),
    ],
)
def test_what_makes_no_sense_for_words_is_refused(line, code, message, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dna.genolstm").write_bytes(toy_bytes("ACGT", "dna"))
    (tmp_path / "x.fa").write_text(">a\nACGTACGT\n")
    (tmp_path / "t.txt").write_text(" ".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)) + "\n")
    assert call(*line.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    if code == 1:
        assert err.count("\n") == 1


def test_corpora_of_other_symbols_are_refused():
    words, characters = (text_corpus([("x", "a b a b " * 99)], symbols=name) for name in ("words", "characters"))
    with pytest.raises(ModelError, match="different words"):
        toy(alphabet=VOCABULARY).score(words)
    with pytest.raises(ModelError, match="reads words, the data are characters"):
        toy(alphabet=VOCABULARY).score(characters)
    with pytest.raises(ModelError, match="reads characters, the data are words"):
        toy().score(words)
    with pytest.raises(SettingError, match="is one of characters, the settings say words"):
        prepare(characters, TextSettings(tokens="words"))
    with pytest.raises(SettingError, match="is one of words, the settings say characters"):
        prepare(words, TextSettings())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": "syllables"}, "'tokens'"),
        ({"symbols": "dna"}, "DNA has no words"),
        ({"vocabulary": {"words": [], "others": []}}, "there are none"),
        ({"vocabulary": {"words": [" a"] * 8, "others": []}}, "one is there twice"),
        ({"vocabulary": {"words": ["x" * 41], "others": []}}, "longer than 40"),
        ({"vocabulary": {"words": [" a", " b"], "others": []}}, "do not fit"),
        ({"vocabulary": {"words": [" a", 3], "others": []}}, "'vocabulary.words'"),
    ],
)
def test_a_model_that_misstates_its_words_is_refused(change, message):
    with pytest.raises(ModelError, match=message):
        toy(alphabet=VOCABULARY, **change)


def test_score_and_gates_print_words(model, tmp_path, capsys):
    text, positions = tmp_path / "t.txt", tmp_path / "p.tsv"
    text.write_text("The goat and the\tladle\n")
    assert call("text", "score", "--model", model, text, "--positions", positions) == 0
    header, row = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert header[5:] == ["characters", "bits_per_character", "unknown_share"]
    found = dict(zip(header, row, strict=True))
    assert (found["symbols"], found["characters"], found["unknown_share"]) == ("7", "23", "0.2857")
    rows = [line.split("\t") for line in positions.read_text().splitlines()[1:]]
    assert [row[2] for row in rows] == ["The", " goat", " and", " the", "\\t", "ladle", "\\n"]
    assert [row[1] for row in rows] == ["0", "3", "8", "12", "16", "17", "22"]
    assert call("text", "score", "--model", model, text, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bits"] == pytest.approx(sum(float(row[3]) for row in rows), abs=1e-3)
    assert told["bits_per_character"] == pytest.approx(told["bits"] / 23, abs=1e-4)
    assert call("model", "gates", "--model", model, text, "-o", tmp_path / "g.tsv", "-q") == 0
    assert "\t goat\t" in (tmp_path / "g.tsv").read_text()
    assert call("model", "info", model) == 0
    assert "tokens\twords" in capsys.readouterr().out


class TestTooSmall:
    def test_the_rhyme_is(self):
        for settings in (TextSettings(), TextSettings(tokens="words"), TUTORIAL):
            training, _, resolved = prepare(read_corpus([RHYME], symbols=settings.tokens), settings)
            told = too_small(training, resolved.network(len(training.alphabet)))
            assert "teach it spelling, and no sense" in told
            assert told.startswith(f"{training.text().count(chr(10))} lines, {len(training.text()):,} characters")

    def test_it_is_the_size_that_counts(self):
        text = "the lamp on the hill, the goat at the gate\n"
        settings = TextSettings(units=4, embedding=4, validation=0)
        weights = 4 * 4 * (4 + 4 + 1)
        for symbols, tokens_ in (("characters", "characters"), ("words", "words")):
            config = settings.network(50)
            for lines, small in ((weights // len(text), True), (weights // len(text) + 1, False)):
                corpus = text_corpus([("x", text * lines)], symbols=symbols)
                assert (too_small(corpus, config) is not None) == small, tokens_


@pytest.mark.xdist_group("tensorflow")
def test_train_end_and_score(tmp_path, capsys):
    """The whole way: a warning beforehand, a model, the ending of a sentence, bits per word and character."""
    pytest.importorskip("tensorflow")
    target = tmp_path / "m.genolstm"
    args = ("text", "train", RHYME, "-o", target, "--tokens", "words", "--vocabulary", 40)
    assert call(*args, "--units", 16, "--embedding", 16, "--steps", 10, "--epochs", 2, "-q") == 0
    out, err = capsys.readouterr()
    assert err.startswith("warning: 30 lines, ")
    assert err.count("\n") == 1
    lines = out.splitlines()
    assert lines[0].split("\t") == ["Embedding", "(None, None, 16)", str(16 * 42)]
    assert "held-out bits per word" in lines[-1]
    corpus = text_corpus([("x", RHYME.read_text())], symbols="words")
    _, held = close_vocabulary(*split(corpus, 0.1, 1), 40)
    told = f"({held.n_symbols} words, {100 * len(held.records[0].spelled) / held.n_symbols:.1f} % of them unknown"
    assert told in lines[-1]
    assert call("text", "generate", "--model", target, "-p", "There's a lamp", "--sentence", "--echo") == 0
    ending = capsys.readouterr().out
    assert ending.startswith("There's a lamp")
    assert set(".!?") & set(list(tokens(ending))[-1]) or len(list(tokens(ending))) > 1000
    assert call("text", "score", "--model", target, RHYME) == 0
    row = capsys.readouterr().out.splitlines()[1].split("\t")
    assert int(row[5]) == len(RHYME.read_text())
    assert call("model", "card", target) == 0
    card = capsys.readouterr().out
    assert "spells all others" in card
    assert "teach it spelling, and no sense" in card
