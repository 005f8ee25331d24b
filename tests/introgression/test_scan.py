"""From files to posteriors: names, order, and nothing that blocks, batches or threads change."""

from __future__ import annotations

import gzip
import io
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import EXAMPLE
from support.introgression import tiny_bundle

from genolstm.errors import InputError, ModelError, SettingError
from genolstm.introgression.channels import CHANNELS
from genolstm.introgression.doors import fasta as scanning
from genolstm.introgression.doors.blocks import Stages, TrackBlock, prefetch
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import SPAN, VcfDoor
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.segments import DecodeSettings
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import rare_evidence
from genolstm.introgression.variants.join import VariantReader
from genolstm.lstm.bundle import runtime
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.sequences.fasta import Record
from genolstm.sequences.panel.panel import KmerPanel

SAMPLES = ("target", "outgroup", "archaic")


def open_region(model: IntrogressionClassifier, folder: Path, *, span: int = SPAN, **options):
    lists = {role: folder / f"{role}.txt" for role in SAMPLES}
    return model.open(VcfDoor(folder / "region.vcf.gz", **lists, span=span), **options)


@pytest.fixture(scope="module")
def tiled_model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiled.genolstm"
    return tiny_bundle(path, context=7, tile=60, seed=8)


@pytest.fixture(params=["tiny", "tiled", "archaic"])
def model_path(request, tiny_model, tiled_model):
    return {"tiny": tiny_model, "tiled": tiled_model}.get(request.param, request.param)


# --- nothing but the data matters ---------------------------------------------------------------


def test_posteriors_do_not_depend_on_blocks_or_threads(model_path, region_folder: Path, monkeypatch) -> None:
    model = IntrogressionClassifier.load(model_path, threads=1)
    whole = model.posteriors(open_region(model, region_folder))
    assert len(whole) == 6 * 240
    assert whole["posterior"].std() > 0.001
    # Little is enough to go through the network now, so that blocks do so one by one.
    monkeypatch.setattr(runtime, "STREAM_STEPS", 300)
    segments = None
    for threads, span in [(1, 1_000), (2, 13_000), (3, 60_000), (2, 10_000_000)]:
        model = IntrogressionClassifier.load(model_path, threads=threads)
        table = model.posteriors(open_region(model, region_folder, span=span))
        merged = whole.merge(table, on=["chrom", "start", "end", "sample", "haplotype"])
        assert len(merged) == len(table) == len(whole)
        np.testing.assert_allclose(merged["posterior_x"], merged["posterior_y"], atol=1e-5, rtol=0)
        cut = DecodeSettings(float(whole["posterior"].quantile(0.8)))
        found = open_region(model, region_folder, span=span, decode=cut).segments()
        assert len(found) > 3
        places = [s[:5] for s in sorted(found)]
        segments = segments or places
        assert [p[0] + p[3] + p[4] for p in places] == [s[0] + s[3] + s[4] for s in segments]
        moved = np.array([p[1:3] for p in places]) - np.array([s[1:3] for s in segments])
        assert np.abs(moved).max() <= 1  # a crossing may round to the next base


def test_posteriors_do_not_depend_on_batch_size_or_chunk(model_path, region_folder: Path) -> None:
    model = IntrogressionClassifier.load(model_path, threads=2)
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in SAMPLES}
    (block,) = VcfDoor(VariantReader(region_folder / "region.vcf.gz", **names)).tracks(model.settings)
    expected = model.runtime.predict(block.tracks)
    for batch_size in (1, 5, 64):
        for chunk in (50, 111, 1000):
            found = model.runtime.predict(block.tracks, batch_size=batch_size, chunk=chunk)
            np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    pieces = np.split(block.tracks, [1, 2, 90, 91, 200], axis=1)
    stream = np.concatenate(list(model.runtime.predict_stream(pieces, batch_size=3)), axis=1)
    np.testing.assert_allclose(stream, expected, atol=1e-5, rtol=0)


