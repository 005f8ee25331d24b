"""``genolstm model gates``: what the cells of a model do along a sequence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genolstm.cli import options

if TYPE_CHECKING:
    from genolstm.lstm.gates import Gates

_path = click.Path(path_type=Path)


class _Units(click.ParamType):
    name = "units"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d+(,\d+)*", value):
            self.fail(f"{value!r} is no list of numbers such as 3,7,12", param, ctx)
        return tuple(int(number) for number in value.split(","))


class _Region(click.ParamType):
    name = "region"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str | None, int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(?:(.+):)?([\d,]+)-([\d,]+)", value)
        if match is None:
            self.fail(f"{value!r} is no region such as chr21:100000-200000", param, ctx)
        start, end = (int(match[place].replace(",", "")) for place in (2, 3))
        if not start < end:
            self.fail(f"{value!r} ends before it starts", param, ctx)
        return match[1], start, end


@click.command()
@click.argument("bundle")
@click.argument("sequences", nargs=-1, metavar="[SEQUENCE]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="The table to write (.tsv, .tsv.gz).",
)
@click.option("--figure", type=_path, help="Also draw heat maps (.svg, .png or .pdf).")
@click.option("--half-lives", type=_path, help="Also write the half-life of each unit's memory.")
@click.option("--layer", type=click.IntRange(min=1), help="Layer, from 1.  [default: the last]")
@click.option(
    "--direction",
    type=click.Choice(["forward", "backward"]),
    default="forward",
    show_default=True,
    help="Which way the layer reads.",
)
@click.option("--units", type=_Units(), help="Units to show, from 0, with commas between.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Without --units: so many, whose cell states vary most.",
)
@click.option("--region", type=_Region(), metavar="[CHROM:]START-END", help="Stretch to show, 0-based half-open.")
@click.option("--haplotype", metavar="SAMPLE#HAPLOTYPE", help="Of introgression: which one.")
@click.option("--vcf", type=_path, help="Of introgression: a VCF instead of FASTA.")
@click.option("--archaic", help="Of introgression: as in `introgression scan`.")
@click.option("--outgroup", help="Of introgression: as in `introgression scan`.")
@click.option("--target", help="Of introgression, with --vcf: samples of the target.")
@options.force
@options.quiet
def gates(
    bundle: str,
    sequences: tuple[str, ...],
    output: Path,
    figure: Path | None,
    half_lives: Path | None,
    layer: int | None,
    direction: str,
    units: tuple[int, ...] | None,
    top: int,
    region: tuple[str | None, int, int] | None,
    haplotype: str | None,
    vcf: Path | None,
    archaic: str | None,
    outgroup: str | None,
    target: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Show the gates of an LSTM along a sequence, step by step.

    For models of text, of genomes and of `compare`, SEQUENCE is the text itself, or a file
    (FASTA by its name). For introgression, name FASTA and panels, or --vcf and samples, as for
    `introgression scan`, and the haplotype.

    \b
    genolstm model gates rhyme.genolstm "The wind and the rain"
    genolstm model gates neanderthal query.fa.gz --archaic nea.panel --outgroup yri.panel \\
        --haplotype CEU1#1 --region 430000-600000 --figure gates.svg
    """
    from genolstm.files import atomic_text, check_outputs
    from genolstm.lstm.bundle.bundle import Bundle, find_bundle
    from genolstm.lstm.gates import write_gates, write_half_lives

    check_outputs([output, figure, half_lives], force=force)
    opened = Bundle.open(find_bundle(bundle))
    chosen = {
        "layer": layer or (opened.config.layers if opened.config is not None else 1),
        "direction": direction,
        "units": units,
        "top": top,
    }
    door = {"--haplotype": haplotype, "--vcf": vcf, "--archaic": archaic, "--outgroup": outgroup, "--target": target}
    curve = None
    if opened.kind == "introgression":
        found, curve = _introgression(opened, sequences, door, region, chosen)
    else:
        for name, value in door.items():
            if value is not None:
                raise click.UsageError(f"{name} goes with models of introgression")
        if not sequences:
            raise click.UsageError("name a SEQUENCE")
        found = _sequences(opened, sequences, region, chosen)
    if figure is not None and len(found) > 1:
        raise click.UsageError(f"a figure shows one sequence, not {len(found)}")
    if figure is not None:
        from genolstm.report.gates import save_gates

        save_gates(found[0], figure, curve=curve, force=force)
    if half_lives is not None:
        with atomic_text(half_lives, force=force) as stream:
            write_half_lives(stream, found)
    with atomic_text(output, force=force) as stream:
        write_gates(stream, found)
    if not quiet:
        for one in found:
            lives = one.half_life_table()
            for unit, steps, length in zip(lives["unit"], lives["half_life_steps"], lives["half_life"], strict=True):
                unit_of_length = f", {length:,.0f} bp" if one.step_length > 1 else ""
                click.echo(f"{one.name}: unit {unit}: half-life {steps:,.1f} steps{unit_of_length}", err=True)


def _introgression(
    bundle: Any,
    sequences: tuple[str, ...],
    door: dict[str, Any],
    region: tuple[str | None, int, int] | None,
    chosen: dict[str, Any],
) -> tuple[list[Gates], tuple[Any, Any, str]]:
    from genolstm.introgression.gates import (
        fasta_haplotypes,
        find_haplotype,
        haplotype_gates,
        haplotype_posterior,
        vcf_haplotypes,
    )
    from genolstm.introgression.model import IntrogressionClassifier

    vcf, target = door["--vcf"], door["--target"]
    if (vcf is None) == (not sequences):
        raise click.UsageError("name a FASTA file as SEQUENCE, or give --vcf")
    for name in ("--archaic", "--outgroup", *(["--target"] if vcf is not None else [])):
        if door[name] is None:
            raise click.UsageError(f"models of introgression need {name}")
    if vcf is None and target is not None:
        raise click.UsageError("--target goes with --vcf")
    model = IntrogressionClassifier(bundle)
    chrom = None if region is None else region[0]
    references = {"archaic": door["--archaic"], "outgroup": door["--outgroup"]}
    if vcf is None:
        blocks = fasta_haplotypes(model, list(sequences), **references)
    else:
        blocks = vcf_haplotypes(model, vcf, target=target, chrom=chrom, **references)
    track = find_haplotype(blocks, door["--haplotype"], chrom)
    found = haplotype_gates(model, track, region=None if region is None else region[1:], **chosen)
    size = model.settings.bin
    bins = slice(int(found.starts[0]) // size, int(found.starts[-1]) // size + 1)
    posterior = haplotype_posterior(model, track)[bins]
    return [found], (found.starts, posterior, f"posterior of\n{model.label[:1].upper()}{model.label[1:]} ancestry")


def _sequences(
    bundle: Any, sequences: tuple[str, ...], region: tuple[str | None, int, int] | None, chosen: dict[str, Any]
) -> list[Gates]:
    from genolstm.errors import ModelError, SettingError

    if bundle.kind == "text":
        from genolstm.text.gates import read_sequences, sequence_gates
    elif bundle.kind == "comparison":
        from genolstm.comparison.saving import read_sequences, sequence_gates
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
        found.append(sequence_gates(bundle, sequence, name=name, shown=shown, **chosen))
    if not found:
        raise SettingError(f"there is no sequence {region[0] if region else ''}")
    return found
