"""Both doors against brute force over k-mers, and against each other."""

from __future__ import annotations

import gzip
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.introgression import haplotype_texts, tracks_by_kmers, vcf_of_alleles

from genolstm.errors import InputError, PanelError, SettingError
from genolstm.introgression.channels import CALLABLE, CELLS, CHANNELS, COUNT_CHANNELS, N_COUNTS, PARTS
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import frequency_classes, rare_evidence, tracks_from_counts, tracks_from_variants
from genolstm.introgression.variants.block import VariantBlock
from genolstm.introgression.variants.join import VariantReader
from genolstm.sequences.alphabet import encode
from genolstm.sequences.kmers import valid_kmers
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel


@st.composite
def regions(draw, *, least_k=5, archaics=(1, 1), gaps=(0, 0.04)):
    """Dense variants of a short sequence: (settings, reference, positions, three allele tables)."""
    k = draw(st.integers(least_k, 31))
    size = draw(st.integers(k, 80))
    length = draw(st.integers(k, 260))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.02, 0.1, 0.4, 1.0]))
    positions = np.flatnonzero(random.random(length) < density)
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(*archaics))
    # A few ancestral haplotypes, so that patterns are shared, and single changes on top.
    founders = random.integers(0, 4, (len(positions), 3), dtype=np.int8)
    founders[:, 1] = np.where(random.random(len(positions)) < 0.7, founders[:, 0], founders[:, 1])
    total = sum(shape)
    alleles = founders[:, random.integers(0, 3, total)]
    change = random.random(alleles.shape) < 0.05
    alleles = np.where(change, random.integers(0, 4, alleles.shape), alleles).astype(np.int8)
    alleles[random.random(alleles.shape) < draw(st.sampled_from(gaps))] = -1
    target, outgroup, archaic = np.split(alleles, np.cumsum(shape)[:2], axis=1)
    reference = random.integers(0, 4, length)
    return TrackSettings(k, size), reference, positions, target, outgroup, archaic


@st.composite
def masks(draw, length=260):
    edges = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]


def block_of(positions, target, outgroup, archaic) -> VariantBlock:
    return VariantBlock("1", positions, *(np.ascontiguousarray(a) for a in (target, outgroup, archaic)))