def test_haplotypes_are_read_apart(tiny_model, region_folder: Path, panels, tmp_path) -> None:
    """One haplotype's posterior is its own, whoever else is in the file and in whatever group."""
    model = IntrogressionClassifier.load(tiny_model)
    query = FastaDoor([region_folder / "target.fa.gz"], **panels, sharing=False)
    together = model.posteriors(model.open(query))
    text = gzip.decompress((region_folder / "target.fa.gz").read_bytes())
    third = b">" + text.split(b">")[3]
    path = tmp_path / "one.fa"
    path.write_bytes(third)
    alone = model.posteriors(model.open(FastaDoor([path], **panels)))
    expected = together[(together["sample"] == "target1") & (together["haplotype"] == "1")]
    # Only the number of targets differs, and it is 1 either way without sharing.
    np.testing.assert_allclose(alone["posterior"], expected["posterior"], atol=1e-5, rtol=0)


def test_groups_of_records_do_not_show(region_folder: Path, panels, monkeypatch) -> None:
    opened = [KmerPanel.open(panels[role]) for role in ("archaic", "outgroup")]
    query = FastaDoor([region_folder / "target.fa.gz"], *opened)

    def tracks(group: int, threads: int) -> list[TrackBlock]:
        monkeypatch.setattr(scanning, "_GROUP", group)
        return list(query.tracks(TrackSettings(), threads=threads))

    (whole,) = tracks(32, 1)
    pieces = tracks(2, 3)
    assert [block.haplotypes for block in pieces] == [whole.haplotypes[:2], whole.haplotypes[2:4], whole.haplotypes[4:]]
    np.testing.assert_array_equal(np.concatenate([b.tracks for b in pieces]), whole.tracks)


def test_evidence_stays_with_its_bins(tiny_model, region_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(runtime, "STREAM_STEPS", 100)
    model = IntrogressionClassifier.load(tiny_model)
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in SAMPLES}
    (whole,) = VcfDoor(VariantReader(region_folder / "region.vcf.gz", **names)).tracks(model.settings)
    blocks = list(open_region(model, region_folder, span=9_000).blocks)
    assert len(blocks) > 5
    assert [b.last for b in blocks] == [False] * (len(blocks) - 1) + [True]
    assert blocks[-1].length == 240_000
    at = 0
    for block in blocks:
        assert block.first_bin == at
        bins = slice(at, at + block.posterior.shape[1])
        evidence = rare_evidence(whole.tracks[:, bins], 1)
        for found, expected in zip((block.rare_match, block.rare_differ), evidence, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
        at = bins.stop
    assert at == 240


def test_the_baseline_reads_the_whole_sequence(tiny_model, region, region_folder: Path) -> None:
    model = IntrogressionClassifier.load(tiny_model)
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in SAMPLES}
    (whole,) = VcfDoor(VariantReader(region_folder / "region.vcf.gz", **names)).tracks(model.settings)
    hmm = SupervisedHMM.from_dict(Bundle.open(tiny_model).metadata["hmm"])
    (block,) = open_region(model, region_folder, baseline="hmm", span=20_000).blocks
    np.testing.assert_array_equal(block.posterior, hmm.posterior(whole.tracks))
    truth = region.truth_coverage(1000)
    assert np.corrcoef(block.posterior.ravel(), truth.ravel())[0, 1] > 0.7


# --- the classifier -----------------------------------------------------------------------------


def test_both_doors_of_the_shipped_model_agree() -> None:
    model = IntrogressionClassifier.load("archaic")
    panels = {role: EXAMPLE / f"{role}.panel" for role in ("archaic", "outgroup")}
    fasta = model.posteriors(model.open(FastaDoor([EXAMPLE / "query.fa.gz"], **panels)))
    vcf = model.posteriors(open_region(model, EXAMPLE))
    keys = ["chrom", "start", "sample", "haplotype"]
    both = fasta.merge(vcf, on=keys, suffixes=("_fasta", "_vcf"))
    assert len(both) == len(vcf) == 3600
    gap = (both["posterior_fasta"] - both["posterior_vcf"]).abs()
    assert gap.mean() < 0.005
    assert (gap > 0.1).mean() < 0.01
    segments = model.scan(EXAMPLE / "query.fa.gz", **panels).segments
    assert list(segments.columns[:6]) == ["chrom", "start", "end", "name", "score", "strand"]
    assert set(segments["source"]) <= {"archaic", "unknown", "archaic|unknown"}
    assert segments["name"].is_unique
    lists = {role: EXAMPLE / f"{role}.txt" for role in SAMPLES}
    other = model.scan_vcf(EXAMPLE / "region.vcf.gz", **lists).segments
    bp = (segments["end"] - segments["start"]).sum(), (other["end"] - other["start"]).sum()
    assert bp[0] == pytest.approx(bp[1], rel=0.02)


