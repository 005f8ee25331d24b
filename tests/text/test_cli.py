import json

import numpy as np
import pytest
from support import EXAMPLE, call
from support.text import toy_bytes

RHYME = EXAMPLE / "rhyme.txt"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "toy.genolstm"
    path.write_bytes(toy_bytes())
    return path


@pytest.fixture
def dna(tmp_path):
    path = tmp_path / "dna.genolstm"
    path.write_bytes(toy_bytes("ACGT", "dna"))
    return path


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">chr1 some\nACGTNNNNAC\nGTACGT\n>chr2\nTTTTACGT\n")
    return path


def fails(capsys, code, *args):
    assert call(*args) == code
    out, err = capsys.readouterr()
    assert out == ""
    if code == 1:
        assert err.count("\n") == 1
    return err


def test_generate_prints_the_same_bytes_each_time(model, capsys):
    texts = []
    for _ in range(2):
        assert call("text", "generate", model, "-n", 50, "-p", "abc", "--seed", 4) == 0
        texts.append(capsys.readouterr().out)
    assert len(texts[0]) == 50
    assert texts[0] == texts[1]
    assert call("text", "generate", model, "-n", 50, "-p", "abc", "--seed", 4, "--echo") == 0
    assert capsys.readouterr().out == "abc" + texts[0]


def test_generate_writes_fasta_of_whole_lines(dna, tmp_path, capsys):
    target = tmp_path / "out.fa"
    args = ("text", "generate", dna, "-n", 130, "--samples", 2, "-o", target)
    assert call(*args) == 0
    lines = target.read_text().splitlines()
    assert [len(line) for line in lines] == [15, 60, 60, 10] * 2
    assert lines[0] == ">sample1 seed=1"
    assert lines[1:4] != lines[5:]
    assert set("".join(lines[1:4])) <= set("ACGT")
    assert "already exists" in fails(capsys, 1, *args)


def test_score_prints_totals_and_writes_positions(model, tmp_path, capsys):
    text, positions = tmp_path / "t.txt", tmp_path / "p.tsv"
    text.write_text("abc\néa")
    assert call("text", "score", model, text, "--positions", positions, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    rows = [line.split("\t") for line in positions.read_text().splitlines()]
    assert rows[0] == ["#record", "position", "symbol", "bits"]
    assert [row[2] for row in rows[1:]] == ["a", "b", "c", "\\n", "é", "a"]
    assert found["symbols"] == 6
    assert found["bits"] == pytest.approx(sum(float(row[3]) for row in rows[1:]), abs=1e-3)
    assert call("text", "score", model, text) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("total\t6\t")


def test_score_writes_a_bedgraph_of_known_bases(dna, fasta, tmp_path, capsys):
    target = tmp_path / "s.bedgraph"
    assert call("text", "score", dna, fasta, "--bedgraph", target, "--by-record") == 0
    totals = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in totals[1:]] == [["chr1", "12"], ["chr2", "8"], ["total", "20"]]
    lines = target.read_text().splitlines()
    assert lines[0].startswith("track type=bedGraph")
    covered, bits = np.zeros(16, int), 0.0
    for line in lines[1:]:
        chrom, start, end, value = line.split("\t")
        if chrom == "chr1":
            covered[int(start) : int(end)] += 1
            bits += (int(end) - int(start)) * float(value)
    assert covered.tolist() == [1] * 4 + [0] * 4 + [1] * 8
    assert bits == pytest.approx(float(totals[1][2]), abs=0.1)


def test_data_on_stdout_are_alone_there(dna, fasta, capsys):
    assert call("text", "score", dna, fasta, "--bedgraph", "-", "--bin", 8) == 0
    out, err = capsys.readouterr()
    assert [line.split("\t")[:3] for line in out.splitlines()[1:]] == [
        ["chr1", "0", "8"],
        ["chr1", "8", "16"],
        ["chr2", "0", "8"],
    ]
    assert "total\t20" in err


