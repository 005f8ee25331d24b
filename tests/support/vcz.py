"""VCF Zarr stores for tests: what bio2zarr would write, for VCFs that it could not index."""

from __future__ import annotations

import json
import re
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np


def arrays_of(text: str) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Return the arrays, and the names of their axes, of the store of a VCF."""
    lines = text.splitlines()
    header = [line for line in lines if line.startswith("#")]
    records = [line.split("\t") for line in lines if not line.startswith("#")]
    samples = header[-1].split("\t")[9:]
    contigs = [re.findall(r"ID=([^,>]+)(?:,length=(\d+))?", line)[0] for line in header if line.startswith("##contig")]
    names = [name for name, _ in contigs]
    filters = ["PASS", *(re.findall("ID=([^,>]+)", line)[0] for line in header if line.startswith("##FILTER"))]
    filters = list(dict.fromkeys(filters))
    n = len(records)
    alleles = [[r[3], *([] if r[4] == "." else r[4].split(","))] for r in records]
    calls = [[dict(zip(r[8].split(":"), c.split(":"), strict=False)) for c in r[9:]] for r in records]
    genotypes = [[re.split(r"[|/]", call.get("GT", "./.")) for call in row] for row in calls]
    ploidy = max((len(g) for row in genotypes for g in row), default=2)
    genotype = np.full((n, len(samples), ploidy), -2, dtype=np.int8)
    phased = np.zeros((n, len(samples)), dtype=bool)
    for i, row in enumerate(genotypes):
        for j, parts in enumerate(row):
            genotype[i, j, : len(parts)] = [-1 if p == "." else int(p) for p in parts]
            phased[i, j] = len(parts) == 1 or "|" in calls[i][j].get("GT", "./.")
    width = max((len(row) for row in alleles), default=2)
    allele = np.full((n, width), "", dtype=object)
    for i, row in enumerate(alleles):
        allele[i, : len(row)] = row
    found: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {
        "variant_position": (np.array([int(r[1]) for r in records], dtype=np.int32), ("variants",)),
        "variant_contig": (np.array([names.index(r[0]) for r in records], dtype=np.int8), ("variants",)),
        "variant_allele": (allele, ("variants", "alleles")),
        "variant_filter": (
            np.array([[f in r[6].split(";") for f in filters] for r in records], dtype=bool).reshape(n, len(filters)),
            ("variants", "filters"),
        ),
        "filter_id": (np.array(filters, dtype=object), ("filters",)),
        "contig_id": (np.array(names, dtype=object), ("contigs",)),
        "sample_id": (np.array(samples, dtype=object), ("samples",)),
        "call_genotype": (genotype, ("variants", "samples", "ploidy")),
        "call_genotype_phased": (phased, ("variants", "samples")),
    }
    if all(length for _, length in contigs):
        found["contig_length"] = np.array([int(length) for _, length in contigs], dtype=np.int64), ("contigs",)
    ends = [re.findall(r"(?:^|;)END=(\d+)", r[7]) for r in records]
    if any(ends):
        found["variant_END"] = np.array([int(e[0]) if e else -1 for e in ends], dtype=np.int32), ("variants",)
    lengths = [int(e[0]) - int(r[1]) + 1 if e else len(r[3]) for e, r in zip(ends, records, strict=True)]
    found["variant_length"] = np.array(lengths, dtype=np.int32), ("variants",)
    for name in ("GQ", "DP"):
        if any(name in call for row in calls for call in row):
            values = [[call.get(name, ".") for call in row] for row in calls]
            found[f"call_{name}"] = (
                np.array([[-1 if v == "." else int(v) for v in row] for row in values], dtype=np.int16),
                ("variants", "samples"),
            )
    return found


def write_store(
    path: Path,
    arrays: dict[str, tuple[np.ndarray, tuple[str, ...]]],
    *,
    zarr_format: int = 2,
    variants: int = 1000,
    samples: int = 1000,
    compressors: Any = "auto",
    **options: Any,
) -> Path:
    """Write arrays with chunks of so many variants and samples."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    group.attrs["vcf_zarr_version"] = "0.4"
    for name, (values, axes) in arrays.items():
        size = {"variants": variants, "samples": samples}
        chunks = tuple(max(min(size.get(axis, n), n), 1) for axis, n in zip(axes, values.shape, strict=True))
        if values.dtype == object:
            values = values.astype(np.dtypes.StringDType())
        more = {} if values.dtype.kind == "T" else options
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = group.create_array(
                name, shape=values.shape, chunks=chunks, dtype=values.dtype, compressors=compressors, **more
            )
        if values.size:
            array[...] = values
    return path


def store_of(vcf: Path, path: Path | None = None, **options: Any) -> Path:
    """Write the store of a plain VCF."""
    return write_store(path or vcf.with_suffix(".vcz"), arrays_of(vcf.read_text()), **options)


def write_plainly(
    path: Path, arrays: dict[str, tuple[np.ndarray, tuple[str, ...]]], *, zarr_format: int, variants: int, samples: int
) -> Path:
    """Write a store without compression and without zarr: a hundred times faster, for tests of many stores.

    Chunks of nothing but the fill value are left out, as zarr does.
    """
    path.mkdir()
    (path / (".zgroup" if zarr_format == 2 else "zarr.json")).write_text(
        json.dumps({"zarr_format": zarr_format, **({"node_type": "group"} if zarr_format == 3 else {})})
    )
    for name, (values, axes) in arrays.items():
        size = {"variants": variants, "samples": samples}
        chunks = [max(min(size.get(axis, n), n), 1) for axis, n in zip(axes, values.shape, strict=True)]
        text = values.dtype == object
        folder = path / name
        folder.mkdir()
        meta: dict[str, Any] = {"zarr_format": zarr_format, "shape": list(values.shape)}
        if zarr_format == 2:
            meta |= {"chunks": chunks, "dtype": "|O" if text else values.dtype.str, "order": "C", "fill_value": None}
            meta |= {"filters": [{"id": "vlen-utf8"}] if text else None, "compressor": None}
        else:
            meta |= {"node_type": "array", "data_type": "string" if text else str(values.dtype)}
            meta |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}}}
            meta |= {"chunk_key_encoding": {"name": "default"}, "fill_value": "" if text else 0}
            meta |= {"codecs": [{"name": "vlen-utf8" if text else "bytes"}]}
        (folder / (".zarray" if zarr_format == 2 else "zarr.json")).write_text(json.dumps(meta))
        for index in product(*(range(-(-n // c)) for n, c in zip(values.shape, chunks, strict=True))):
            part = values[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
            whole = np.full(chunks, "" if text else 0, dtype=values.dtype)
            whole[tuple(slice(n) for n in part.shape)] = part
            if not (whole != ("" if text else 0)).any():
                continue
            texts = [t.encode() for t in whole.ravel()] if text else []
            content = b"".join([len(texts).to_bytes(4, "little"), *(len(t).to_bytes(4, "little") + t for t in texts)])
            key = [str(i) for i in index]
            file = folder / ".".join(key) if zarr_format == 2 else folder.joinpath("c", *key)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if text else whole.tobytes())
    return path