@settings(max_examples=120, deadline=None)
@given(regions(), masks())
def test_variants_give_what_their_kmers_say(region, mask) -> None:
    track_settings, reference, positions, target, outgroup, archaic = region
    length = len(reference)
    mask = [(a, min(b, length)) for a, b in mask if a < length]
    bins = -(-length // track_settings.bin)
    found = tracks_from_variants(
        block_of(positions, target, outgroup, archaic),
        first_bin=0,
        last_bin=bins,
        length=length,
        settings=track_settings,
        uncallable=mask,
    )
    expected = tracks_by_kmers(
        *(haplotype_texts(reference, positions, a) for a in (target, outgroup, archaic)), track_settings, masked=mask
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(regions(), st.data())
def test_bins_may_be_asked_for_in_any_pieces(region, data) -> None:
    track_settings, reference, positions, *alleles = region
    bins = -(-len(reference) // track_settings.bin)
    cuts = sorted({0, bins, *data.draw(st.lists(st.integers(0, bins), max_size=3))})

    def tracks(first: int, last: int) -> np.ndarray:
        return tracks_from_variants(
            block_of(positions, *alleles),
            first_bin=first,
            last_bin=last,
            length=len(reference),
            settings=track_settings,
        )

    pieces = [tracks(a, b) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), tracks(0, bins))


@settings(max_examples=30, deadline=None)
@given(regions(least_k=15, archaics=(1, 3), gaps=(0,)))
def test_panels_give_what_the_kmers_say(region) -> None:
    track_settings, reference, positions, *alleles = region
    k = track_settings.k
    texts = [haplotype_texts(reference, positions, a) for a in alleles]
    # Unknown bases in the query: its k-mers there are not asked about.
    gap = slice(len(reference) // 2, len(reference) // 2 + 3)
    texts[0] = [text[: gap.start] + "N" * 3 + text[gap.stop :] for text in texts[0]]
    texts[0] = [text[: len(reference)] for text in texts[0]]
    panels = []
    for group in texts:
        builder = PanelBuilder(k)
        for text in group:
            builder.add_haplotype([encode(text)])
        try:
            panels.append(builder.finish())
        except PanelError:  # every k-mer covers an unknown base
            return
    target, outgroup, archaic = panels
    expected = tracks_by_kmers(*texts, track_settings)
    for h, text in enumerate(texts[0]):
        codes = encode(text)
        found = tracks_from_counts(
            [archaic.lookup(codes)],
            outgroup.lookup(codes),
            target.lookup(codes),
            valid_kmers(codes, k),
            length=len(codes),
            outgroup_size=outgroup.n_haplotypes,
            target_size=target.n_haplotypes,
            settings=track_settings,
        )
        np.testing.assert_allclose(found, expected[h], atol=1e-5)


def test_frequency_classes_agree_between_the_doors() -> None:
    """The doors classify by count / size in the same way, at the edges too."""
    size = 200
    edges = [0, 2, 10, 40, 100, 180, 200]
    assert np.flatnonzero(np.diff(frequency_classes(size))).tolist() == edges[:-1]
    position = np.array([50])
    for count in [0, 1, 2, 3, 10, 11, 40, 41, 100, 101, 180, 181, 200]:
        outgroup = (np.arange(size) < count).astype(np.int8)[None]
        block = block_of(position, np.array([[1]], np.int8), outgroup, np.array([[0]], np.int8))
        track = tracks_from_variants(block, first_bin=0, last_bin=1, length=100, settings=TrackSettings(31, 100))
        (channel,) = np.flatnonzero(track[0, 0, :N_COUNTS])
        f = frequency_classes(size)[count]
        names = ["absent_single", "to0.01_single", "to0.05_single", "to0.2", "to0.5", "to0.9", "to1_not_first"]
        assert COUNT_CHANNELS[channel] == names[f]
        assert track[0, 0, channel] == pytest.approx(1)  # one variant is one unit


def test_channels_are_those_that_models_were_made_for() -> None:
    assert len(CHANNELS) == 43
    assert len(set(CHANNELS)) == 43
    rare = [f"{f}_{s}" for f in ("absent", "to0.01", "to0.05") for s in ("single", "shared")]
    cells = [*rare, "to0.2", "to0.5", "to0.9"]
    assert list(CHANNELS) == [
        *(cell + part for cell in cells for part in ("", "_first", "_second", "_both")),
        "to1_not_first",
        "to1_not_second",
        "callable",
        "callable_first",
        "callable_second",
        "outgroup_size",
        "target_size",
    ]
    # What a scan reports as evidence is counted in the cells of what is rare, each source once.
    tracks = np.zeros((1, 1, len(CHANNELS)))
    for name in rare:
        tracks[0, 0, [CHANNELS.index(name + part) for part in PARTS]] = 10, 4, 3, 2
    tracks[0, 0, [CHANNELS.index(cell) for cell in cells[6:]]] = 100
    assert [float(part[0, 0]) for part in rare_evidence(tracks, 2)] == [30, 30]
    assert [float(part[0, 0]) for part in rare_evidence(tracks, 0)] == [60, 0]


@pytest.mark.parametrize(("k", "size", "said"), [(0, 100, "k is 0"), (32, 100, "k is 32"), (31, 30, "bin is 30 bp")])
def test_settings_that_make_no_sense(k, size, said) -> None:
    with pytest.raises(SettingError, match=said):
        TrackSettings(k, size)


# --- whole files --------------------------------------------------------------------------------


def joined(blocks, *, rows: int) -> np.ndarray:
    """Tracks of a one-chromosome scan: blocks of bins, or blocks of haplotypes."""
    blocks = list(blocks)
    axis = 0 if all(block.first_bin == 0 and block.last for block in blocks) else 1
    whole = np.concatenate([block.tracks for block in blocks], axis=axis)
    assert whole.shape[0] == rows
    return whole


def reader(folder: Path, vcf: str = "region.vcf.gz") -> VariantReader:
    names = {role: (folder / f"{role}.txt").read_text().split() for role in ("target", "outgroup", "archaic")}
    return VariantReader(folder / vcf, **names)


def from_fasta(path, panels, *, threads=2, sharing=None, size=1000) -> np.ndarray:
    opened = [KmerPanel.open(panels[role]) for role in ("archaic", "outgroup")]
    blocks = FastaDoor([path], *opened, sharing=sharing).tracks(TrackSettings(31, size), threads=threads)
    return joined(blocks, rows=6)


@pytest.fixture(scope="module")
def vcf_whole(region_folder) -> np.ndarray:
    return joined(VcfDoor(reader(region_folder)).tracks(TrackSettings()), rows=6)


@pytest.fixture(scope="module")
def fasta_whole(region_folder, panels) -> np.ndarray:
    return from_fasta(region_folder / "target.fa.gz", panels)


def test_fasta_door_equals_vcf_door(region, vcf_whole, fasta_whole) -> None:
    """The same numbers to the last bit, as no k-mer covers two heterozygous archaic sites."""
    block = region.block()
    het = block.positions[block.archaic[:, 0] != block.archaic[:, 1]]
    assert len(het) > 10
    assert np.diff(het).min() >= 31
    assert fasta_whole.shape == (6, 240, len(CHANNELS))
    np.testing.assert_array_equal(vcf_whole, fasta_whole)


@settings(max_examples=60, deadline=None)
@given(regions(archaics=(2, 3), gaps=(0,)))
def test_doors_differ_where_a_kmer_covers_two_heterozygous_archaic_sites(region) -> None:
    """... and nowhere else.

    The VCF door takes archaic individuals as unphased: there, alleles of different haplotypes
    together make a match that no k-mer of a panel shows.
    """
    track_settings, reference, positions, *alleles = region
    k, size, length = track_settings.k, track_settings.bin, len(reference)
    bins = -(-length // size)
    by_sites = tracks_from_variants(
        block_of(positions, *alleles), first_bin=0, last_bin=bins, length=length, settings=track_settings
    )
    by_kmers = tracks_by_kmers(*(haplotype_texts(reference, positions, a) for a in alleles), track_settings)
    het = np.zeros(length)
    het[positions] = (alleles[2] != alleles[2][:, :1]).any(axis=1)
    several = np.convolve(het, np.ones(k), "valid") > 1
    loose = np.bincount((np.arange(length - k + 1) + k // 2) // size, several, bins) > 0
    np.testing.assert_allclose(by_sites[:, ~loose], by_kmers[:, ~loose], atol=1e-5)
    np.testing.assert_allclose(by_sites[:, :, N_COUNTS:], by_kmers[:, :, N_COUNTS:], atol=1e-5)
    match = [i for i, name in enumerate(CHANNELS) if name.endswith("_first") and name[:4] not in ("call", "to1_")]
    lacks = CHANNELS.index("to1_not_first")
    assert (by_sites[:, :, match] >= by_kmers[:, :, match] - 1e-5).all()
    assert (by_sites[:, :, lacks] <= by_kmers[:, :, lacks] + 1e-5).all()
    every = [CHANNELS.index(cell) for cell in CELLS]
    np.testing.assert_allclose(by_sites[:, :, every], by_kmers[:, :, every], atol=1e-5)


def test_two_archaic_haplotypes_mixed() -> None:
    positions = np.array([40, 50])
    target, outgroup = np.array([[1], [2]], np.int8), np.zeros((2, 2), np.int8)
    archaic = np.array([[1, 3], [3, 2]], np.int8)  # the query has one allele of either haplotype
    track_settings = TrackSettings(21, 100)
    found = tracks_from_variants(
        block_of(positions, target, outgroup, archaic), first_bin=0, last_bin=1, length=100, settings=track_settings
    )
    channel = CHANNELS.index("absent_single_first")
    assert found[0, 0, channel] * 21 == pytest.approx(31)
    texts = [haplotype_texts(np.zeros(100, int), positions, a) for a in (target, outgroup, archaic)]
    plain = tracks_by_kmers(*texts, track_settings)
    assert plain[0, 0, channel] * 21 == pytest.approx(20)  # 11 k-mers cover both sites
    assert plain[0, 0, CHANNELS.index("absent_single")] * 21 == pytest.approx(31)


def test_doors_are_equal_for_one_archaic_haplotype(region, region_folder, panels, tmp_path) -> None:
    builder = PanelBuilder(31)
    column = int(region.haplotype_columns("archaic")[0])
    builder.add_haplotype([region.sequence(column).astype(np.uint8)])
    path = tmp_path / "one.panel"
    builder.finish().save(path)
    found = from_fasta(region_folder / "target.fa.gz", {**panels, "archaic": path})
    block = region.block()
    block.archaic = np.ascontiguousarray(block.archaic[:, :1])
    expected = tracks_from_variants(block, first_bin=0, last_bin=240, length=240_000, settings=TrackSettings())
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("span", [1, 1000, 7000, 50_000, 239_000, 1_000_000])
def test_blocks_of_any_span_give_the_same_tracks(region_folder, vcf_whole, span) -> None:
    blocks = list(VcfDoor(reader(region_folder), span=span).tracks(TrackSettings()))
    at = 0
    for block in blocks:
        assert block.first_bin == at
        at += block.tracks.shape[1]
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    np.testing.assert_array_equal(joined(blocks, rows=6), vcf_whole)


@settings(max_examples=25, deadline=None)
@given(region=regions(), span=st.integers(1, 200), header=st.booleans(), shift=st.sampled_from([0, 37, 900]))
def test_spans_with_and_without_a_length_in_the_header(tmp_path_factory, region, span, header, shift) -> None:
    """Positions far from the start; the chromosome ends at its last record if no header says more."""
    track_settings, reference, positions, target, outgroup, archaic = region
    alleles = np.concatenate([np.repeat(a, 2, axis=1) for a in (target, outgroup, archaic)], axis=1)
    called = (target >= 0).any(axis=1) & (outgroup >= 0).any(axis=1)
    shown = np.where(alleles < 0, alleles.max(axis=1, keepdims=True, initial=-1), alleles)
    if not (called & (shown != shown[:, :1]).any(axis=1)).any():
        return
    names = [[f"{role}{i}" for i in range(a.shape[1])] for role, a in (("t", target), ("o", outgroup), ("a", archaic))]
    path = tmp_path_factory.mktemp("span") / "x.vcf"
    end = int(positions[-1]) + 1
    length = len(reference) if header else end
    vcf_of_alleles(path, positions + shift, alleles, list(chain(*names)), length=length + shift if header else None)
    absent = dict.fromkeys(("target", "outgroup", "archaic"), "reference")
    blocks = list(VcfDoor(VariantReader(path, *names, absent=absent), span=span).tracks(track_settings))
    found = joined(blocks, rows=2 * target.shape[1]) if blocks else np.zeros(0)
    first, last = ((int(positions[0]) + shift) // track_settings.bin, -(-(end + shift) // track_settings.bin))
    # Where all who were called are alike, a site says only of whom nothing is known, which hides the place.
    known = np.where(alleles < 0, alleles.max(axis=1, keepdims=True, initial=-1), alleles)
    alike = (known == known[:, :1]).all(axis=1)
    silent = np.logical_or.reduce([(a < 0).all(axis=1) for a in (target, outgroup, archaic)])
    hidden = (positions[alike & silent] + shift).tolist()
    expected = tracks_from_variants(
        block_of(positions + shift, *(np.repeat(a, 2, axis=1) for a in (target, outgroup, archaic))),
        first_bin=first,
        last_bin=last,
        length=length + shift,
        settings=track_settings,
        uncallable=merge_spans([(p, p + 1) for p in hidden]),
    )
    assert blocks[0].first_bin == first
    np.testing.assert_array_equal(found, expected)
    assert blocks[-1].length == length + shift


def rewritten(source: Path, path: Path, *, width: int, lower: bool, crlf: bool) -> Path:
    """The same sequences in another dress."""
    lines = []
    for record in gzip.decompress(source.read_bytes()).decode().split(">")[1:]:
        name, text = record.split("\n", 1)
        text = text.replace("\n", "")
        if lower:
            text = text[:1000].lower() + text[1000:]
        step = width or len(text)
        lines += [f">{name}", *(text[i : i + step] for i in range(0, len(text), step))]
    content = (("\r\n" if crlf else "\n").join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("name", "width", "lower", "crlf"),
    [
        ("a.fa", 60, False, False),
        ("a.fa", 0, True, False),
        ("a.fa.gz", 7, False, True),
        ("a.fa.gz", 100_000, True, True),
    ],
)
def test_fasta_in_any_dress_gives_the_same_tracks(
    region_folder, panels, fasta_whole, tmp_path, name, width, lower, crlf
) -> None:
    path = rewritten(region_folder / "target.fa.gz", tmp_path / name, width=width, lower=lower, crlf=crlf)
    np.testing.assert_array_equal(from_fasta(path, panels, threads=1), fasta_whole)


def test_without_sharing_every_haplotype_is_single(region_folder, panels, fasta_whole) -> None:
    alone = from_fasta(region_folder / "target.fa.gz", panels, sharing=False)
    shared = [i for i, name in enumerate(CHANNELS) if "_shared" in name]
    single = [i for i, name in enumerate(CHANNELS) if "_single" in name]
    assert fasta_whole[:, :, shared].sum() > 0
    assert alone[:, :, shared].sum() == 0
    np.testing.assert_allclose(alone[:, :, single], fasta_whole[:, :, single] + fasta_whole[:, :, shared], atol=1e-5)
    assert (alone[:, :, -1] == 0).all()  # log10 of one haplotype
    rest = [i for i in range(len(CHANNELS) - 1) if i not in shared + single]
    np.testing.assert_array_equal(alone[:, :, rest], fasta_whole[:, :, rest])


# --- masks --------------------------------------------------------------------------------------


def complement(spans, length):
    edges = [0, *(edge for span in spans for edge in span), length]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def test_masks_remove_what_they_name_and_no_more(region, region_folder, vcf_whole) -> None:
    k, length = 31, 240_000
    spans = [(0, 1), (5_000, 5_100), (10_500, 13_200), (100_020, 100_021), (239_300, 239_999)]
    excluded = joined(
        VcfDoor(reader(region_folder), exclude_mask={"chr1": spans}, span=9000).tracks(TrackSettings()), rows=6
    )
    bases = np.ones(length, dtype=bool)
    for a, b in spans:
        bases[a:b] = False
    good = np.convolve(bases, np.ones(k), "valid") == k  # k-mers with no masked base
    at = (np.arange(length - k + 1) + k // 2) // 1000
    expected = np.bincount(at, good, minlength=240)[: vcf_whole.shape[1]] / 1000
    np.testing.assert_allclose(excluded[0, :, CALLABLE], expected, atol=1e-6)
    untouched = np.bincount(at, ~good, minlength=240)[: vcf_whole.shape[1]] == 0
    assert np.flatnonzero(~untouched).tolist() == [0, 4, 5, 10, 11, 12, 13, 100, 239]
    np.testing.assert_array_equal(excluded[:, untouched], vcf_whole[:, untouched])
    assert (excluded[:, [11, 12], :N_COUNTS] == 0).all()

    allowed = {"chr1": complement(spans, length)}
    called = joined(VcfDoor(reader(region_folder), callable_mask=allowed).tracks(TrackSettings()), rows=6)
    np.testing.assert_array_equal(called, excluded)
    both = joined(
        VcfDoor(reader(region_folder), callable_mask=allowed, exclude_mask={"chr1": spans}).tracks(TrackSettings()),
        rows=6,
    )
    np.testing.assert_array_equal(both, excluded)


def test_a_callable_mask_of_another_chromosome_too(region_folder) -> None:
    mask = {"chr1": [(0, 1000)], "chr2": [(0, 5)]}
    tracks = joined(VcfDoor(reader(region_folder), callable_mask=mask).tracks(TrackSettings()), rows=6)
    assert tracks[0, 0, CALLABLE] == pytest.approx(0.97 - 0.015 + 0.015, abs=1e-6)
    assert (tracks[:, 1:, : CALLABLE + 1] == 0).all()


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ({"2": [(0, 10)]}, "the mask covers 2, the VCF chr1"),
        ({"chr1": [(0, 240_001)]}, r"reaches chr1:240001, beyond the end of chr1 \(240000 bp\)"),
    ],
)
@pytest.mark.parametrize("which", ["callable_mask", "exclude_mask"])
def test_masks_that_do_not_fit(region_folder, which, mask, said) -> None:
    with pytest.raises(InputError, match=said):
        next(VcfDoor(reader(region_folder), **{which: mask}).tracks(TrackSettings()))


def test_panel_of_another_k(region_folder, panels, tmp_path) -> None:
    builder = PanelBuilder(21)
    builder.add_haplotype([encode("ACGTAGCTAGCTAGGATCGATTTACGGCATC" * 2)])
    path = tmp_path / "k21.panel"
    builder.finish().save(path)
    with pytest.raises(PanelError, match="holds 21-mers where 31-mers are needed") as error:
        from_fasta(region_folder / "target.fa.gz", {**panels, "outgroup": path})
    assert error.value.path == str(path)
