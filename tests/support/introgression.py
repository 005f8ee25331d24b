"""What the tests of the introgression pipeline share: small VCFs, brute force, a tiny model."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from support.lstm import random_weights

from genolstm.introgression.channels import (
    CALLABLE,
    CELL_NAMES,
    CHANNELS,
    CLASSES,
    FREQUENCY_EDGES,
    N_COUNTS,
    OUTGROUP_SIZE,
    TARGET_SIZE,
)
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.metadata import SEQUENCE_ONLY
from genolstm.introgression.sequence_only.measures import Measures
from genolstm.introgression.sequence_only.settings import NETWORK, WARNING, SentenceSettings
from genolstm.introgression.settings import TrackSettings
from genolstm.lstm.bundle.bundle import pack, save_bundle
from genolstm.lstm.bundle.export import write_onnx
from genolstm.lstm.config import LSTMConfig

LETTERS = np.array(list("ACGTN"))
_COLUMNS = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
Record = tuple[str, int, str, str, Sequence[str]]


def vcf_text(
    samples: Sequence[str],
    records: Iterable[Record],
    *,
    contigs: Mapping[str, int | None] | None = None,
    has_gt: bool = True,
    form: str = "GT",
) -> str:
    """Return a VCF; a record is (chrom, 1-based position, REF, ALT, genotypes)."""
    lines = ["##fileformat=VCFv4.2"]
    for name, length in ({"1": 10_000} if contigs is None else contigs).items():
        lines.append(f"##contig=<ID={name}{'' if length is None else f',length={length}'}>")
    if has_gt:
        lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append('##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">')
    lines.append("\t".join([*_COLUMNS, *samples]))
    for chrom, position, ref, alt, genotypes in records:
        lines.append("\t".join([chrom, str(position), ".", ref, alt, ".", "PASS", ".", form, *genotypes]))
    return "\n".join(lines) + "\n"


def vcf_of_alleles(
    path: Path,
    positions: np.ndarray,
    alleles: np.ndarray,
    samples: Sequence[str],
    *,
    chrom: str = "1",
    length: int | None = None,
) -> Path:
    """Write base codes (site, 2 x sample; -1 missing) as a phased VCF; REF is always A."""
    records = []
    for position, row in zip(positions.tolist(), alleles, strict=True):
        alts = [int(a) for a in np.unique(row) if a > 0]
        index = {-1: ".", 0: "0", **{a: str(i) for i, a in enumerate(alts, start=1)}}
        calls = [index[int(a)] for a in row]
        genotypes = [f"{a}|{b}" for a, b in zip(calls[::2], calls[1::2], strict=True)]
        alt = ",".join("ACGT"[a] for a in alts) or "."
        records.append((chrom, position + 1, "A", alt, genotypes))
    path.write_text(vcf_text(samples, records, contigs={chrom: length}))
    return path


def haplotype_texts(reference: np.ndarray, positions: np.ndarray, alleles: np.ndarray) -> list[str]:
    """Return each column of ``alleles`` (site, haplotype; -1 missing) as a sequence with N."""
    texts = []
    for column in alleles.T:
        codes = reference.copy()
        codes[positions] = np.where(column < 0, 4, column)
        texts.append("".join(LETTERS[codes]))
    return texts


def tracks_by_kmers(
    target: Sequence[str],
    outgroup: Sequence[str],
    archaic: Sequence[str],
    settings: TrackSettings,
    *,
    second: Sequence[str] = (),
    masked: Iterable[tuple[int, int]] = (),
) -> np.ndarray:
    """Return tracks by asking of every k-mer, as text, who carries it: slow and plain.

    A k-mer is a text at a position, which is what a k-mer panel sees where none occurs twice. One
    with N, on a masked base, or where every outgroup haplotype has N, is not callable; one where every
    haplotype of a source has N says nothing of that source.
    """
    k, size, length = settings.k, settings.bin, len(target[0])
    bins = -(-length // size)
    counts = np.zeros((len(target), bins, N_COUNTS))
    windows = np.zeros((len(target), bins))
    possible, told = np.zeros(bins), np.zeros((2, bins))
    hidden = np.zeros(length, dtype=bool)
    for start, end in masked:
        hidden[start:end] = True
    for p in range(length - k + 1):
        if hidden[p : p + k].any():
            continue
        b = (p + k // 2) // size
        texts = [text[p : p + k] for text in target]
        others = [text[p : p + k] for text in outgroup if "N" not in text[p : p + k]]
        known = [[text[p : p + k] for text in source if "N" not in text[p : p + k]] for source in (archaic, second)]
        possible[b] += 1
        told[:, b] += [bool(source) for source in known]
        for h, text in enumerate(texts):
            if "N" in text or not others:
                continue
            windows[h, b] += 1
            frequency = others.count(text) / len(others)
            f = next((i for i, edge in enumerate(FREQUENCY_EDGES) if frequency <= edge), len(FREQUENCY_EDGES))
            carried = [text in source for source in known]
            names = []
            if f < len(FREQUENCY_EDGES):
                cell = CELL_NAMES[f, int(texts.count(text) > 1)]
                names.append(cell)
                names += [cell + part for part, has in zip(("_first", "_second"), carried, strict=True) if has]
                if all(carried):
                    names.append(cell + "_both")
            else:
                lacks = [bool(source) and not has for source, has in zip(known, carried, strict=True)]
                names += [f"to1_not_{slot}" for slot, has in zip(("first", "second"), lacks, strict=True) if has]
            for name in names:
                counts[h, b, CHANNELS.index(name)] += 1
    tracks = np.empty((len(target), bins, len(CHANNELS)))
    tracks[:, :, :N_COUNTS] = counts / k
    tracks[:, :, CALLABLE] = windows / size
    for slot in range(2):
        tracks[:, :, CALLABLE + 1 + slot] = windows / size * told[slot] / np.maximum(possible, 1)
    tracks[:, :, OUTGROUP_SIZE] = np.log10(len(outgroup))
    tracks[:, :, TARGET_SIZE] = np.log10(len(target))
    return tracks


def tiny_bundle(
    path: Path,
    *,
    settings: TrackSettings | None = None,
    hmm: SupervisedHMM | None = None,
    seed: int = 3,
    **changes: object,
) -> Path:
    """Write an introgression model with random weights: right in form, and quick."""
    config = LSTMConfig(
        head="tag",
        n_outputs=len(CLASSES),
        activation="softmax",
        n_features=len(CHANNELS),
        transform="log1p",
        input_units=6,
        units=5,
        layers=2,
    )
    metadata: dict[str, object] = {
        **(settings or TrackSettings()).requirements(),
        "label": "archaic",
        "context": 40,
        "calibration": {"method": "temperature", "classes": len(CLASSES), "temperature": 1.1},
    }
    if hmm is not None:
        metadata |= {"hmm": hmm.to_dict(), "hmm_threshold": 0.5}
    metadata |= changes
    metadata = {name: value for name, value in metadata.items() if value is not None}
    weights = random_weights(config, seed, scale=0.4)
    save_bundle(
        path,
        kind="introgression",
        members={"model.onnx": write_onnx(config, weights)},
        config=config,
        metadata=metadata,
    )
    return path


def letters(n: int, seed: int, alphabet: str = "ACGT") -> str:
    """Return a random sequence."""
    return "".join(np.random.default_rng(seed).choice(list(alphabet), n))


def write_region(folder: Path, sequences: dict[str, str], tracts: list[tuple[str, int, int, str, str]]) -> Path:
    """Write a labelled region: haplotypes by their names, and (chrom, start, end, sample, haplotype)."""
    folder.mkdir(parents=True)
    text = "".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items())
    (folder / "target.fa.gz").write_bytes(gzip.compress(text.encode(), 1))
    rows = [f"{c}\t{a}\t{b}\tarchaic\t1000\t.\t{s}\t{h}\n" for c, a, b, s, h in tracts]
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\n"
    (folder / "truth.bed").write_text(header + "".join(rows))
    return folder


#: Sentences that a small sequence-only model reads, and its network.
SHORT = SentenceSettings(k=3, sentence=20, step=10)
READER = replace(NETWORK, vocabulary=SHORT.vocabulary, input_units=4, units=3)


def sequence_only_bytes(config: LSTMConfig = READER, **changes: object) -> bytes:
    """Return a small sequence-only model with random weights, with some of its metadata changed."""
    found = Measures(90, 40, 12, 0.5, 0.95, [0.9, 0.97], 0.8, [0.7, 0.9], 0.7, [0.6, 0.8], 0.6, 0.55)
    metadata = {
        **SHORT.to_dict(),
        "split": "region",
        "threshold": 0.5,
        "warning": WARNING,
        "context": 0,
        "test": {**found.to_dict(), "seen": 0.0, "doubt": ""},
        **changes,
    }
    members = {"model.onnx": write_onnx(config, random_weights(config)), "card.md": WARNING.encode()}
    return pack(kind=SEQUENCE_ONLY, members=members, config=config, metadata=metadata)
