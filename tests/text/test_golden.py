"""The outputs of `text score`, byte for byte as they were before."""

import json

import pytest
from support import DATA
from support.text import toy_bytes

from genolstm.cli import cli

GOLDEN = DATA / "text"


@pytest.fixture
def score(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.genolstm").write_bytes(toy_bytes())
    (tmp_path / "dna.genolstm").write_bytes(toy_bytes("ACGT", "dna"))
    (tmp_path / "t.txt").write_text("abc\néa dead cab\n", encoding="utf-8")
    (tmp_path / "u.txt").write_text("bad éé", encoding="utf-8")
    (tmp_path / "x.fa").write_text(">chr1 some\nACGTNNNNAC\nGTACGT\n>chr2\nTTTTACGT\n")

    def run(line):
        cli(["text", "score", *line.split()], standalone_mode=False)
        return capsys.readouterr().out

    return run


def golden(name):
    return (GOLDEN / name).read_text(encoding="utf-8")


def test_table_and_positions(score, tmp_path):
    table = score("--model text.genolstm t.txt u.txt --by-record --positions p.tsv")
    assert table == golden("score.tsv")
    assert (tmp_path / "p.tsv").read_text(encoding="utf-8") == golden("positions.tsv")


def test_json(score):
    found, expected = score("--model text.genolstm t.txt u.txt --by-record --json"), golden("score.json")
    # Six digits are more than float32 keeps on every processor.
    names, numbers = [], []
    for text in (found, expected):
        content = json.loads(text)
        rows = [content, *content.pop("records")]
        names.append([[*row] for row in rows])
        numbers.append([value for row in rows for value in row.values() if not isinstance(value, str)])
    assert names[0] == names[1]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6)
    assert len(found) == pytest.approx(len(expected), abs=8)
    assert found.count("\n") == 1


def test_bedgraph(score, tmp_path):
    assert score("--model dna.genolstm x.fa --bedgraph s.bedgraph --bin 3") == golden("score_dna.tsv")
    assert (tmp_path / "s.bedgraph").read_text() == golden("score.bedgraph")
