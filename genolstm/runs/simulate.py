"""``genolstm introgression simulate``: write simulated regions to folders."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import OutputError, cause
from genolstm.files import Outputs, check_folder, check_output, check_own_name, check_paths
from genolstm.introgression.demography import is_demes
from genolstm.introgression.formats import write_truth
from genolstm.introgression.settings import SimulationLimits, SimulationSettings
from genolstm.introgression.simulate import SimulatedRegion, check_cost, resolve, simulate_region

#: The files that :func:`write_simulation` writes, in order.
SIMULATION_FILES = (
    "target.fa.gz",
    "target.txt",
    "outgroup.fa.gz",
    "outgroup.txt",
    "archaic.fa.gz",
    "archaic.txt",
    "region.vcf.gz",
    "truth.bed",
    "simulation.json",
)


def manifest(region: SimulatedRegion) -> dict[str, Any]:
    """Return a JSON-ready summary of a simulated region."""
    carried = sum(tract.end - tract.start for tract in region.truth)
    haplotypes = len(region.haplotype_names("target"))
    return {
        "settings": asdict(region.settings),
        "sites": len(region.positions),
        "tracts": len(region.truth),
        "archaic_fraction": carried / (haplotypes * region.settings.length),
    }


def run(
    settings: SimulationSettings,
    folder: Path,
    *,
    replicates: int = 1,
    force: bool = False,
    limits: SimulationLimits | None = None,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Simulate regions and write each to its folder; yield (folder, manifest) of each when done.

    One replicate goes to ``folder`` itself, several to ``folder/seed_N``. A complete region with the
    same settings is not simulated again; an interrupted one is started over.

    Raises
    ------
    OutputError
        A folder holds another simulation or other files of the same names and ``force`` is false,
        or cannot be created.
    SettingError, InputError
        The settings or the demography cannot be simulated within ``limits``; no folder is made.
    """
    check_own_name(folder, "a folder")
    check_cost(*resolve(settings), limits)
    for seed in range(settings.seed, settings.seed + replicates):
        full, _ = resolve(replace(settings, seed=seed))
        place = folder if replicates == 1 else folder / f"seed_{seed}"
        done, begun = place / "simulation.json", place / ".simulating"
        if done.exists() and not force:
            yield place, _finished(done, full)
            continue
        if place.is_dir() and not (force or begun.exists()):
            for name in SIMULATION_FILES:
                check_output(place / name, force=False)
        check_folder(place)
        model = [full.model] if is_demes(full.model) else []
        check_paths(model, [], force=force, kept=[place / name for name in SIMULATION_FILES])
        region = simulate_region(full, limits=limits)
        with _marked(place, begun):
            write_simulation(region, place)
        yield place, manifest(region)


@contextlib.contextmanager
def _marked(folder: Path, mark: Path) -> Iterator[None]:
    """Make a folder, with a mark that tells whoever comes after a kill that what else is there is ours.

    After an error or a signal the mark and the folder are gone again, unless files remain that need it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    older = mark.exists()
    before = {name for name in SIMULATION_FILES if (folder / name).exists()}
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            raise OutputError(f"cannot be created ({cause(error)})", path=folder) from error
        yield
    except BaseException:
        now = {name for name in SIMULATION_FILES if (folder / name).exists()}
        if "simulation.json" in now or not (older or now - before):
            mark.unlink(missing_ok=True)
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()  # only if it is empty
        raise
    mark.unlink()


def _finished(path: Path, settings: SimulationSettings) -> dict[str, Any]:
    """Return the manifest of an existing region if its settings are the requested ones."""
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = summary["settings"] == json.loads(json.dumps(asdict(settings)))
        told = [summary[name] for name in ("sites", "tracts", "archaic_fraction")]
        same = same and all(type(value) in (int, float) and math.isfinite(value) for value in told)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        same = False
    if not same:
        raise OutputError("holds another simulation", path=path.parent, hint="use --force")
    return summary


def write_simulation(region: SimulatedRegion, folder: Path) -> list[Path]:
    """Write a simulated region: FASTA per population, VCF, sample lists, truth, manifest.

    Parameters
    ----------
    region
        Region to write.
    folder
        Existing folder; files of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        :data:`SIMULATION_FILES`; ``simulation.json`` is written last: if it exists, all do.
    """
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    done = folder / "simulation.json"
    with Outputs(force=True) as outputs:
        outputs.outdated.append(done)
        for role in ("target", "outgroup", "archaic"):
            stream = outputs.text(folder / f"{role}.fa.gz")
            for column, (sample, haplotype) in zip(
                region.haplotype_columns(role), region.haplotype_names(role), strict=True
            ):
                stream.write(f">{sample}#{haplotype}#{region.settings.chrom}\n")
                text = letters[region.sequence(int(column))].tobytes().decode()
                stream.write("\n".join(text[i : i + 80] for i in range(0, len(text), 80)) + "\n")
            outputs.text(folder / f"{role}.txt").writelines(f"{region.samples[i]}\n" for i in region.individuals(role))
        write_simulation_vcf(region, outputs.path(folder / "region.vcf.gz"))
        write_truth(outputs.text(folder / "truth.bed"), region.truth)
        outputs.text(done).write(json.dumps(manifest(region), indent=2) + "\n")
    return [folder / name for name in SIMULATION_FILES]


def write_simulation_vcf(region: SimulatedRegion, path: Path) -> None:
    """Write a simulated region's genotypes, phased, as BGZF: tabix and bcftools can index it."""
    from Bio.bgzf import BgzfWriter

    letters = "ACGT"
    chrom, length = region.settings.chrom, region.settings.length
    header = (
        "##fileformat=VCFv4.2\n##source=genolstm simulate\n"
        f"##contig=<ID={chrom},length={length}>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(region.samples) + "\n"
    )
    calls = np.array([[f"{a}|{b}" for b in range(4)] for a in range(4)], dtype=object)
    with path.open("wb") as raw:
        # A file name in the gzip header would be that of the temporary file; BgzfWriter writes none.
        stream = BgzfWriter(fileobj=raw)
        stream.write(header.encode())
        for position, row in zip(region.positions.tolist(), region.alleles, strict=True):
            ref = int(region.reference[position])
            alts = [a for a in np.unique(row).tolist() if a != ref]
            index = np.zeros(4, dtype=np.int64)
            for i, a in enumerate(alts, start=1):
                index[a] = i
            coded = index[row]
            genotypes = "\t".join(calls[coded[0::2], coded[1::2]])
            stream.write(
                f"{chrom}\t{position + 1}\t.\t{letters[ref]}\t"
                f"{','.join(letters[a] for a in alts) or '.'}\t.\tPASS\t.\tGT\t"
                f"{genotypes}\n".encode()
            )
        stream.close()