def test_names_may_be_lists_too(tiny_model, region_folder: Path) -> None:
    model = IntrogressionClassifier.load(tiny_model)
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in SAMPLES}
    a = model.posteriors(model.open(VcfDoor(region_folder / "region.vcf.gz", **names)))
    b = model.posteriors(
        model.open(VcfDoor(region_folder / "region.vcf.gz", **{r: ",".join(n) for r, n in names.items()}))
    )
    pd.testing.assert_frame_equal(a, b)
    with pytest.raises(SettingError, match="no outgroup samples are named"):
        model.open(VcfDoor(region_folder / "region.vcf.gz", **{**names, "outgroup": ()}))


def test_thresholds(tiny_model) -> None:
    model = IntrogressionClassifier.load(tiny_model)
    # Without one, the threshold is chosen on the data (test_threshold.py); the baseline's is the model's own.
    assert model.decode_settings() == DecodeSettings(None, 0)
    assert model.decode_settings(threshold=0.2, min_length=9) == DecodeSettings(0.2, 9)
    assert model.decode_settings(fdr=0.25) == DecodeSettings(None, 0, fdr=0.25)
    assert model.decode_settings(baseline="hmm") == DecodeSettings(0.5, 0)
    assert model.decode_settings(baseline="hmm", threshold=0.7) == DecodeSettings(0.7, 0)
    for options, said in [
        ({"fdr": 0.1, "threshold": 0.5}, "exclude each other"),
        ({"fdr": 1.5}, "fdr is 1.5"),
        ({"fdr": 0.1, "baseline": "hmm"}, "available for the network only"),
        ({"threshold": 1.0}, "threshold is 1.0"),
    ]:
        with pytest.raises(SettingError, match=said):
            model.decode_settings(**options)
    with pytest.raises(SettingError, match="there is no baseline crf; known: hmm"):
        model.predictor("crf")


def test_a_model_without_a_baseline_says_so(tmp_path: Path) -> None:
    model = IntrogressionClassifier.load(tiny_bundle(tmp_path / "x.genolstm"))
    for ask in (lambda: model.predictor("hmm"), lambda: model.decode_settings(baseline="hmm")):
        with pytest.raises(ModelError, match="holds no HMM baseline"):
            ask()


def test_models_that_were_made_for_other_data(tmp_path: Path) -> None:
    names = list(CHANNELS)
    for channels, said in [
        (
            [*names[:2], "recombination", *names[4:]],
            f"the model reads 42 channels, the data has 43; only the model: recombination; "
            f"only the data: {names[2]}, {names[3]}",
        ),
        (names[::-1], "the model and the data have the same channels in a different order"),
        ("all", "does not state which channels it reads"),
    ]:
        path = tiny_bundle(tmp_path / "channels.genolstm", channels=channels)
        with pytest.raises(ModelError) as error:
            IntrogressionClassifier.load(path)
        assert error.value.reason == said
        path.unlink()
    for name in ("k", "bin", "label"):
        path = tiny_bundle(tmp_path / f"{name}.genolstm", **{name: None})
        with pytest.raises(ModelError, match=f"lacks or misstates '{name}'"):
            IntrogressionClassifier.load(path)
    good = Bundle.open(tiny_bundle(tmp_path / "good.genolstm"))
    save_bundle(tmp_path / "text.genolstm", kind="text", members={"model.onnx": good.onnx}, metadata=good.metadata)
    with pytest.raises(ModelError, match="is a model for text, one for introgression is needed"):
        IntrogressionClassifier.load(tmp_path / "text.genolstm")
    with pytest.raises(InputError, match=r"no such model bundle; shipped models: .*archaic"):
        IntrogressionClassifier.load("denisovan")
    with pytest.raises(ModelError, match="the model was made for bin=1000, k=31; the data has bin=500, k=21"):
        good.require(bin=500, k=21)


def test_a_copy_is_the_same_file(tiny_model, tmp_path: Path) -> None:
    model = IntrogressionClassifier.load(tiny_model)
    model.save(tmp_path / "copy.genolstm")
    assert (tmp_path / "copy.genolstm").read_bytes() == tiny_model.read_bytes()
    assert "<td>1000 bp</td>" in model._repr_html_()


