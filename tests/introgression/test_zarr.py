"""VCF Zarr: the rows of a store are those of the VCF that it was made from."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.introgression import vcf_text
from support.vcz import arrays_of, store_of, write_plainly, write_store

from genolstm.errors import InputError, MissingExtraError
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.doors.zarr import ZarrDoor
from genolstm.introgression.settings import ScanSettings
from genolstm.introgression.tracks import TrackSettings
from genolstm.introgression.variants import zarr as module
from genolstm.introgression.variants.block import CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.chunks import is_store
from genolstm.introgression.variants.vcf import VcfSource
from genolstm.introgression.variants.zarr import ZarrSource
from genolstm.runs.scan import run

zarr = pytest.importorskip("zarr")

NAMES = ["a", "b", "c"]


def record(position: int, ref: str = "A", alt: str = "G", calls: str = "0|1 1|0 0|0", chrom: str = "1"):
    return chrom, position, ref, alt, calls.split()


def write(tmp_path: Path, records, **changes) -> Path:
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, records, **changes))
    return path


def joined(parts: list[SiteRows]) -> dict[str, list]:
    """Return position, reference, alleles and known stretches of each chromosome, and where it ends."""
    found: dict[str, list] = {}
    for part in parts:
        kept = found.setdefault(part.chrom, [[], [], [], [], 0, False])
        for values, more in zip(kept, (part.positions, part.reference, part.alleles, part.known), strict=False):
            values += more.tolist()
        assert part.end >= kept[4]
        kept[4:] = [part.end, part.last]
    for kept in found.values():
        kept[3] = merged(kept[3])
    return found


def merged(spans: list[list[int]]) -> list[list[int]]:
    found: list[list[int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return found


def outcome(source, samples, how, stretches=None):
    """Return the rows and counts, or what of the error does not name the file."""
    try:
        parts = list(source.read(samples, how, stretches))
    except InputError as error:
        return error.record, error.reason, error.hint
    return joined(parts), asdict(source.counts)


def refused(path: Path, samples=("a", "b", "c"), **changes) -> str:
    with pytest.raises(InputError) as error:
        list(ZarrSource(path).read(list(samples), CallSettings(**changes)))
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text[len(str(path)) + 2 :]


# ---------------------------------------------------------------- the same as the VCF


@st.composite
def vcfs(draw) -> str:
    """A VCF with everything that may occur in one, and some of what may not."""
    contigs = draw(st.sampled_from([{"1": 60, "2": 40}, {"1": None, "2": None}]))
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=q10,Description="">', '##FILTER=<ID=s50,Description="">']
    lines += [f"##contig=<ID={c}{'' if n is None else f',length={n}'}>" for c, n in contigs.items()]
    lines += [f'##FORMAT=<ID={f},Number=1,Type=Integer,Description="">' for f in ("DP", "GQ")]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="">')
    lines.append('##INFO=<ID=END,Number=1,Type=Integer,Description="">')
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *NAMES]))
    alts = ["G", "G", "G,T", ".", "*", "<DEL>", "AC", "*,G", "<NON_REF>", "G,<NON_REF>", "t", "<*>", "A,GT", "N"]
    refs = ["A", "A", "A", "A", "a", "AC", "C", "N"]
    form = draw(st.sampled_from(["GT", "GT:GQ:DP"]))
    for chrom in contigs:
        at = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(0, 12))):
            alt = draw(st.sampled_from(alts))
            n = 1 + (0 if alt == "." else alt.count(",") + 1)
            allele = st.sampled_from([*"00", *map(str, range(n)), "."])
            calls = []
            for _ in NAMES:
                kind = draw(st.integers(0, 9))
                sign = "/" if kind == 0 else "|"
                call = draw(allele) if kind == 1 else "." if kind == 2 else draw(allele) + sign + draw(allele)
                if form != "GT":
                    call += ":" + draw(st.sampled_from(["9", "30", "."])) + ":" + draw(st.sampled_from(["4", "."]))
                calls.append(call)
            value = draw(st.sampled_from(["PASS", "PASS", ".", "q10", "q10;s50"]))
            only = alt in (".", "<NON_REF>", "<*>")
            info = f"END={at + draw(st.integers(0, 9))}" if only and draw(st.booleans()) else "."
            fields = [chrom, str(at), ".", draw(st.sampled_from(refs)), alt, ".", value, info, form, *calls]
            lines.append("\t".join(fields))
            at += draw(st.sampled_from([0, 0, 1, 1, 2, 5]))
    return "\n".join(lines) + "\n"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    text=vcfs(),
    form=st.sampled_from([2, 3]),
    variants=st.sampled_from([1, 2, 5, 100]),
    samples=st.sampled_from([1, 2, 100]),
    chosen=st.permutations(NAMES),
    n=st.integers(1, 3),
    filters=st.sampled_from([("PASS", "."), ("PASS",), (), ("q10", "s50"), (".", "q10")]),
    least=st.sampled_from([(0, 0), (0, 0), (20, 0), (0, 3)]),
    phase=st.sampled_from([(False, False), (True, True), (True, False)]),
    stretch=st.one_of(st.none(), st.tuples(st.sampled_from("12"), st.integers(0, 30), st.integers(1, 9))),
)
def test_a_store_gives_the_rows_of_its_vcf(
    tmp_path_factory, text, form, variants, samples, chosen, n, filters, least, phase, stretch
) -> None:
    positions = [int(line.split("\t")[1]) for line in text.splitlines() if not line.startswith("#")]
    # A chunk of nothing but POS 0 is not written, and then looks as if it were lost, which is refused.
    assume(all(any(positions[i : i + variants]) for i in range(0, len(positions), variants)))
    folder = tmp_path_factory.mktemp("store")
    (folder / "x.vcf").write_text(text)
    store = write_plainly(folder / "x.vcz", arrays_of(text), zarr_format=form, variants=variants, samples=samples)
    if max(least) and ":GQ:" not in text:
        least = (0, 0)
    each = [
        CallSettings(filters, *(least if i else (0, 0)), allow_unphased=phase[1], need_phase=phase[0]) for i in range(n)
    ]
    stretches = None if stretch is None else [Stretch(stretch[0], stretch[1], stretch[1] + stretch[2])]
    pair = [
        outcome(source(path), chosen[:n], each, stretches)
        for source, path in ((VcfSource, folder / "x.vcf"), (ZarrSource, store))
    ]
    shutil.rmtree(folder)
    if stretch is not None and len(pair[0]) == 2 and len(pair[1]) == 2:
        # Without an index, the VCF's reader passes over the rest record by record, and counts it.
        found, expected = pair[1][0], pair[0][0]
        assert {c: v[:4] for c, v in found.items()} == {c: v[:4] for c, v in expected.items()}
        return
    if len(pair[0]) == 3:
        assert pair[1][0] == pair[0][0]
        assert pair[1][1].replace("contig_length", "the header") == pair[0][1]
        return
    assert pair[1] == pair[0]


def test_alleles_become_bases(tmp_path: Path) -> None:
    path = store_of(write(tmp_path, [record(1), record(7, "c", "t,G", "0|2 1|. .|."), record(9, "T", "A", "1|1 0 .")]))
    (part,) = ZarrSource(path).read(["c", "a"], CallSettings())
    assert part.positions.tolist() == [0, 6, 8]
    assert part.reference.tolist() == [0, 1, 3]
    assert part.alleles.tolist() == [[0, 0, 0, 2], [-1, -1, 1, 2], [-1, -1, 0, 0]]
    assert (part.chrom, part.end, part.last) == ("1", 10_000, True)
    assert part.alleles.dtype == part.reference.dtype == np.int8


def test_what_the_store_says_of_itself(tmp_path: Path) -> None:
    text = vcf_text(NAMES, [record(5), record(3, chrom="2")], contigs={"1": 50, "2": 70, "3": 9})
    (tmp_path / "x.vcf").write_text(text)
    source = ZarrSource(store_of(tmp_path / "x.vcf"))
    assert source.samples == NAMES
    assert source.contigs == {"1": 50, "2": 70, "3": 9}
    assert source.all_sites is False
    assert source.counts == SourceCounts()
    sites = ZarrSource(store_of(write(tmp_path, [record(5), record(6, "A", ".", "0|0 0|0 0|0")], contigs={"1": None})))
    assert sites.all_sites is True
    assert sites.contigs == {"1": None}


def test_haploid_stores_have_one_column(tmp_path: Path) -> None:
    path = store_of(write(tmp_path, [record(5, calls="1 0 ."), record(6, calls=". 1 1")]))
    assert zarr.open_group(path, mode="r")["call_genotype"].shape == (2, 3, 1)
    (part,) = ZarrSource(path).read(NAMES, CallSettings(need_phase=True))
    assert part.alleles.tolist() == [[2, -2, 0, -2, -1, -2], [-1, -2, 2, -2, 2, -2]]


def test_rows_that_do_not_fit_are_passed_on_in_parts(tmp_path: Path, monkeypatch) -> None:
    records = [record(p, calls=f"0|{p % 2} 1|0 .|0") for p in range(1, 900)]
    records[300:300] = [record(300, "A", "T", "0|0 0|0 1|1")]
    path = write(tmp_path, records)
    monkeypatch.setattr(module, "ROOM", 300)
    store = store_of(path, variants=37, samples=2)
    parts = list(ZarrSource(store).read(NAMES, CallSettings()))
    assert len(parts) == 4
    assert joined(parts) == joined(list(VcfSource(path).read(NAMES, CallSettings())))


def test_large_chunks_are_read_in_pieces(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path, [record(p, calls=f"0|{p % 2} 1|0 .|0") for p in range(1, 99)])
    store = store_of(path)
    expected = joined(list(ZarrSource(store).read(NAMES, CallSettings())))
    loads = []
    load = module._Reading._load

    def counted(self, begin, end):
        loads.append(end - begin)
        return load(self, begin, end)

    monkeypatch.setattr(module._Reading, "_load", counted)
    monkeypatch.setattr(module, "DECODED", 16)
    assert joined(list(ZarrSource(store).read(NAMES, CallSettings()))) == expected
    assert set(loads) == {8, 10}
    assert sum(loads) == 98


def test_only_the_chunks_of_the_chosen_samples_are_read(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5), record(6)]), samples=1)
    (store / "call_genotype" / "0.1.0").write_bytes(b"broken")
    (part,) = ZarrSource(store).read(["c", "a"], CallSettings())
    assert part.alleles.tolist() == [[0, 0, 0, 2], [0, 0, 0, 2]]
    assert "call_genotype/0.1.0 is damaged" in refused(store, ["b"])


# ---------------------------------------------------------------- forms of stores


@pytest.mark.parametrize("compressors", ["none", "zstd", "gzip", "blosc", "lz4", "noshuffle"])
@pytest.mark.parametrize("form", [2, 3])
def test_compressors(tmp_path: Path, form: int, compressors: str) -> None:
    import numcodecs
    from zarr import codecs

    path = write(tmp_path, [record(p, calls=f"0|{p % 2} 1|0 .|0") for p in range(1, 99)])
    made = {
        ("none", 2): None,
        ("none", 3): None,
        ("zstd", 2): numcodecs.Zstd(level=3),
        ("zstd", 3): codecs.ZstdCodec(level=3),
        ("gzip", 2): numcodecs.GZip(),
        ("gzip", 3): codecs.GzipCodec(),
        ("blosc", 2): numcodecs.Blosc(cname="lz4"),
        ("blosc", 3): codecs.BloscCodec(cname="lz4"),
        ("lz4", 2): numcodecs.LZ4(),
        ("lz4", 3): codecs.BloscCodec(cname="lz4hc"),
        ("noshuffle", 2): numcodecs.Blosc(shuffle=0),
        ("noshuffle", 3): codecs.BloscCodec(cname="zlib", shuffle="noshuffle"),
    }[compressors, form]
    store = store_of(path, zarr_format=form, variants=20, compressors=made)
    assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


@pytest.mark.parametrize("options", [{"shards": True}, {"order": "F"}, {"filters": True}, {"separator": "/"}])
def test_layouts_that_zarr_itself_decodes(tmp_path: Path, options) -> None:
    import numcodecs

    path = write(tmp_path, [record(p, calls=f"0|{p % 2} 1|0 .|0") for p in range(1, 99)])
    arrays = arrays_of(path.read_text())
    form, more = 2, {}
    if "shards" in options:
        form = 3
    elif "order" in options:
        more = {"order": "F"}
    elif "filters" in options:
        more = {"filters": [numcodecs.Delta(dtype="i1")]}
    else:
        more = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    store = write_store(tmp_path / "x.vcz", arrays, zarr_format=form, variants=20)
    group = zarr.open_group(store, mode="r+")
    values = arrays["call_genotype"][0]
    if form == 3:
        more = {"shards": (40, 3, 2)}
    del group["call_genotype"]
    group.create_array("call_genotype", shape=values.shape, chunks=(20, 3, 2), dtype="i1", **more)[...] = values
    assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


@pytest.mark.parametrize("dtype", ["U8", "S8"])
def test_alleles_of_a_fixed_length(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path, [record(5), record(6, "A", "<DEL>,G", "1|2 0|0 2|2"), record(7, "A", "T")])
    store = store_of(path, variants=2)
    group = zarr.open_group(store, mode="r+")
    values = np.array(arrays_of(path.read_text())["variant_allele"][0].tolist(), dtype=dtype)
    del group["variant_allele"]
    group.create_array("variant_allele", shape=values.shape, chunks=(2, 1), dtype=dtype)[...] = values
    assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "i8"])
def test_genotypes_of_any_width(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path, [record(5), record(6, calls="1 . .|1")])
    arrays = arrays_of(path.read_text())
    values, axes = arrays["call_genotype"]
    for form in (2, 3):
        store = write_store(
            tmp_path / f"{form}.vcz", {**arrays, "call_genotype": (values.astype(dtype), axes)}, zarr_format=form
        )
        assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


def test_alleles_in_chunks_side_by_side(tmp_path: Path) -> None:
    path = write(tmp_path, [record(p, "A", "G,T", "0|1 2|0 0|0") for p in range(1, 10)])
    arrays = arrays_of(path.read_text())
    store = write_store(tmp_path / "x.vcz", arrays, variants=4)
    group = zarr.open_group(store, mode="r+")
    values = arrays["variant_allele"][0].astype(np.dtypes.StringDType())
    del group["variant_allele"]
    group.create_array("variant_allele", shape=values.shape, chunks=(4, 2), dtype=values.dtype)[...] = values
    assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


def test_arrays_whose_chunks_hold_other_samples(tmp_path: Path) -> None:
    calls = [["0|1:9", "1|0:30", "1|1:40"], ["0|1:30", "0|0:9", "1|1:9"], ["0/0:50", "1|0:60", "1|1:70"]]
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, [("1", p, "A", "G", row) for p, row in enumerate(calls, 1)], form="GT:GQ"))
    arrays = arrays_of(path.read_text())
    store = write_store(tmp_path / "x.vcz", arrays, samples=2)
    group = zarr.open_group(store, mode="r+")
    for name in ("call_GQ", "call_genotype_phased"):
        values = arrays[name][0]
        del group[name]
        group.create_array(name, shape=values.shape, chunks=(2, 1), dtype=values.dtype)[...] = values
    for chosen in (["c"], ["c", "a"], ["b"]):
        how = CallSettings(min_gq=20, need_phase=True)
        assert outcome(ZarrSource(store), chosen, how) == outcome(VcfSource(path), chosen, how)


def test_zip_stores(tmp_path: Path) -> None:
    path = write(tmp_path, [record(p) for p in range(1, 50)])
    store = store_of(path, variants=10)
    packed = tmp_path / "x.vcz.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(store.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(store))
    assert outcome(ZarrSource(packed), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())
    assert [is_store(p) for p in (store, packed, path, tmp_path / "absent")] == [True, True, False, False]
    packed.write_bytes(packed.read_bytes()[:-30])
    assert "is not a whole zip file" in refused(packed)


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@pytest.mark.parametrize("form", [2, 3])
def test_what_bio2zarr_writes(tmp_path: Path, monkeypatch, form: int) -> None:
    """The stores of these tests are those of bio2zarr, array by array."""
    convert = pytest.importorskip("bio2zarr.vcf").convert
    records = [record(p, calls=f"0|{p % 2} 1|0 .|0") for p in range(1, 30)]
    records += [record(31, "A", "G,T,<DEL>,*", "0/4 . 2"), record(33, calls="0|0 0|0 0|0")]
    records += [record(5, chrom="2"), record(6, "AC", "A", chrom="2")]
    path = write(tmp_path, records, contigs={"1": 40, "2": 50})
    packed = tmp_path / "x.vcf.gz"
    subprocess.run(["bcftools", "view", "-o", packed, "-Oz", path], check=True, timeout=60)
    subprocess.run(["bcftools", "index", packed], check=True, timeout=60)
    made = tmp_path / "made.vcz"
    monkeypatch.setattr("bio2zarr.zarr_utils.DEFAULT_ZARR_FORMAT", form)
    convert([packed], made, variants_chunk_size=7, samples_chunk_size=2, worker_processes=0)
    ours = store_of(path, tmp_path / "ours.vcz", zarr_format=form, variants=7, samples=2)
    one, other = zarr.open_group(made, mode="r"), zarr.open_group(ours, mode="r")
    for name in other:
        assert one[name][...].tolist() == other[name][...].tolist(), name
        assert one[name].chunks == other[name].chunks, name
    for name in ("call_genotype", "variant_contig", "variant_position"):
        files = [{p.name for p in (store / name).rglob("[0-9]*")} for store in (made, ours)]
        assert files[0] == files[1]
    expected = outcome(VcfSource(path), NAMES, CallSettings())
    assert outcome(ZarrSource(made), NAMES, CallSettings()) == expected
    assert outcome(ZarrSource(ours), NAMES, CallSettings()) == expected


# ---------------------------------------------------------------- what is refused


def test_paths_that_are_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an address; only local Zarr stores are read; download it first"):
        ZarrSource("https://example.org/x.vcz")
    assert refused(tmp_path / "absent") == "no such file or folder"
    assert refused(tmp_path) == "is a folder without Zarr metadata; a VCF, BCF or VCF Zarr store is needed"
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and nothing else")
    assert refused(tmp_path / "x.zip").startswith("is not a whole zip file")


def test_without_zarr(tmp_path: Path, monkeypatch) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    monkeypatch.setattr("genolstm.introgression.variants.chunks.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as error:
        ZarrSource(store)
    assert str(error.value) == (
        'this needs zarr, which is not installed; install it with: pip install "genolstm[zarr]"'
    )


def test_reading_needs_neither_zarr_nor_pandas_in_memory(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    code = (
        "import sys\n"
        "from genolstm.introgression.variants.block import CallSettings\n"
        "from genolstm.introgression.variants.zarr import ZarrSource\n"
        f"list(ZarrSource({str(store)!r}).read(['a'], CallSettings()))\n"
        "print(sorted({'zarr', 'pandas', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    "name", ["variant_position", "variant_contig", "variant_allele", "sample_id", "contig_id", "call_genotype"]
)
def test_arrays_that_are_not_there(tmp_path: Path, name: str) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    shutil.rmtree(store / name)
    assert refused(store) == (f"is not a VCF Zarr store: it has no array {name}; bio2zarr makes one (vcf2zarr convert)")


@pytest.mark.parametrize(
    ("name", "values", "axes", "said"),
    [
        ("call_genotype", np.zeros((2, 3), "i1"), "vs", "is not a VCF Zarr store: call_genotype has 2 axes, not 3"),
        ("call_genotype", np.zeros((2, 3, 2), "f4"), "vsp", "call_genotype holds float32, not numbers"),
        ("call_genotype", np.zeros((2, 3, 0), "i1"), "vsp", "its genotypes or alleles have no columns"),
        ("call_genotype", np.zeros((1, 3, 2), "i1"), "vsp", "call_genotype has 1 entries where other arrays have 2"),
        ("call_genotype", np.zeros((2, 2, 2), "i1"), "vsp", "call_genotype has 2 entries where other arrays have 3"),
        ("variant_allele", np.zeros((2, 2), "i1"), "va", "variant_allele holds int8, not strings"),
        ("variant_contig", np.zeros(3, "i1"), "v", "variant_contig has 3 entries where other arrays have 2"),
        ("variant_contig", np.full(2, 4, "i1"), "v", "record 1 is on chromosome number 4, which contig_id lacks"),
        ("variant_position", np.zeros(2, "f8"), "v", "variant_position holds float64, not numbers"),
        ("sample_id", np.array(["a", "b", "a"], dtype=object), "s", "names the sample a twice"),
        ("contig_id", np.array(["1", "1"], dtype=object), "c", "contig_id names a chromosome twice"),
        ("variant_filter", np.zeros((2, 3), bool), "vf", "variant_filter has 3 entries where other arrays have 1"),
        ("call_genotype_phased", np.zeros((2, 3), "i1"), "vs", "call_genotype_phased holds int8, not truth values"),
        ("variant_allele", np.array([["A", "G"], ["", ""]], dtype=object), "va", "record 2 has no REF"),
        ("variant_allele", np.array([["A", "", "G"]] * 2, dtype=object), "va", "its alleles cannot be read"),
    ],
)
def test_arrays_of_another_schema(tmp_path: Path, name: str, values, axes: str, said: str) -> None:
    arrays = arrays_of(vcf_text(NAMES, [record(5), record(6)]))
    words = {"v": "variants", "s": "samples", "p": "ploidy", "a": "alleles", "c": "contigs", "f": "filters"}
    arrays[name] = values, tuple(words[a] for a in axes)
    assert said in refused(write_store(tmp_path / "x.vcz", arrays))


def test_damaged_metadata(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    meta = store / "call_genotype" / ".zarray"
    meta.write_text(meta.read_text()[:40])
    assert refused(store).startswith("the metadata in call_genotype/.zarray are damaged")
    meta.write_text(json.dumps({"shape": [1, 3, 2], "chunks": [1, 3], "dtype": "|i1"}))
    assert "the metadata of call_genotype are damaged (shape and chunks do not fit)" in refused(store)
    meta.write_text(json.dumps({"shape": [1, 3, 2]}))
    assert refused(store).startswith("the metadata of call_genotype are damaged")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([record(50), record(40)], "1:40: position 40 comes after 50; sort the file"),
        ([record(50), record(60, chrom="2"), record(70)], "1:70: chromosome 1 reappears after another one; sort"),
        ([record(5), record(6, calls="0|1|1 0|0 0|0")], "1:6: the genotype of a has 3 alleles; only 1 or 2"),
        ([record(5), record(6, calls="0|0 0|2 0|0")], "1:6: a genotype of b names allele 2, but the record has 2"),
        ([record(5), record(102)], "1:102: lies beyond the length stated in contig_length (100 bp)"),
        ([record(5), record(5, "C", "T")], "1:5: REF is C here and A in the previous record; a position has only"),
        ([record(5, calls="0|0 0|0 0/1")], "1:5: sample c is heterozygous and unphased; phase the file, or"),
        ([record(9, "A", ",".join(["G"] * 251))], "more than 250"),
    ],
)
def test_records_that_are_wrong(tmp_path: Path, records, said: str) -> None:
    store = store_of(write(tmp_path, records, contigs={"1": 100, "2": 100}))
    assert said in refused(store, need_phase=True)


def test_numbers_that_are_no_allele(tmp_path: Path) -> None:
    arrays = arrays_of(vcf_text(NAMES, [record(5)]))
    arrays["call_genotype"][0][0, 1] = [0, -3]
    assert refused(write_store(tmp_path / "x.vcz", arrays)) == ("1:5: the genotype of b holds -3, which is no allele")


def test_samples_that_are_not_there(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    assert refused(store, ["a", "x", "y"]) == "has no sample x, y (2 of 3 named samples are missing)"


def test_without_phase_no_heterozygote_is_phased(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5, calls="0|0 1|1 1|0")]))
    shutil.rmtree(store / "call_genotype_phased")
    assert "sample c is heterozygous and unphased" in refused(store, need_phase=True)
    source = ZarrSource(store)
    (part,) = source.read(NAMES, CallSettings(need_phase=True, allow_unphased=True))
    assert (part.alleles.tolist(), source.counts.unphased) == ([[0, 0, 2, 2, 2, 0]], 1)


def test_qualities_that_the_store_does_not_have(tmp_path: Path) -> None:
    store = store_of(write(tmp_path, [record(5)]))
    assert refused(store, min_gq=20) == "has no array call_GQ, so no call has the least GQ"
    assert refused(store, min_dp=5) == "has no array call_DP, so no call has the least DP"


# ---------------------------------------------------------------- stores that were cut short


@pytest.fixture(scope="module")
def pattern(tmp_path_factory) -> Path:
    """A store of 4 chunks of variants and 2 of samples, in each of which somebody varies."""
    names = [f"s{i}" for i in range(40)]
    rng = np.random.default_rng(3)
    records = []
    for p in range(1, 401):
        calls = [f"{a}|{b}:30" for a, b in rng.integers(0, 2, (40, 2))]
        records.append(("2" if p > 250 else "1", p if p <= 250 else p - 250, "A", "G", calls))
    path = tmp_path_factory.mktemp("many") / "many.vcf"
    path.write_text(vcf_text(names, records, contigs={"1": 1000, "2": 1000}, form="GT:GQ"))
    return store_of(path, variants=100, samples=20)


@pytest.fixture
def store(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "many.vcz"))


@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("call_genotype", "2.1.0"),
        ("variant_position", "1"),
        ("variant_allele", "3.0"),
        ("variant_filter", "2.0"),
        ("call_GQ", "0.1"),
        ("sample_id", "1"),
    ],
)
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "short"])
def test_chunks_that_are_gone_or_cut(store: Path, name: str, chunk: str, how: str) -> None:
    path = store / name / chunk
    if how == "gone":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "cut": content[:-5], "short": content[:10]}[how])

    def read() -> None:
        source = ZarrSource(store)
        list(source.read(source.samples, CallSettings(min_gq=5)))

    with pytest.raises(InputError) as error:
        read()
    text = str(error.value)
    assert f"the chunk {name}/{chunk} is " in text
    assert ("missing: the store was cut short" if how == "gone" else "damaged or cut short") in text
    assert text.endswith("copy or download the store again")


def test_a_contig_chunk_that_is_gone_is_told_by_the_index(store: Path) -> None:
    arrays = zarr.open_group(store, mode="r+")
    numbers = np.array(arrays["variant_contig"][...])
    index = [
        (i, c, 1, 2, 2, int((numbers[100 * i : 100 * i + 100] == c).sum()))
        for i in range(4)
        for c in (0, 1)
        if (numbers[100 * i : 100 * i + 100] == c).any()
    ]
    values = np.array(index, dtype="i4")
    arrays.create_array("region_index", shape=values.shape, chunks=values.shape, dtype="i4")[...] = values
    # Chunks of nothing but the first chromosome are not written at all.
    assert sorted(p.name for p in (store / "variant_contig").glob("[0-9]")) == ["2", "3"]
    source = ZarrSource(store)
    assert [part.chrom for part in source.read(source.samples, CallSettings()) if part.last] == ["1", "2"]
    (store / "variant_contig" / "3").unlink()
    with pytest.raises(InputError, match="variant_contig/3 is missing: the store was cut short"):
        list(ZarrSource(store).read(["s1"], CallSettings()))


def test_chunks_that_are_left_out_because_nobody_varies(tmp_path: Path) -> None:
    """Writers leave out chunks of nothing but zeros, as in all-sites stores of one archaic."""
    records = [record(p, "A", ".", "0|0 0|0 0|0") for p in range(1, 3001)]
    records[2500] = record(2501, "A", "G", "0|0 1|1 0|0")
    path = write(tmp_path, records)
    store = store_of(path, variants=1000)
    assert [p.name for p in (store / "call_genotype").glob("[0-9]*")] == ["2.0.0"]
    assert outcome(ZarrSource(store), NAMES, CallSettings()) == outcome(VcfSource(path), NAMES, CallSettings())


def test_stretches_read_only_their_chunks(store: Path) -> None:
    for chunk in ("0", "3"):
        (store / "call_genotype" / f"{chunk}.0.0").unlink()
    source = ZarrSource(store)
    parts = joined(list(source.read(["s1"], CallSettings(), [Stretch("1", 120, 140), Stretch("1", 199, 205)])))
    assert parts["1"][0] == [*range(120, 140), *range(199, 205)]
    assert source.counts.records == 26
    with pytest.raises(InputError, match="1 has 1000 bp, and 1:991-1001 reaches beyond it"):
        source.read(["s1"], CallSettings(), [Stretch("1", 990, 1001)])
    assert list(source.read(["s1"], CallSettings(), [Stretch("3", 0, 5)])) == []


# ---------------------------------------------------------------- the door


@pytest.fixture(scope="module")
def files(region_folder: Path, tmp_path_factory) -> dict[str, Path]:
    """The VCF of a region and its store, and those of each role alone."""
    folder = tmp_path_factory.mktemp("roles")
    text = gzip.decompress((region_folder / "region.vcf.gz").read_bytes()).decode()
    names = {role: (region_folder / f"{role}.txt").read_text().split() for role in ("target", "outgroup", "archaic")}
    header, records = [], []
    for line in text.splitlines():
        (header if line.startswith("##") else records).append(line)
    columns = records[0].split("\t")
    found = {}
    for role, wanted in {"all": columns[9:], **names}.items():
        kept = [*range(9), *(columns.index(name) for name in wanted)]
        path = folder / f"{role}.vcf"
        lines = ["\t".join(line.split("\t")[i] for i in kept) for line in records]
        path.write_text("\n".join([*header, *lines]) + "\n")
        found[f"{role}.vcf"] = path
        found[f"{role}.vcz"] = store_of(path, variants=300, samples=4)
    return found


HMM = ScanSettings(baseline="hmm")  # the network of the tests calls nothing


def scanned(door: VcfDoor, model: Path, folder: Path) -> tuple[bytes, ...]:
    folder.mkdir()
    outputs = [folder / name for name in ("x.bed", "x.tsv", "x.bedgraph")]
    run(door, output=outputs[0], posteriors=outputs[1], bedgraph=outputs[2], model=model, settings=HMM, threads=1)
    return tuple(path.read_bytes() for path in outputs)


@pytest.mark.parametrize("door", [VcfDoor, ZarrDoor])
def test_a_scan_of_a_store_is_that_of_its_vcf(
    files, region_folder: Path, tiny_model: Path, tmp_path: Path, door
) -> None:
    lists = {role: region_folder / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    expected = scanned(VcfDoor(files["all.vcf"], **lists), tiny_model, tmp_path / "vcf")
    assert expected[0].count(b"\n") > 2
    assert scanned(door(files["all.vcz"], **lists), tiny_model, tmp_path / "vcz") == expected
    assert scanned(door([files["all.vcz"]], **lists, chrom="chr1"), tiny_model, tmp_path / "one") == expected


def test_stores_of_one_role_each_are_joined_as_vcfs_are(files, region_folder, tiny_model, tmp_path: Path) -> None:
    target = region_folder / "target.txt"

    def door(kinds: str) -> VcfDoor:
        one, two, three = (
            files[f"{role}.{kind}"] for role, kind in zip(("target", "outgroup", "archaic"), kinds.split(), strict=True)
        )
        return VcfDoor(one, target, outgroup_vcf=two, archaic_vcf=three)

    expected = scanned(door("vcf vcf vcf"), tiny_model, tmp_path / "vcf")
    for kinds in ("vcz vcz vcz", "vcf vcz vcf", "vcz vcf vcz"):
        assert scanned(door(kinds), tiny_model, tmp_path / kinds) == expected


def test_the_door_of_stores_refuses_a_vcf(files, region_folder: Path) -> None:
    lists = {role: region_folder / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    with pytest.raises(InputError) as error:
        ZarrDoor(files["all.vcf"], **lists).tracks(TrackSettings())
    assert str(error.value) == f"{files['all.vcf']}: is not a VCF Zarr store; VcfDoor reads VCF and BCF"


def test_the_command_reads_stores_and_refuses_cut_ones(cli, files, region_folder, tiny_model, tmp_path: Path) -> None:
    store = Path(shutil.copytree(files["all.vcz"], tmp_path / "x.vcz"))
    words = ["introgression", "scan", "--vcf", store, "--model", tiny_model, "-o", tmp_path / "x.bed"]
    words += [w for role in ("target", "outgroup", "archaic") for w in (f"--{role}", region_folder / f"{role}.txt")]
    code, _, err = cli(*words)
    assert code == 0, err
    assert "scanned 6 haplotypes" in err
    gone = sorted((store / "call_genotype").glob("[0-9]*"))[0]
    gone.unlink()
    (tmp_path / "x.bed").unlink()
    (tmp_path / "x.json").unlink()
    code, _, err = cli(*words)
    assert code == 1
    assert f"{store}: the chunk call_genotype/{gone.name} is missing: the store was cut short; copy" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.vcz"]
