"""``model gates``: a model and sequences in, what its cells do along them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genolstm.errors import ModelError, SettingError
from genolstm.files import Outputs, PathLike, check_paths
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.gates import Gates, write_gates, write_half_lives
from genolstm.lstm.settings import GateSettings
from genolstm.runs.sources import model_files, named_files

Region = tuple[str | None, int, int]


class UsageError(SettingError):
    """The inputs and options do not go together, whatever they contain."""


def run(
    model: PathLike,
    sequences: Sequence[str] = (),
    output: PathLike = "-",
    settings: GateSettings | None = None,
    *,
    figure: PathLike | None = None,
    half_lives: PathLike | None = None,
    region: Region | None = None,
    haplotype: str | None = None,
    vcf: PathLike | None = None,
    archaic: PathLike | None = None,
    outgroup: PathLike | None = None,
    target: PathLike | None = None,
    force: bool = False,
) -> list[Gates]:
    """Write the gates of a model along sequences, and return them.

    Parameters
    ----------
    sequences
        Files, or sequences themselves; for introgression FASTA files.
    figure, half_lives
        Where to draw the heat maps, and to write the half-life of each unit's memory.
    region
        Name (or None for any), start and end of a stretch to show, 0-based half-open.
    haplotype, vcf, archaic, outgroup, target
        For introgression: as for a scan, and ``SAMPLE#HAPLOTYPE``.

    Raises
    ------
    UsageError
        The model needs other inputs than those given.
    """
    words = named_files([*sequences, vcf, archaic, outgroup, target])
    check_paths([*model_files(model), *words], [output, figure, half_lives], force=force)
    bundle = Bundle.open(find_bundle(model))
    choice = vars(settings or GateSettings())
    door = {"haplotype": haplotype, "vcf": vcf, "archaic": archaic, "outgroup": outgroup, "target": target}
    curve = None
    if bundle.kind == "introgression":
        found, curve = _introgression(bundle, sequences, door, region, choice)
    else:
        for name, value in door.items():
            if value is not None:
                raise UsageError(f"--{name} goes with models of introgression")
        if not sequences:
            raise UsageError("name a SEQUENCE")
        found = _sequences(bundle, sequences, region, choice)
    if figure is not None and len(found) > 1:
        raise UsageError(f"a figure shows one sequence, not {len(found)}")
    with Outputs(force=force) as outputs:
        if figure is not None:
            from genolstm.report.gates import save_gates

            save_gates(found[0], figure, curve=curve, into=outputs)
        if half_lives is not None:
            write_half_lives(outputs.text(half_lives), found)
        write_gates(outputs.text(output), found)
    return found


def _introgression(
    bundle: Bundle, fasta: Sequence[str], door: Mapping[str, Any], region: Region | None, choice: Mapping[str, Any]
) -> tuple[list[Gates], tuple[Any, Any, str]]:
    from genolstm.introgression.doors.blocks import Door
    from genolstm.introgression.doors.fasta import FastaDoor
    from genolstm.introgression.doors.vcf import VcfDoor
    from genolstm.introgression.gates import find_haplotype, haplotype_gates, step_posteriors
    from genolstm.introgression.model import IntrogressionClassifier

    vcf, target = door["vcf"], door["target"]
    if (vcf is None) == (not fasta):
        raise UsageError("name a FASTA file as SEQUENCE, or give --vcf")
    for name in ("outgroup", *(["target"] if vcf is not None else [])):
        if door[name] is None:
            raise UsageError(f"models of introgression need --{name}")
    if vcf is None and target is not None:
        raise UsageError("--target goes with --vcf")
    model = IntrogressionClassifier(bundle)
    chrom, *span = region or (None,)
    source: Door
    if vcf is None:
        source = FastaDoor(list(fasta), door["archaic"], door["outgroup"])
    else:
        source = VcfDoor(vcf, target, door["outgroup"], door["archaic"], chrom)
    blocks = source.tracks(model.settings, threads=model.threads)
    track = find_haplotype(blocks, door["haplotype"], chrom)
    found = haplotype_gates(model, track, region=(span[0], span[1]) if span else None, **choice)
    return [found], (found.starts, step_posteriors(model, track, found), "posterior of\narchaic ancestry")


def _sequences(
    bundle: Bundle, sequences: Sequence[str], region: Region | None, choice: Mapping[str, Any]
) -> list[Gates]:
    if bundle.kind == "text":
        from genolstm.text.gates import read_sequences, sequence_gates
    elif bundle.kind == "comparison":
        from genolstm.comparison.gates import read_sequences, sequence_gates
    else:
        raise ModelError(f"the gates of a model for {bundle.kind} cannot be shown", path=bundle.path)
    found = []
    for name, sequence in read_sequences(bundle, sequences):
        shown = slice(None)
        if region is not None:
            chrom, start, end = region
            if chrom not in (None, name):
                continue
            if end > len(sequence):
                raise SettingError(f"the region ends at {end}, {name} has {len(sequence)} symbols")
            shown = slice(start, end)
        found.append(sequence_gates(bundle, sequence, name=name, shown=shown, **choice))
    if not found:
        raise SettingError(f"there is no sequence {region[0] if region else ''}")
    return found
