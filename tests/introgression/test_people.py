"""Whom a name means: samples, populations, lists and tables, however they are written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.introgression import vcf_text

from genolstm.errors import InputError
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.variants.people import Populations, chosen_samples, read_populations

SAMPLES = ["CEU0", "CEU1", "YRI 1", "YRI", "a,b", "#x", "HG1"]


def chosen(named: object, populations: Populations | None = None, samples=SAMPLES, role: str = "target") -> list[str]:
    return chosen_samples(named, samples, populations, role=role, path="x.vcf")  # type: ignore[arg-type]


def listed(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CEU0", ["CEU0"]),
        (" HG1,, CEU0,", ["HG1", "CEU0"]),
        # A name with a comma is itself first, and a part of a list of its own only in a file.
        ("a,b", ["a,b"]),
        ("YRI 1,YRI", ["YRI 1", "YRI"]),
    ],
)
def test_names_in_the_option(text: str, expected: list[str]) -> None:
    assert chosen(text) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"CEU0\nCEU1\n", ["CEU0", "CEU1"]),
        (b"# chosen\n\nCEU1\r\n  CEU0  \n", ["CEU1", "CEU0"]),
        (b"\xef\xbb\xbfCEU0\rCEU1\r", ["CEU0", "CEU1"]),
        # The whole line first, then its first column, then its words.
        (b"YRI 1\n", ["YRI 1"]),
        (b"a,b\n", ["a,b"]),
        (b"YRI 1\tYRI\tAFR\n".replace(b"YRI\t", b"pop\t"), ["YRI 1"]),
        (b"CEU0\tCEU\tEUR\tmale\n", ["CEU0"]),
        (b"CEU0 CEU EUR male\n", ["CEU0"]),
        (b"CEU0 CEU1 HG1\n", ["CEU0", "CEU1", "HG1"]),
        (b"CEU0\tCEU1\n", ["CEU0", "CEU1"]),
        (b"HG1 HG1\n", ["HG1"]),
        # A sign of a comment is a name if somebody is called so.
        (b"#x\n#y\n", ["#x"]),
    ],
)
def test_names_in_a_file(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    assert chosen(listed(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no sample"),
        (b"#y\n\n", "names no sample"),
        (b"CEU0\nCEU1\nCEU0\n", "names the sample CEU0 twice"),
        (b"CEU0\nCEU 1\nHG2\n", "has no sample CEU 1, HG2 (2 of 3 named samples are missing; the first is in line 2"),
        (b"CEU0 CEU1 HG2\n", "names CEU0 and more, but HG2 is no sample; write one name a line"),
        (b"ceu0\n", "there is 'CEU0'"),
        (b"x\n\xff\xfe\n", "is not text"),
    ],
)
def test_lists_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as error:
        chosen(listed(tmp_path, content))
    assert message in str(error.value)


def test_names_that_are_wrong() -> None:
    for text, message in (
        ("", "--target names no sample"),
        (" , ", "--target names no sample"),
        ("CEU0,CEU0", "names the sample CEU0 twice"),
        ("CEU0,HG9", "x.vcf: has no sample HG9 (1 of 2 named samples are missing)"),
        ("none.txt", "none.txt: No such file or directory; samples are named, or listed in a file"),
        ("lists/none", "lists/none: No such file or directory; samples are named, or listed in a file"),
        ("HG1.2", "x.vcf: has no sample HG1.2 (1 of 1 named samples are missing)"),
    ):
        with pytest.raises(InputError) as error:
            chosen(text)
        assert str(error.value) == message


def test_a_file_and_a_sample_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("CEU0").write_text("CEU1\n")
    with pytest.raises(InputError, match=r"CEU0 is a file and a sample; write \./CEU0 if you mean the file"):
        chosen("CEU0")
    assert chosen("./CEU0") == ["CEU1"]
    Path("HG1").mkdir()
    assert chosen("HG1") == ["HG1"]


def test_a_list_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_text("HG1\nCEU0\n"), daemon=True).start()
    assert chosen(pipe) == ["HG1", "CEU0"]


# ---------------------------------------------------------------- populations


def table(tmp_path: Path, text: str) -> Populations:
    path = tmp_path / "people.tsv"
    path.write_text(text)
    return read_populations(path)


@pytest.mark.parametrize(
    "text",
    [
        "sample\tpop\tsuper_pop\tgender\t\t\nCEU0\tCEU\tEUR\tmale\nCEU1\tCEU\tEUR\nHG1\tFIN\tEUR\n",
        "sample pop super_pop gender\nCEU0 CEU EUR male\nCEU1 CEU EUR f\nHG1 FIN EUR f\n",
        "##made by hand\n#IID\tSEX\tSuperPop\tPopulation\nCEU0\t1\tEUR\tCEU\nCEU1\t2\tEUR\tCEU\nHG1\t1\tEUR\tFIN\n",
        "Sample name\tPopulation code\tSuperpopulation code\nCEU0\tCEU\tEUR\nCEU1\tCEU\tEUR\n\nHG1\tFIN\tEUR\n",
    ],
)
def test_tables_of_populations(tmp_path: Path, text: str) -> None:
    people = table(tmp_path, text)
    assert people.members == {"CEU": ["CEU0", "CEU1"], "EUR": ["CEU0", "CEU1", "HG1"], "FIN": ["HG1"]}
    assert chosen("FIN,CEU", people) == ["HG1", "CEU0", "CEU1"]
    assert chosen("EUR", people, ["HG1", "CEU1"]) == ["CEU1", "HG1"]
    assert chosen("CEU0,FIN", people) == ["CEU0", "HG1"]
    assert chosen(["FIN"], people) == ["HG1"]
    assert chosen(listed(tmp_path, b"FIN\nCEU\n"), people) == ["HG1", "CEU0", "CEU1"]


def test_populations_that_are_wrong(tmp_path: Path) -> None:
    people = table(tmp_path, "sample\tpop\tsuper_pop\nCEU0\tCEU\tEUR\nCEU1\tCEU\tEUR\nB\tHG1\tHG1\nC\tGBR\tEUR\n")
    for named, message in (
        ("CEU,CEU0", "names the sample CEU0 by CEU and by CEU0"),
        ("CEU,EUR", "names the sample CEU0 by CEU and by EUR"),
        ("HG1", f"HG1 is a sample and a population of {tmp_path}/people.tsv"),
        ("GBR", f"{tmp_path}/people.tsv: none of the 1 samples of GBR is among those of the target"),
        ("TSI", "x.vcf: has no sample or population TSI (1 of 1 named samples are missing)"),
    ):
        with pytest.raises(InputError) as error:
            chosen(named, people)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tpop\nx\ty\n", ":1: has no column 'sample'; its columns are name, pop; the first line must name the"),
        ("sample\tsex\nx\ty\n", ":1: has no column 'pop', 'population' or 'super_pop'; its columns are sample, sex"),
        ("CEU0\tCEU\tEUR\n", ":1: has no column 'sample'; its columns are CEU0, CEU, EUR"),
        ("sample\tpop\nx\n", ":2: the sample x has no population"),
        ("sample\tpop\nx\ty\nz\tq\nx\ty\n", ":4: the sample x stands in line 2 too"),
        ("sample\tpop\n\ty\n", ":2: names no sample"),
        ("sample\tpop\n", ": names no sample"),
        ("", ": names no sample"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        table(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/people.tsv{message}")


# ---------------------------------------------------------------- in the door


def test_who_is_looked_for_in_which_files(tmp_path: Path) -> None:
    calls = [("1", 5, "A", "C", ["0|1"] * 2), ("1", 9, "A", "C", ["1|1"] * 2)]
    paths = {name: tmp_path / f"{name}.vcf" for name in ("modern", "african", "archaic")}
    for name, samples in (("modern", ["m1", "m2"]), ("african", ["f1", "f2"]), ("archaic", ["a1", "a2"])):
        paths[name].write_text(vcf_text(samples, calls))
    people = tmp_path / "people.tsv"
    people.write_text("sample\tpop\nm1\tEUR\nm2\tAFR\nf1\tAFR\nf2\tYRI\n")

    def roles(**changes: object) -> tuple[list[str], list[str], list[str]]:
        door = {"vcf": paths["modern"], "target": "m1", "archaic_vcf": paths["archaic"], "samples": people}
        reader = VcfDoor(**{**door, **changes}).reader  # type: ignore[arg-type]
        return list(reader.target), list(reader.outgroup), list(reader.archaic)

    # Without a file of their own, the outgroup is among the targets' samples; all of the archaic's are meant.
    assert roles(outgroup="AFR") == (["m1"], ["m2"], ["a1", "a2"])
    assert roles(outgroup="AFR", outgroup_vcf=paths["african"]) == (["m1"], ["f1"], ["a1", "a2"])
    assert roles(outgroup_vcf=paths["african"], archaic="a2") == (["m1"], ["f1", "f2"], ["a2"])
    with pytest.raises(InputError, match="names no sample"):
        roles(outgroup_vcf=paths["african"], archaic="")
    with pytest.raises(InputError, match=r"african\.vcf: has no sample or population m2"):
        roles(outgroup="m2", outgroup_vcf=paths["african"])


def test_the_inputs_of_a_door_are_named(tmp_path: Path) -> None:
    names = tmp_path / "t.txt"
    names.write_text("x\n")
    door = VcfDoor(["a", "b"], names, "o1,o2", archaic_vcf="n", samples="s", archaic_callable=["c"], regions="r")
    assert door.inputs() == {
        "vcf 1": "a",
        "vcf 2": "b",
        "archaic vcf": "n",
        "target": names,
        "samples": "s",
        "regions": "r",
        "archaic callable": "c",
    }
