"""Many haplotypes: what keeps memory and time small changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.introgression import haplotype_texts, tiny_bundle, tracks_by_kmers

from genolstm.introgression.doors import blocks
from genolstm.introgression.doors.blocks import bounded_span
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.tracks import TrackSettings, tracks_from_variants
from genolstm.introgression.variants.block import VariantBlock
from genolstm.lstm.bundle import held, runtime
from genolstm.lstm.bundle.bundle import Bundle


@pytest.mark.parametrize("n", [15, 16, 17, 18, 70])
def test_many_patterns_are_told_apart_as_few_are(n: int) -> None:
    """Around the number from which on patterns are hashed, some of them carried twice."""
    random = np.random.default_rng(n)
    positions = np.arange(3, 300, 4)
    target = random.integers(0, 4, (len(positions), n), dtype=np.int8)
    target[:, 1] = target[:, 0]
    target[:, n - 1] = target[:, n // 2]
    outgroup = np.concatenate([target[:, ::3], random.integers(0, 4, (len(positions), 9), dtype=np.int8)], axis=1)
    archaic = target[:, 2:3].copy()
    target[random.random(target.shape) < 0.01] = -1
    reference = random.integers(0, 4, 300)
    settings = TrackSettings(21, 50)
    found = tracks_from_variants(
        VariantBlock("1", positions, target, outgroup, archaic), first_bin=0, last_bin=6, length=300, settings=settings
    )
    texts = [haplotype_texts(reference, positions, alleles) for alleles in (target, outgroup, archaic)]
    np.testing.assert_allclose(found, tracks_by_kmers(*texts, settings), atol=1e-5)


def test_spans_are_shorter_for_many_haplotypes() -> None:
    assert bounded_span(2_000_000, 1000, 40) == 2_000_000
    assert bounded_span(2_000_500, 1000, 1) == 2_000_000
    assert bounded_span(2_000_000, 1000, 3000) == 100_000
    assert bounded_span(10, 1000, 40) == 1000
    assert bounded_span(2_000_000, 1000, 10**9) == 1000


@pytest.mark.parametrize("baseline", [None, "hmm"])
@pytest.mark.parametrize("tile", [0, 60])
def test_a_scan_in_small_parts_is_the_same(
    region_folder: Path, tiny_model: Path, tmp_path: Path, monkeypatch, tile, baseline
) -> None:
    hmm = SupervisedHMM.from_dict(Bundle.open(tiny_model).metadata["hmm"])
    path = tiny_bundle(tmp_path / "tiny.genolstm", context=7 if tile else 60, tile=tile, seed=8, hmm=hmm)
    model = IntrogressionClassifier.load(path, threads=2)
    lists = {role: region_folder / f"{role}.txt" for role in ("target", "outgroup", "archaic")}

    def scanned() -> list:
        result = model.open(VcfDoor(region_folder / "region.vcf.gz", **lists), baseline=baseline)
        return list(result.blocks)

    (whole,) = scanned()
    spans = []
    made = blocks.bounded_span
    for name, value in (("PART_STEPS", 200), ("MIN_ROWS", 1), ("STREAM_STEPS", 300)):
        monkeypatch.setattr(runtime, name, value)
    for name, value in (("PACK_ROWS", 2), ("MEMORY", 5000), ("PIECE", 600)):
        monkeypatch.setattr(held, name, value)
    monkeypatch.setattr(blocks, "CELLS", 100)
    monkeypatch.setattr("genolstm.introgression.model.PART_STEPS", 500)
    monkeypatch.setattr("genolstm.introgression.doors.vcf.bounded_span", lambda *a: spans.append(made(*a)) or spans[-1])
    parts = scanned()
    assert spans == [16_000]
    assert len(parts) > 2
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert [part.first_bin for part in parts[1:]] == np.cumsum([p.posterior.shape[1] for p in parts])[:-1].tolist()
    joined = [
        np.concatenate([getattr(part, name) for part in parts], axis=1)
        for name in ("posterior", "rare_match", "rare_differ", "callable")
    ]
    np.testing.assert_allclose(joined[0], whole.posterior, atol=1e-5, rtol=0)
    for found, expected in zip(joined[1:], (whole.rare_match, whole.rare_differ, whole.callable), strict=True):
        np.testing.assert_array_equal(found, expected)