# --- names of haplotypes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("haplotypes", "path", "name", "expected"),
    [
        ("record", "q.fa", "NA1#1#chr7", ("chr7", "NA1", "1")),
        ("record", "q.fa", "NA1#mat#chr7#x", ("chr7#x", "NA1", "mat")),
        ("record", "q.fa", "NA1#2", ("NA1#2", "NA1", "2")),
        ("record", "q.fa", "NA1_hap2", ("NA1_hap2", "NA1", "2")),
        ("record", "q.fa", "NA1_hap2_chr7", ("chr7", "NA1", "2")),
        ("record", "q.fa", "chr7", ("chr7", "chr7", "1")),
        ("file", "NA1.fa.gz", "chr7", ("chr7", "NA1", "1")),
        ("file", "/x/NA1_hap2.fa", "ctg1", ("ctg1", "NA1", "2")),
        ("file", "NA1.fa", "NA9#2#ctg1", ("ctg1", "NA1", "1")),
    ],
)
def test_names(haplotypes: str, path: str, name: str, expected) -> None:
    query = FastaDoor([path], "a", "o", haplotypes)
    assert query.name(path, Record(name, "", b"", 1)) == expected


def test_the_haplotypes_that_doors_name(tmp_path: Path) -> None:
    expected = [(f"CEU{i}", h) for i in range(3) for h in "12"]
    lists = {role: EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    assert VcfDoor(EXAMPLE / "region.vcf.gz", **lists).names() == expected
    assert FastaDoor([EXAMPLE / "query.fa.gz"], "a", "o").names() == expected
    assembly = tmp_path / "NA12878_hap2.fa"
    assembly.write_text(">c1\nACGT\n>c2\nACGT\n")
    assert FastaDoor([assembly], "a", "o", "file").names() == [("NA12878", "2")]


def test_queries_that_make_no_sense() -> None:
    with pytest.raises(SettingError, match="haplotypes is 'chromosome'"):
        FastaDoor(["x"], "a", "o", "chromosome")
    with pytest.raises(SettingError, match="no query is given"):
        FastaDoor([], "a", "o")


def cut_up(region_folder: Path, folder: Path) -> list[Path]:
    """The first two haplotypes as assemblies of three contigs each, one a file."""
    texts = gzip.decompress((region_folder / "target.fa.gz").read_bytes()).decode().split(">")[1:3]
    paths = []
    for number, text in enumerate(texts, start=1):
        sequence = text.split("\n", 1)[1].replace("\n", "")
        path = folder / f"asm_hap{number}.fa"
        parts = {"c1": sequence[:50_000], "c2": sequence[50_000:170_500], "c3": sequence[170_500:]}
        path.write_text("".join(f">{name}\n{part}\n" for name, part in parts.items()))
        paths.append(path)
    return paths


def test_assemblies_of_many_contigs(tiny_model, region_folder, panels, tmp_path: Path) -> None:
    paths = cut_up(region_folder, tmp_path)
    model = IntrogressionClassifier.load(tiny_model)
    table = model.posteriors(model.open(FastaDoor(paths, **panels, haplotypes="file")))
    groups = table.groupby(["sample", "haplotype", "chrom"], sort=False)
    assert [key for key, _ in groups] == [("asm", h, c) for h in ("1", "2") for c in ("c1", "c2", "c3")]
    for (_, _, chrom), group in groups:
        length = {"c1": 50_000, "c2": 120_500, "c3": 69_500}[chrom]
        assert group["start"].tolist() == list(range(0, length, 1000))
        assert group["end"].iloc[-1] == length
    # c1 is the start of the whole sequence: away from its end, the posteriors are the same.
    whole = model.posteriors(model.open(FastaDoor([region_folder / "target.fa.gz"], **panels, sharing=False)))
    first = whole[(whole["sample"] == "target0") & (whole["haplotype"] == "1")]["posterior"]
    np.testing.assert_allclose(table["posterior"][:10], first[:10], atol=1e-5)


def test_sharing_among_assemblies(region_folder, panels, tmp_path: Path) -> None:
    """Records of one haplotype are one haplotype, whichever option says that they are."""
    paths = cut_up(region_folder, tmp_path)
    opened = [KmerPanel.open(panels[role]) for role in ("archaic", "outgroup")]
    renamed = tmp_path / "pansn.fa"
    renamed.write_text("".join(path.read_text().replace(">", f">asm#{i}#") for i, path in enumerate(paths, 1)))
    by_file = FastaDoor(paths, *opened, "file", sharing=True).tracks(TrackSettings())
    by_name = FastaDoor([renamed], *opened).tracks(TrackSettings())
    for a, b in zip(by_file, by_name, strict=True):
        assert (a.chrom, list(a.haplotypes)) == (b.chrom, list(b.haplotypes))
        np.testing.assert_array_equal(a.tracks, b.tracks)
        assert a.tracks[0, 0, -1] == pytest.approx(np.log10(2))
    # Contigs of one haplotype that are apart would be counted as two.
    mixed = tmp_path / "mixed.fa"
    a, b = (path.read_text().replace(">", f">asm#{i}#") for i, path in enumerate(paths, 1))
    records = [f">{text}" for whole in zip(a.split(">")[1:], b.split(">")[1:], strict=True) for text in whole]
    mixed.write_text("".join(records))
    with pytest.raises(InputError, match="the records of the haplotype asm 1 are not consecutive"):
        list(FastaDoor([mixed], *opened).tracks(TrackSettings()))
    blocks = FastaDoor([mixed], *opened, sharing=False).tracks(TrackSettings())
    assert sum(len(block.haplotypes) for block in blocks) == 6


def test_the_same_haplotype_in_two_files(region_folder, panels, tmp_path: Path) -> None:
    (tmp_path / "again.fa.gz").write_bytes((region_folder / "target.fa.gz").read_bytes())
    query = FastaDoor([region_folder / "target.fa.gz", tmp_path / "again.fa.gz"], **panels)
    with pytest.raises(InputError, match="the haplotype target0 1 of chr1 occurs twice") as error:
        list(query.records())
    assert (error.value.path, error.value.line) == (str(tmp_path / "again.fa.gz"), 1)


def test_standard_input_is_read_once(region_folder, panels, monkeypatch) -> None:
    opened = [KmerPanel.open(panels[role]) for role in ("archaic", "outgroup")]
    (expected,) = FastaDoor([region_folder / "target.fa.gz"], *opened).tracks(TrackSettings())
    packed = io.BytesIO((region_folder / "target.fa.gz").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))
    (found,) = FastaDoor(["-"], *opened).tracks(TrackSettings())
    np.testing.assert_array_equal(found.tracks, expected.tracks)


