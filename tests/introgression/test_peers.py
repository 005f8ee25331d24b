"""Readers of other programs' segments: detection, coordinates, samples, and what is refused."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from genolstm.errors import InputError, SettingError
from genolstm.introgression.peers import Calls, Level, Reading, detect, joined, read_calls, read_lengths, respelled
from genolstm.introgression.segments import Interval

DATA = Path(__file__).parents[1] / "data" / "peers"

# As the README of IBDmix describes them: half-open, from site to site of the VCF, so 1-based.
IBDMIX = """\
ID\tchrom\tstart\tend\tslod
NA1\t21\t101\t201\t4.5
NA2\t21\t1001\t1501\t3.25
"""
# Its summary.sh adds columns, and writes these names if the input had no header.
IBDMIX_SUMMARY = "ID\tchr\tstart\tend\tLOD\tlength\tpop\tanc\nNA1\t21\t101\t201\t4.5\t100\tCEU\tEUR\n"
# The eight columns that the README of Sprime names.
SPRIME = """\
CHROM\tPOS\tID\tREF\tALT\tSEGMENT\tALLELE\tSCORE
21\t150\t.\tA\tG\t0\t1\t170000
21\t101\trs1\tC\tT\t0\t1\t170000
21\t900\t.\tA\tT\t1\t1\t150000
21\t950\t.\tA\tT\t1\t0\t150000
22\t300\t.\tG\tC\t2\t1\t250000
"""
# The example of the README of admixfrog, and a second state.
ADMIXFROG = """\
chrom,start,end,score,target,type,map,pos,id,map_end,pos_end,id_end,len,map_len,pos_len,nscore
9,154,156,0.145364,AFKARC,het,15600000.000000,15600000,154,15800000.000000,15800000,156,2,200000.000000,200000,0.072682
9,1216,1404,28.729700,AFK,state,121800000.000000,121800000,1216,140600000.000000,140600000,1404,188,18800000,18800000,0.15
9,1187,1193,0.223771,ARC,state,118900000.000000,118900000,1187,119500000.000000,119500000,1193,6,600000,600000,0.037295
9,250,251,0.5,ARC,homo,25200000.000000,25200000,250,25300000.000000,25300000,251,1,100000,100000,0.5
"""


def spans(calls: Calls) -> list[tuple[str, int, int, str, str]]:
    return sorted(tuple(interval) for interval in calls.intervals)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith(".xz"):
        path.write_bytes(lzma.compress(text.encode()))
    else:
        path.write_text(text)
    return path


# --- hmmix ----------------------------------------------------------------------------------------


def test_hmmix_haplotypes() -> None:
    calls = read_calls(DATA / "CEU0.hap1.txt")
    assert (calls.name, calls.form, calls.level, calls.samples) == ("hmmix", "hmmix", Level.HAPLOTYPE, {"CEU0"})
    rows = [line.split("\t") for line in (DATA / "CEU0.hap1.txt").read_text().splitlines()]
    expected = [("chr1", int(row[1]), int(row[2]), "CEU0", "1") for row in rows if row[4] == "Archaic"]
    assert len(expected) == 8
    assert spans(calls) == expected
    assert calls.notes == [f"{DATA / 'CEU0.hap1.txt'}: is read as hmmix, segments: 8, level: haplotype"]


def test_hmmix_diploid() -> None:
    calls = read_calls(DATA / "CEU1.diploid.txt")
    assert calls.level == Level.SAMPLE
    assert {interval[3:] for interval in calls.intervals} == {("CEU1", "")}


def test_hmmix_score_and_length() -> None:
    how = Reading(least_score={"hmmix": 0.8}, least_length={"hmmix": 30_000})
    calls = read_calls(DATA / "CEU0.hap1.txt", how=how)
    assert [(i.start, i.end) for i in calls.intervals] == [(1491000, 1594000), (2249000, 2340000), (2774000, 2833000)]
    assert "segments: 3 of 8," in calls.notes[0]
    # Of another format they say nothing.
    assert len(read_calls(DATA / "CEU0.hap1.txt", how=Reading(least_score={"ibdmix": 9})).intervals) == 8


HMMIX = "chrom\tstart\tend\tlength\tstate\tmean_prob\tsnps\n"


def test_hmmix_of_older_versions_ends_at_the_last_window(tmp_path: Path) -> None:
    path = written(
        tmp_path, "A.hap2.txt", HMMIX + "1\t0\t9000\t10000\tHuman\t.9\t1\n1\t10000\t12000\t3000\tArchaic\t.8\t4\n"
    )
    calls = read_calls(path)
    assert spans(calls) == [("1", 10000, 13000, "A", "2")]
    assert calls.notes[1] == f"{path}: 'end' is the start of the last window; start + length is used"


def test_hmmix_that_found_nothing_still_says_where_it_looked(tmp_path: Path) -> None:
    calls = read_calls(written(tmp_path, "A.diploid.txt", HMMIX + "7\t0\t9000\t9000\tHuman\t.9\t1\n"))
    assert (calls.intervals, calls.samples, calls.chroms) == ([], {"A"}, {"7"})


def test_hmmix_states(tmp_path: Path) -> None:
    text = HMMIX + "1\t0\t1000\t1000\tHuman\t.9\t1\n1\t1000\t2000\t1000\tDEN\t.9\t1\n1\t2000\t3000\t1000\tNEA\t.9\t1\n"
    path = written(tmp_path, "A.hap1.txt", text)
    with pytest.raises(InputError, match=r"has the states DEN, Human, NEA, and none of them is Archaic; .*--state"):
        read_calls(path)
    calls = read_calls(path, how=Reading(states=("NEA", "DEN")))
    assert spans(calls) == [("1", 1000, 2000, "A", "1"), ("1", 2000, 3000, "A", "1")]
    with pytest.raises(InputError, match="none of them is ARC"):
        read_calls(path, how=Reading(states=("ARC",)))


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("CEU0.hap1.txt", (), ("CEU0", "1")),
        ("CEU0.hap1.txt.gz", (), ("CEU0", "1")),
        ("decoded.CEU0.hap2.txt", (), ("decoded.CEU0", "2")),
        ("decoded.CEU0.hap2.txt", ("CEU0", "CEU1"), ("CEU0", "2")),
        ("a.b.hap2.txt", ("a", "b"), ("a.b", "2")),  # it may be either
        ("a.b.hap2.txt", ("a", "a.b"), ("a.b", "2")),
    ],
)
def test_the_name_of_a_file_tells_its_sample(tmp_path: Path, name: str, known, expected) -> None:
    path = written(tmp_path, name, HMMIX + "1\t0\t1000\t1000\tArchaic\t.9\t1\n")
    assert spans(read_calls(path, how=Reading(known=known))) == [("1", 0, 1000, *expected)]


def test_a_sample_that_the_name_does_not_tell(tmp_path: Path) -> None:
    path = written(tmp_path, "calls.tsv", HMMIX + "1\t0\t1000\t1000\tArchaic\t.9\t1\n")
    with pytest.raises(InputError, match="its name does not tell the sample; give --sample FILE=SAMPLE"):
        read_calls(path)
    assert spans(read_calls(path, how=Reading(samples={str(path): "X#2"}))) == [("1", 0, 1000, "X", "2")]
    diploid = read_calls(path, how=Reading(samples={str(path): "X"}))
    assert (diploid.level, spans(diploid)) == (Level.SAMPLE, [("1", 0, 1000, "X", "")])


def test_hmmix_that_wrote_both_haplotypes_to_one_file_is_refused(tmp_path: Path) -> None:
    text = HMMIX + "1\t0\t1000\t1000\tArchaic\t.9\t1\n"
    path = written(tmp_path, "A.hap1.txt", text * 2)
    with pytest.raises(InputError, match=r"stands below a second header: .* make a file of each") as found:
        read_calls(path)
    assert found.value.line == 4


# The columns of the call sets of the HGDP and the 1000 Genomes, and the line that a tutorial shows of them.
PUBLISHED = """\
name\thaplotype\tpop\tregion\tchrom\tstart\tend\tmean_prob\tND_type\tsnps
HGDP00548\thap1\tPapuanHighlands\tOCEANIA\tchr1\t911000\t940000\t0.96174\tDenisova\t12
HGDP00548\thap2\tPapuanHighlands\tOCEANIA\tchr1\t950000\t960000\t0.6\tnone\t3
HGDP00511\thap1\tFrench\tEUROPE\tchr2\t1000\t9000\t0.9\tNeanderthal\t5
"""


def test_hmmix_call_sets_of_many_samples(tmp_path: Path) -> None:
    path = written(tmp_path, "segments.txt.gz", PUBLISHED)
    calls = read_calls(path)
    assert (calls.form, calls.level, calls.samples) == ("hmmix", Level.HAPLOTYPE, {"HGDP00548", "HGDP00511"})
    assert spans(calls) == [
        ("chr1", 911000, 940000, "HGDP00548", "1"),
        ("chr1", 950000, 960000, "HGDP00548", "2"),
        ("chr2", 1000, 9000, "HGDP00511", "1"),
    ]
    some = read_calls(path, how=Reading(states=("Denisova", "Both"), least_score={"hmmix": 0.8}))
    # All samples and sequences were looked at.
    assert (len(some.intervals), len(some.samples), some.chroms) == (1, 2, {"chr1", "chr2"})
    with pytest.raises(InputError, match="has the states Denisova, Neanderthal, none, and none of them is Archaic"):
        read_calls(path, how=Reading(states=("Archaic",)))
    with pytest.raises(InputError, match="'both' is not a haplotype such as hap1"):
        read_calls(written(tmp_path, "y", PUBLISHED.replace("hap2", "both")))


# --- IBDmix ---------------------------------------------------------------------------------------


def test_ibdmix(tmp_path: Path) -> None:
    path = written(tmp_path, "calls.txt.gz", IBDMIX)
    calls = read_calls(path)
    assert (calls.form, calls.level, calls.samples) == ("ibdmix", Level.SAMPLE, {"NA1", "NA2"})
    # 1-based [101, 201) holds the positions 101 to 200, which are 100 to 199 from 0 on.
    assert spans(calls) == [("21", 100, 200, "NA1", ""), ("21", 1000, 1500, "NA2", "")]
    inclusive = read_calls(path, how=Reading(inclusive_end=True))
    assert spans(inclusive) == [("21", 100, 201, "NA1", ""), ("21", 1000, 1501, "NA2", "")]
    strict = read_calls(path, how=Reading(least_score={"ibdmix": 4}))
    # The sample was looked at, even if nothing is left of it.
    assert (len(strict.intervals), strict.samples) == (1, {"NA1", "NA2"})


def test_ibdmix_summary_and_no_header(tmp_path: Path) -> None:
    assert spans(read_calls(written(tmp_path, "a", IBDMIX_SUMMARY))) == [("21", 100, 200, "NA1", "")]
    path = written(tmp_path, "b", IBDMIX.split("\n", 1)[1])
    with pytest.raises(InputError, match="may be BED or IBDmix without header; if it holds segments, give its format"):
        read_calls(path)
    assert read_calls(path, how=Reading(known=["NA1"])).form == "ibdmix"
    assert len(read_calls(path, "ibdmix").intervals) == 2


def test_ibdmix_at_the_last_site_of_all(tmp_path: Path) -> None:
    """There is no site after it, so start and end are the same."""
    path = written(tmp_path, "a", "ID\tchrom\tstart\tend\tslod\nA\t1\t50\t50\t4\n")
    assert spans(read_calls(path)) == [("1", 49, 50, "A", "")]


def test_ibdmix_bounds(tmp_path: Path) -> None:
    for row, said in (
        ("A\t1\t0\t9\t4", "'0' is not a position"),
        ("A\t1\t9\t8\t4", "'8' is not a position"),
        ("A\t1\t1\t9\tx", "'x' is not a LOD"),
    ):
        with pytest.raises(InputError, match=said) as found:
            read_calls(written(tmp_path, "a", f"ID\tchrom\tstart\tend\tslod\n{row}\n"))
        assert found.value.line == 2


# --- Sprime, sstar, admixfrog ---------------------------------------------------------------------


def test_sprime_segments_reach_from_their_first_to_their_last_variant(tmp_path: Path) -> None:
    path = written(tmp_path, "out.score", SPRIME)
    calls = read_calls(path)
    assert (calls.form, calls.level, calls.samples) == ("sprime", Level.POPULATION, set())
    assert spans(calls) == [("21", 100, 150, "", ""), ("21", 899, 950, "", ""), ("22", 299, 300, "", "")]
    assert len(read_calls(path, how=Reading(least_score={"sprime": 160_000})).intervals) == 2


def test_sprime_segments_of_two_runs_in_one_file(tmp_path: Path) -> None:
    rows = SPRIME.splitlines()
    again = "\n".join([*rows[:3], rows[0], "21\t5000\t.\tA\tC\t0\t1\t200000"])
    assert spans(read_calls(written(tmp_path, "x", again))) == [("21", 100, 150, "", ""), ("21", 4999, 5000, "", "")]


def test_sstar_of_more_samples_than_ours(tmp_path: Path) -> None:
    path = written(tmp_path, "x.bed", "1\t0\t50000\tZ\n1\t0\t60000\tA\t0.5\n")
    calls = read_calls(path, how=Reading(known=["A"]))
    assert (calls.form, calls.samples) == ("sstar", {"A", "Z"})
    assert read_calls(path, "bed", how=Reading(known=["A"])).level == Level.POPULATION
    other = read_calls(path, how=Reading(known=["B"]))
    assert (other.form, len(other.intervals)) == ("bed", 2)
    named = written(tmp_path, "y.bed", "chrom\tstart\tend\tname\n1\t0\t50000\tA\n")
    assert read_calls(named, how=Reading(known=["A"])).form == "bed"


def test_sstar_is_told_by_its_samples() -> None:
    how = Reading(known=("CEU0", "CEU1"))
    calls = read_calls(DATA / "sstar.bed", how=how)
    rows = [line.split("\t") for line in (DATA / "sstar.bed").read_text().splitlines()]
    assert (calls.form, calls.level, len(rows)) == ("sstar", Level.SAMPLE, 60)
    assert spans(calls) == sorted(("chr1", int(row[1]), int(row[2]), row[3], "") for row in rows)
    # Nothing tells that column 4 is a sample if none of them is known: it is BED as any other.
    assert read_calls(DATA / "sstar.bed").form == "bed"
    assert spans(read_calls(DATA / "sstar.bed", "sstar")) == spans(calls)


def test_admixfrog(tmp_path: Path) -> None:
    path = written(tmp_path, "NA1.rle.xz", ADMIXFROG)
    with pytest.raises(InputError, match=r"has the states AFK, ARC, and does not say which are archaic; .*--state"):
        read_calls(path)
    calls = read_calls(path, how=Reading(states=("ARC",)))
    assert (calls.form, calls.level, calls.samples) == ("admixfrog", Level.SAMPLE, {"NA1"})
    # Runs of the state alone, not those of one zygosity; of the last bin, which begins at pos_end, its first base.
    assert spans(calls) == [("9", 118_899_999, 119_500_000, "NA1", "")]


def test_admixfrog_of_several_targets_in_one_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stands below a second header"):
        read_calls(written(tmp_path, "A.rle.xz", ADMIXFROG * 2), how=Reading(states=("ARC",)))


def test_admixfrog_with_samples(tmp_path: Path) -> None:
    lines = ADMIXFROG.splitlines()
    text = "\n".join([lines[0] + ",sample", *(f"{line},S{k}" for k, line in enumerate(lines[1:]))])
    calls = read_calls(written(tmp_path, "all.csv", text), how=Reading(states=("AFK", "ARC")))
    assert [i.sample for i in calls.intervals] == ["S1", "S2"]


# --- BED and our own ------------------------------------------------------------------------------


def test_our_own() -> None:
    calls = read_calls(DATA / "genolstm.bed")
    assert (calls.name, calls.form, calls.level, len(calls.intervals)) == ("genolstm", "genolstm", Level.HAPLOTYPE, 6)
    assert len(read_calls(DATA / "genolstm.bed", how=Reading(least_score={"genolstm": 0.8})).intervals) == 4


@pytest.mark.parametrize(
    ("text", "level", "expected"),
    [
        ("1\t5\t9\n", 0, ("", "")),
        ("track name=x\n# said\n1\t5\t9\tname\t0\t.\n", 0, ("", "")),
        ("#chrom\tstart\tend\tsample\n1\t5\t9\tA\n", 1, ("A", "")),
        ("chrom\tstart\tend\tsample\n1\t5\t9\tA\n", 1, ("A", "")),
        ("chr\tstart\tend\thaplotype\tx\tsample\n1\t5\t9\t2\tx\tA\n", 2, ("A", "2")),
        ("chrom\tstart\tend\thaplotype\n1\t5\t9\t2\n", 0, ("", "")),  # whose haplotype?
    ],
)
def test_bed(tmp_path: Path, text: str, level: int, expected: tuple[str, str]) -> None:
    calls = read_calls(written(tmp_path, "Vernot 2016.bed.gz", text))
    assert (calls.name, calls.form, calls.level) == ("Vernot 2016", "bed", level)
    assert spans(calls) == [("1", 5, 9, *expected)]
    assert calls.samples == ({"A"} if level else set())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("##gff-version 3\n", "holds no line of data"),
        ("##gff-version 3\nchr1\tx\tgene\t5\t9\t.\t.\t.\t.\n", "in no format that its first line tells"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t5\t.\tA\tC\n", "in no format"),
        (
            "#chrom\tstart\tend\tsample\thaplotype\tposterior\n1\t0\t9\tA\t1\t.1\n",
            "a table of posteriors, not of segments",
        ),
        ("track type=bedGraph\n1\t0\t9\t.5\n", "is bedGraph, not segments"),
        ("1\t0\t9\t.5\n", "may be bedGraph or BED"),
        ("name,start,end\n", "in no format"),
        ("chrom\tstart\tend\n1\t9\t5\n", "9 to 5 is not an interval"),
        ("1\t5\n", "in no format"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_calls(written(tmp_path, "x", text))


@pytest.mark.parametrize("form", ["sstar", "bed"])
@pytest.mark.parametrize("text", ["", "# nothing was significant\n"])
def test_an_empty_file_of_a_format_without_header_says_that_nothing_was_found(
    tmp_path: Path, form: str, text: str
) -> None:
    calls = read_calls(written(tmp_path, "x.bed", text), form)
    assert calls.intervals == []
    assert calls.notes == [f"{tmp_path / 'x.bed'}: is told to be {form}, segments: 0, level: {calls.level.word}"]


def test_an_empty_file_of_a_format_with_a_header_is_broken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        read_calls(written(tmp_path, "x.txt", ""), "hmmix")


def test_the_samples_of_a_bed_without_header() -> None:
    assert detect("1\t0\t9\tA", "x", {"A"}) == "sstar"
    assert detect("1\t0\t9\tA\t.5", "x", {"A"}) == "sstar"
    assert detect("1\t0\t9\tA\t0\t.", "x", {"A"}) == "bed"
    assert detect("1\t0\t9\tA", "x", {"B"}) == "bed"


@pytest.mark.parametrize("form", ["hmmix", "sprime", "admixfrog"])
def test_a_format_that_is_told_but_is_not_that_of_the_file(tmp_path: Path, form: str) -> None:
    with pytest.raises(InputError, match="has no column"):
        read_calls(written(tmp_path, "A.hap1.txt", IBDMIX), form)


def test_a_score_that_a_format_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="bed has no score"):
        read_calls(written(tmp_path, "x", "1\t5\t9\n"), how=Reading(least_score={"bed": 1}))


# --- several files and spellings ------------------------------------------------------------------


def test_files_of_one_program_are_joined() -> None:
    parts = [read_calls(DATA / f"CEU{i}.hap{h}.txt") for i in (0, 1) for h in (1, 2)]
    whole = joined(parts)
    assert (len(whole.intervals), whole.samples, whole.level) == (32, {"CEU0", "CEU1"}, Level.HAPLOTYPE)
    with pytest.raises(InputError, match=r"files of hmmix are of different levels .*haplotype"):
        joined([parts[0], read_calls(DATA / "CEU1.diploid.txt")])
    with pytest.raises(InputError, match="two files of hmmix are about chr1 CEU0 1; name them apart or together"):
        joined([parts[0], parts[0]])
    assert len(joined([parts[0], parts[0]], told=True).intervals) == 16


def test_sequences_that_are_spelled_in_another_way() -> None:
    def calls(*chroms: str) -> Calls:
        intervals = [Interval(chrom, 0, 9, "A", "") for chrom in chroms]
        return Calls("ibdmix", "ibdmix", Level.SAMPLE, intervals, {"A"}, set(chroms))

    found = respelled(calls("21", "22", "X"), {"chr21", "22"})
    assert ({i.chrom for i in found.intervals}, found.chroms) == ({"chr21", "22", "X"}, {"chr21", "22", "X"})
    assert found.notes == ["ibdmix: takes 21 for chr21"]
    for odd in (calls("21", "chr21"), calls("21", "CHR21")):
        with pytest.raises(InputError, match="spells the sequence 'chr21' in two ways"):
            respelled(odd, {"chr21"})


def test_lengths(tmp_path: Path) -> None:
    fai = written(tmp_path, "x.fai", "1\t100\t3\t60\t61\n2\t50\t110\t60\t61\n")
    assert read_lengths(fai) == {"1": 100, "2": 50}
    for text, said in (
        ("1\n", "no length"),
        ("1\t0\n", "'0' is not a length"),
        ("1\t5\n1\t5\n", "twice"),
        ("", "names no"),
    ):
        with pytest.raises(InputError, match=said):
            read_lengths(written(tmp_path, "y", text))
