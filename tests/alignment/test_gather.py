"""Joining alignments that were made in parts."""

from __future__ import annotations

import pytest
from support import EXAMPLE

from genolstm.errors import InputError, OutputError, SettingError
from genolstm.runs.align import run as score
from genolstm.runs.align_gather import run
from genolstm.runs.align_search import run as search

FORMS = ("paf", "sam", "outfmt6", "tsv")


@pytest.fixture(scope="module")
def reads(tmp_path_factory):
    """The example's reads, in one file and in parts of two, one and one."""
    folder = tmp_path_factory.mktemp("reads")
    records = (EXAMPLE / "reads.fa").read_text().split(">")[1:]
    paths = [folder / f"{number}.fa" for number in range(4)]
    for path, own in zip(paths, (records, records[:2], records[2:3], records[3:]), strict=True):
        path.write_text("".join(f">{record}" for record in own))
    return paths


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("align", [score, search])
def test_parts_give_what_the_whole_file_gives(align, form, reads, tmp_path):
    outputs = [tmp_path / f"{number}.{form}" for number in range(4)]
    for path, output in zip(reads, outputs, strict=True):
        align(path, EXAMPLE / "reference.fa", output, form=form, command=f"genolstm {path.name}", threads=1)
    count = run(outputs[1:], tmp_path / "all", form=form)
    lines = (tmp_path / "all").read_text().splitlines(keepends=True)
    whole = outputs[0].read_text().splitlines(keepends=True)
    if form == "sam":
        programs = [line for line in lines if line.startswith("@PG")]
        assert [line.split("\t")[1] for line in programs] == ["ID:genolstm", "ID:genolstm.2", "ID:genolstm.3"]
        assert [line.rstrip().rpartition("\t")[2] for line in programs] == [f"CL:genolstm {n}.fa" for n in (1, 2, 3)]
        lines, whole = ([line for line in text if not line.startswith("@PG")] for text in (lines, whole))
    assert lines == whole
    heads = {"sam": sum(line.startswith("@") for line in lines), "tsv": 1}
    assert count == len(lines) - heads.get(form, 0) > 3


PAF = "{}\t9\t0\t9\t+\tr\t9\t0\t9\t9\t9\t60\n"
SAM = "@HD\tVN:1.6\n@SQ\tSN:{}\tLN:9\n@PG\tID:genolstm\n"


def write(folder, *texts):
    paths = [folder / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


@pytest.mark.parametrize(
    ("form", "texts", "said"),
    [
        ("paf", (PAF.format("a"), PAF.format("b") + PAF.format("a")), r"1\.txt:2.*already in \S+0\.txt"),
        ("paf", (PAF.format("a"), "b\t9\n"), r"1\.txt:1: a line of paf has 12 columns or more, this one has 2"),
        ("paf", (PAF.format("a"), PAF.replace("60", "x").format("b")), r"column 12 of paf is a whole number.*'x'"),
        ("outfmt6", (PAF.format("a"),), r"column 5 of outfmt6 is a whole number"),
        ("tsv", ("query\treference\n",), r"0\.txt:1: has not the columns"),
        ("tsv", ("",), "has not the columns"),
        ("sam", (SAM.format("r"), SAM.format("s")), r"1\.txt: has other references"),
        ("sam", (PAF.format("a"),), "has no header of SAM"),
        ("sam", (SAM.format("r") + "@CO\tx\n",), r"0\.txt:4: has a line @CO"),
        ("sam", (SAM.format("r").replace("\tID:genolstm", ""),), "the program has no ID"),
    ],
)
def test_what_does_not_belong_together_is_refused(form, texts, said, tmp_path):
    with pytest.raises(InputError, match=said):
        run(write(tmp_path, *texts), tmp_path / "all", form=form)
    assert not (tmp_path / "all").exists()


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(tmp_path):
    parts = write(tmp_path, PAF.format("a"), "")
    (tmp_path / "all").write_text("mine")
    with pytest.raises(OutputError):
        run(parts, tmp_path / "all")
    assert run(parts, tmp_path / "all", force=True) == 1
    assert (tmp_path / "all").read_text() == PAF.format("a")
    with pytest.raises(SettingError, match="nothing to gather"):
        run([], tmp_path / "none")
    with pytest.raises(SettingError, match="one of paf, sam, outfmt6, tsv"):
        run(parts, tmp_path / "none", form="maf")
    with pytest.raises(InputError, match="read twice"):
        run(["/dev/null"], tmp_path / "none", form="sam")