def test_a_record_shorter_than_a_bin(region_folder, panels, tmp_path: Path) -> None:
    opened = [KmerPanel.open(panels[role]) for role in ("archaic", "outgroup")]
    path = tmp_path / "x.fa"
    path.write_text(">a#1\n" + "ACGTT" * 200 + "\n>b#1\n" + "ACGTT" * 199 + "ACGT\n")
    with pytest.raises(InputError, match="is 999 bp, shorter than a bin") as error:
        list(FastaDoor([path], *opened).tracks(TrackSettings()))
    assert (error.value.line, error.value.record) == (3, "b#1")


# --- the pipe between the stages ----------------------------------------------------------------


def test_prefetch_keeps_order_and_runs_ahead() -> None:
    made: list[int] = []

    def items():
        for i in range(20):
            made.append(i)
            yield i

    stream = prefetch(items())
    assert next(stream) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 3 <= len(made) <= 4  # one waits, one is made; no more
    assert list(stream) == list(range(1, 20))
    assert list(prefetch([])) == []
    assert list(prefetch([None, 0, ""])) == [None, 0, ""]


@pytest.mark.parametrize("error", [InputError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_prefetch_hands_errors_on(error: BaseException) -> None:
    def items():
        yield 1
        raise error

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(type(error)):
        next(stream)


def test_prefetch_ends_its_thread_when_nobody_listens() -> None:
    before = threading.active_count()
    stream = prefetch(iter(range(1000)))
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before


def test_stages_add_up() -> None:
    stages = Stages()

    def slow():
        for i in range(3):
            time.sleep(0.02)
            yield i

    assert list(stages.timed("read", slow())) == [0, 1, 2]
    with stages.time("other"):
        time.sleep(0.02)
    assert 0.06 <= stages.seconds["read"] < 2
    assert 0.02 <= stages.seconds["other"] < 2
