"""``genolstm introgression simulate``: write simulated regions to folders."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from genolstm.errors import OutputError, cause
from genolstm.files import Outputs, check_folder, check_output, check_own_name, check_paths
from genolstm.introgression.demography import is_demes
from genolstm.introgression.formats import write_truth, write_truth_by_source
from genolstm.introgression.settings import SimulationLimits, SimulationSettings
from genolstm.introgression.simulate import SimulatedRegion, check_cost, resolve, simulate_region

#: The files that :func:`write_simulation` writes of a single archaic, in order; see :func:`simulation_files`.
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


def simulation_files(settings: SimulationSettings) -> list[str]:
    """Return the names of a region's files, in the order in which :func:`write_simulation` writes them.

    Of several sources, each archaic that is sampled has a FASTA file and a list of samples of its own, and
    ``archaic.txt`` tells which sample is of which source.
    """
    files = list(SIMULATION_FILES)
    if settings.sources:
        names = [source.name for source in settings.sources if source.population is not None]
        place = files.index("archaic.fa.gz")
        files[place : place + 1] = [f"archaic.{name}.{end}" for name in names for end in ("fa.gz", "txt")]
    return files


def _settings_of(settings: SimulationSettings) -> dict[str, Any]:
    """Return settings as the manifest states them; of a single archaic, as before there could be several."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    for name in ("archaic", "donors", "archaic_time") if settings.sources else ("sources",):
        del found[name]
    return found


def manifest(region: SimulatedRegion) -> dict[str, Any]:
    """Return a JSON-ready summary of a simulated region."""
    carried = sum(tract.end - tract.start for tract in region.truth)
    haplotypes = len(region.haplotype_names("target"))
    whole = haplotypes * region.settings.length
    found = {
        "settings": _settings_of(region.settings),
        "sites": len(region.positions),
        "tracts": sum(map(len, region.by_source.values())) if region.by_source else len(region.truth),
        "archaic_fraction": carried / whole,
    }
    if region.by_source:
        found["sources"] = {
            name: {"tracts": len(tracts), "archaic_fraction": sum(t.end - t.start for t in tracts) / whole}
            for name, tracts in region.by_source.items()
        }
    return found


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
        files = simulation_files(full)
        if place.is_dir() and not (force or begun.exists()):
            for name in files:
                check_output(place / name, force=False)
        check_folder(place)
        model = [full.model] if is_demes(full.model) else []
        check_paths(model, [], force=force, kept=[place / name for name in files])
        region = simulate_region(full, limits=limits)
        with _marked(place, begun, files):
            write_simulation(region, place)
        yield place, manifest(region)


@contextlib.contextmanager
def _marked(folder: Path, mark: Path, files: Sequence[str]) -> Iterator[None]:
    """Make a folder, with a mark that tells whoever comes after a kill that what else is there is ours.

    After an error or a signal the mark and the folder are gone again, unless files remain that need it.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    older = mark.exists()
    before = {name for name in files if (folder / name).exists()}
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            raise OutputError(f"cannot be created ({cause(error)})", path=folder) from error
        yield
    except BaseException:
        now = {name for name in files if (folder / name).exists()}
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
        same = summary["settings"] == _settings_of(settings)
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
        Those of :func:`simulation_files`; ``simulation.json`` is written last: if it exists, all do.
    """
    done = folder / "simulation.json"
    files = simulation_files(region.settings)
    with Outputs(force=True) as outputs:
        outputs.outdated += [done, *_left_over(folder, files)]
        for role in ("target", "outgroup"):
            _write_fasta(outputs.text(folder / f"{role}.fa.gz"), region, region.individuals(role))
            _write_names(outputs.text(folder / f"{role}.txt"), region, region.individuals(role))
        for source, individuals in region.archaics().items():
            stem = f"archaic.{source}" if region.settings.sources else "archaic"
            _write_fasta(outputs.text(folder / f"{stem}.fa.gz"), region, individuals)
            _write_names(outputs.text(folder / f"{stem}.txt"), region, individuals)
        if region.settings.sources:
            stream = outputs.text(folder / "archaic.txt")
            for source, individuals in region.archaics().items():
                stream.writelines(f"{region.samples[i]}\t{source}\n" for i in individuals)
        write_simulation_vcf(region, outputs.path(folder / "region.vcf.gz"))
        truth = outputs.text(folder / "truth.bed")
        if region.by_source:
            write_truth_by_source(truth, region.by_source)
        else:
            write_truth(truth, region.truth)
        outputs.text(done).write(json.dumps(manifest(region), indent=2) + "\n")
    return [folder / name for name in files]


def _left_over(folder: Path, files: Sequence[str]) -> list[Path]:
    """Return the archaics of an older simulation in this folder: beside the new ones they would pass for theirs."""
    named = [path for path in folder.glob("archaic*") if re.fullmatch(r"archaic(\..+)?\.(fa\.gz|txt)", path.name)]
    return [path for path in named if (folder / "simulation.json").exists() and path.name not in files]


def _write_names(stream: IO[str], region: SimulatedRegion, individuals: Sequence[int]) -> None:
    stream.writelines(f"{region.samples[i]}\n" for i in individuals)


def _write_fasta(stream: IO[str], region: SimulatedRegion, individuals: Sequence[int]) -> None:
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    for i in individuals:
        for haplotype in (0, 1):
            stream.write(f">{region.samples[i]}#{haplotype + 1}#{region.settings.chrom}\n")
            text = letters[region.sequence(2 * i + haplotype)].tobytes().decode()
            stream.write("\n".join(text[k : k + 80] for k in range(0, len(text), 80)) + "\n")


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