def test_baseline_prints_every_order(tmp_path, capsys):
    text = tmp_path / "t.txt"
    text.write_text("the lamp on the hill, the goat at the gate\n" * 30)
    assert call("text", "baseline", text, "--max-order", 3, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["order-3 Markov, witten-bell"] < found["order-0 Markov, witten-bell"] / 4
    assert found["xz -9e, primed"] < found["xz -9e"]


def test_spectrum_compares_k_mers(fasta, capsys):
    assert call("text", "spectrum", fasta, fasta, "-k", 2) == 0
    row = capsys.readouterr().out.splitlines()[1].split("\t")
    assert row[:3] == ["2", "0.0000", "1.0000"]


def test_no_header_is_printed_before_an_error(fasta, capsys):
    assert call("text", "spectrum", fasta, "missing.fa") == 1
    assert capsys.readouterr().out == ""


def test_a_held_out_text_with_unknown_symbols(tmp_path, capsys):
    training, held_out = tmp_path / "t.txt", tmp_path / "h.txt"
    training.write_text("the goat at the gate\n" * 20)
    held_out.write_text("the Goat")
    args = ("text", "train", training, "-o", tmp_path / "x.genolstm", "--held-out", held_out)
    message = fails(capsys, 1, *args)
    assert "h.txt: the model never saw 'G'; the training text must hold" in message


def test_a_prompt_with_unknown_symbols(model, tmp_path, capsys):
    target = tmp_path / "out.txt"
    args = ("text", "generate", model, "-p", "abX", "-o", target)
    assert "never saw 'X'" in fails(capsys, 1, *args)
    assert not target.exists()
    assert call(*args, "--skip-unknown") == 0
    assert len(target.read_text()) == 1000


def test_a_text_with_unknown_symbols(model, tmp_path, capsys):
    text = tmp_path / "t.txt"
    text.write_text("abZ")
    assert f"{text}: the model never saw 'Z'" in fails(capsys, 1, "text", "score", model, text)
    assert call("text", "score", model, text, "--skip-unknown") == 0


@pytest.mark.parametrize(
    "option",
    [
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--temperature", "inf"),
        ("--top-p", "0"),
        ("--top-p", "1.5"),
        ("--top-p", "nan"),
        ("--top-k", "-1"),
    ],
)
def test_values_out_of_range_are_usage_errors(model, capsys, option):
    assert option[0] in fails(capsys, 2, "text", "generate", model, *option)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab" * 20, "40 symbols are too few: windows of 64 need at least 73"),
        (b"a" * 500, "holds nothing but 'a': there is nothing to learn"),
        (b"the goat \xff" * 100, "is not UTF-8: byte 0xff at offset 9"),
        (b"", "is empty"),
    ],
)
def test_texts_that_nothing_can_be_learnt_from(tmp_path, capsys, content, message):
    text, target = tmp_path / "t.txt", tmp_path / "m.genolstm"
    text.write_bytes(content)
    assert message in fails(capsys, 1, "text", "train", text, "-o", target)
    assert sorted(tmp_path.iterdir()) == [text]


def test_the_tutorial_needs_a_window_and_a_symbol(tmp_path, capsys):
    text, target = tmp_path / "t.txt", tmp_path / "m.genolstm"
    text.write_text("ab" * 50)
    err = fails(capsys, 1, "text", "train", text, "-o", target, "--preset", "tutorial")
    assert "windows of 100 need at least 101" in err


def test_inputs_that_are_not_there_or_not_dna(tmp_path, dna, model, fasta, capsys):
    target = tmp_path / "m.genolstm"
    assert "no such file" in fails(capsys, 1, "text", "train", tmp_path / "no", "-o", target)
    assert "no such model bundle" in fails(capsys, 1, "text", "generate", tmp_path / "no")
    protein = tmp_path / "p.fa"
    protein.write_text(">p\nMKVLEEFF\n")
    assert "protein" in fails(capsys, 1, "text", "train", protein, "-o", target)
    assert "a model of DNA" in fails(capsys, 1, "text", "score", model, fasta, "--bedgraph", tmp_path / "b")
    assert "--bin goes with" in fails(capsys, 2, "text", "score", dna, fasta, "--bin", 3)
    assert not target.exists()


@pytest.mark.xdist_group("tensorflow")
def test_train_generate_score(tmp_path, capsys):
    """The whole way, with a network small enough for a test."""
    pytest.importorskip("tensorflow")
    target = tmp_path / "m.genolstm"
    args = (
        "text",
        "train",
        RHYME,
        "-o",
        target,
        "--units",
        8,
        "--steps",
        20,
        "--epochs",
        2,
        "--log",
        tmp_path / "log.csv",
        "-q",
    )
    assert call(*args) == 0
    out, err = capsys.readouterr()
    # Nothing but what it says of so small a text.
    assert err.startswith("warning: 31 lines, 1,314 characters to learn from are fewer than the 1,824 weights")
    assert err.count("\n") == 1
    lines = out.splitlines()
    assert lines[0].split("\t") == ["Embedding", "(None, None, 48)", "1872"]
    assert "held-out bits per symbol" in lines[-1]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    assert call("text", "generate", target, "-p", "The ", "-n", 30) == 0
    assert len(capsys.readouterr().out) == 30
    assert "already exists" in fails(capsys, 1, *args)


@pytest.mark.xdist_group("tensorflow")
def test_the_tutorial_prints_its_network(tmp_path, capsys):
    pytest.importorskip("tensorflow")
    target = tmp_path / "m.genolstm"
    text = tmp_path / "t.txt"
    text.write_text(RHYME.read_text(encoding="utf-8")[:150])
    # One epoch over a few windows: the published four take minutes on the rhyme.
    assert call("text", "train", text, "-o", target, "--preset", "tutorial", "--epochs", 1, "-q") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[:7]] == ["LSTM", "Dropout"] * 3 + ["Dense"]
    assert [line[1] for line in lines[:6:2]] == ["(None, 100, 256)", "(None, 100, 256)", "(None, 128)"]
    assert [line[2] for line in lines[:6:2]] == ["264192", "525312", "197120"]
    assert call("text", "generate", target, "-n", 15) == 0
    assert len(capsys.readouterr().out) == 15
