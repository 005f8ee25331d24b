"""``genolstm introgression``: simulate, train, scan, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genolstm.cli import options
from genolstm.cli.gather import gather
from genolstm.cli.plot import plot


@click.group()
def introgression() -> None:
    """Find archaic segments in modern haplotypes."""


@introgression.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; with --replicates, one folder a seed inside it.",
)
@click.option(
    "--model",
    default="PapuansOutOfAfrica_10J19",
    show_default=True,
    help="stdpopsim demographic model of Homo sapiens, or a demes YAML file.",
)
@click.option(
    "--length", type=click.IntRange(min=1000), default=5_000_000, show_default=True, help="Length of the region in bp."
)
@options.seed
@click.option(
    "--replicates",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Independent regions, with seeds counted up from --seed.",
)
@click.option(
    "--target-size", type=click.IntRange(min=1), default=10, show_default=True, help="Diploid target individuals."
)
@click.option(
    "--outgroup-size", type=click.IntRange(min=1), default=100, show_default=True, help="Diploid outgroup individuals."
)
@click.option(
    "--archaic-size", type=click.IntRange(min=1), default=1, show_default=True, help="Diploid archaic individuals."
)
@click.option("--target", help="Target population (default: by the model).")
@click.option("--outgroup", help="Outgroup population (default: by the model).")
@click.option("--archaic", help="Archaic population that is sampled (default: by the model).")
@click.option("--donor", multiple=True, help="Population that gave ancestry; may be repeated (default: by the model).")
@click.option("--archaic-time", type=float, help="Generations before present at which the archaic is sampled.")
@click.option("--mutation-rate", type=float, help="Per bp and generation (default: the model's).")
@click.option("--recombination-rate", type=float, help="Per bp and generation (default: the species' mean).")
@click.option("--chrom", default="chr1", show_default=True, help="Name of the sequence.")
@options.force
@options.quiet
def simulate(
    output: Path,
    model: str,
    length: int,
    seed: int,
    replicates: int,
    target_size: int,
    outgroup_size: int,
    archaic_size: int,
    target: str | None,
    outgroup: str | None,
    archaic: str | None,
    donor: tuple[str, ...],
    archaic_time: float | None,
    mutation_rate: float | None,
    recombination_rate: float | None,
    chrom: str,
    force: bool,
    quiet: bool,
) -> None:
    """Simulate haplotypes whose archaic tracts are known.

    Each region is a folder of target.fa.gz, outgroup.fa.gz, archaic.fa.gz (one record a
    haplotype, SAMPLE#1#chrom), region.vcf.gz (phased), target.txt, outgroup.txt, archaic.txt
    (sample names), truth.bed and simulation.json. A run that was stopped goes on with the region
    it was at.
    """
    from genolstm.introgression.simulate import SimulationSettings, simulate_to_folders

    settings = SimulationSettings(
        model=model,
        length=length,
        seed=seed,
        n_target=target_size,
        n_outgroup=outgroup_size,
        n_archaic=archaic_size,
        target=target,
        outgroup=outgroup,
        archaic=archaic,
        donors=donor or None,
        archaic_time=archaic_time,
        mutation_rate=mutation_rate,
        recombination_rate=recombination_rate,
        chrom=chrom,
    )
    regions = simulate_to_folders(settings, output, replicates=replicates, force=force)
    for folder, summary in regions:
        if not quiet:
            click.echo(
                f"{folder}: {summary['sites']} sites, {summary['tracts']} archaic tracts, "
                f"{100 * summary['archaic_fraction']:.2f} % archaic",
                err=True,
            )


@introgression.command()
@click.argument("regions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Model to write (.genolstm).")
@click.option("--label", default="archaic", show_default=True, help="What segments are called in the output.")
@click.option("-k", "k", type=click.IntRange(1, 31), default=31, show_default=True, help="Length of the k-mers.")
@click.option(
    "--bin", "bin_size", type=click.IntRange(min=31), default=1000, show_default=True, help="Length of a bin in bp."
)
@click.option("--window", type=click.IntRange(min=8), default=500, show_default=True, help="Bins of a training window.")
@click.option(
    "--cell", type=click.Choice(["rnn", "gru", "lstm"]), default="lstm", show_default=True, help="Recurrent cell."
)
@click.option(
    "--units",
    type=click.IntRange(min=1),
    default=48,
    show_default=True,
    help="Width of each direction of a recurrent layer.",
)
@click.option("--layers", type=click.IntRange(min=1), default=2, show_default=True, help="Recurrent layers.")
@click.option(
    "--dropout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Dropout after each recurrent layer.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), default=12, show_default=True, help="Passes over the data at most."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Windows a step.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=3e-3,
    show_default=True,
    help="Of Adam, at its height.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Epochs without a better validation loss before stopping; 0: never stop early.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the regions held out.",
)
@options.seed
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), help="Folder of the checkpoint (default: OUTPUT.training)."
)
@click.option("--log", type=click.Path(path_type=Path), help="CSV of one row an epoch.")
@options.force
@options.quiet
def train(
    regions: tuple[Path, ...],
    output: Path,
    label: str,
    k: int,
    bin_size: int,
    window: int,
    cell: Any,
    units: int,
    layers: int,
    dropout: float,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    patience: int,
    validation: float,
    seed: int,
    checkpoints: Path | None,
    log: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Train a model on labelled REGIONS (needs the extra `train`).

    REGIONS are folders as `simulate` writes them, or folders of such folders; data of your own
    take the same names. Whole regions are held out. A run that was killed goes on from its
    checkpoint, to the same result.
    """
    from dataclasses import replace

    from genolstm.introgression.tracks import TrackSettings
    from genolstm.introgression.train import NETWORK, IntrogressionTraining, train_model
    from genolstm.lstm.train.settings import TrainingSettings

    bundle = train_model(
        regions,
        output=output,
        network=replace(NETWORK, cell=cell, units=units, layers=layers, dropout=dropout),
        settings=TrainingSettings(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            seed=seed,
            validation_fraction=validation,
        ),
        options=IntrogressionTraining(label=label, window=window),
        tracks=TrackSettings(k=k, bin=bin_size),
        folder=checkpoints,
        log_csv=log,
        progress=not quiet,
        force=force,
    )
    found = bundle.metadata["validation"]
    click.echo(
        f"{output}: validation AP {found['lstm']['ap']:.3f}, best F1 {found['lstm']['best_f1']:.3f}"
        f" (HMM {found['hmm']['ap']:.3f}, {found['hmm']['best_f1']:.3f})"
    )


@introgression.command()
@click.argument("query", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--vcf", type=click.Path(path_type=Path), help="Scan samples of this VCF or BCF instead of QUERY.")
@click.option(
    "--archaic", required=True, help="Archaic k-mer panel; with --vcf, sample names (comma-separated, or a file)."
)
@click.option("--outgroup", required=True, help="Outgroup k-mer panel; with --vcf, sample names.")
@click.option("--target", help="With --vcf: names of the samples to scan.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="Segments, BED6+; - is standard output.",
)
@click.option(
    "--posteriors", type=click.Path(path_type=Path), help="Also write the posterior of every bin (.tsv or .tsv.gz)."
)
@click.option(
    "--bedgraph", type=click.Path(path_type=Path), help="Also write posteriors as bedGraph, one track a haplotype."
)
@click.option(
    "--haplotypes",
    type=click.Choice(["record", "file"]),
    default="record",
    show_default=True,
    help="What one haplotype is: a FASTA record, or a whole file.",
)
@click.option(
    "--sharing/--no-sharing",
    default=None,
    help="Whether to ask which rare k-mers the query haplotypes share (reads the input "
    "twice).  [default: yes for one haplotype a record]",
)
@click.option("--skip-short", is_flag=True, help="Leave out FASTA records shorter than a bin instead of refusing them.")
@click.option("--model", default="neanderthal", show_default=True, help="Name of a shipped model, or a .genolstm file.")
@click.option(
    "--baseline", type=click.Choice(["hmm"]), help="Use the supervised HMM that was trained beside the model."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Least posterior in a segment (default: the model's).",
)
@click.option(
    "--fdr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Instead: share of called bp that may be wrong, by the model's validation.",
)
@click.option("--min-length", type=click.IntRange(min=0), default=0, show_default=True, help="Shortest segment in bp.")
@click.option("--chrom", help="With --vcf: scan this chromosome only.")
@click.option(
    "--callable",
    "callable_mask",
    type=click.Path(path_type=Path),
    help="With --vcf: BED of what to count; everything else is left out.",
)
@click.option(
    "--exclude", "exclude_mask", type=click.Path(path_type=Path), help="With --vcf: BED of what to leave out."
)
@click.option("--allow-unphased", is_flag=True, help="With --vcf: take unphased heterozygotes as they are written.")
@options.threads
@options.force
@options.quiet
def scan(
    query: tuple[Path, ...],
    vcf: Path | None,
    archaic: str,
    outgroup: str,
    target: str | None,
    haplotypes: str,
    sharing: bool | None,
    skip_short: bool,
    chrom: str | None,
    callable_mask: Path | None,
    exclude_mask: Path | None,
    allow_unphased: bool,
    quiet: bool,
    **rest: Any,
) -> None:
    """Find archaic segments in QUERY haplotypes (FASTA), or in samples of a VCF.

    \b
    genolstm introgression scan QUERY.fa.gz --archaic PANEL --outgroup PANEL -o segments.bed
    genolstm introgression scan --vcf X.vcf.gz --target LIST --outgroup LIST --archaic LIST \\
        -o segments.bed

    Positions are 0-based half-open, in the query's own coordinates.
    """
    only_vcf = {
        "--target": target,
        "--chrom": chrom,
        "--callable": callable_mask,
        "--exclude": exclude_mask,
        "--allow-unphased": allow_unphased or None,
    }
    if vcf is None:
        if not query:
            raise click.UsageError("name a QUERY FASTA, or give --vcf")
        for name, value in only_vcf.items():
            if value is not None:
                raise click.UsageError(f"{name} goes with --vcf")
    else:
        if query:
            raise click.UsageError("QUERY and --vcf exclude each other")
        if target is None:
            raise click.UsageError("--vcf needs --target, the names of the samples to scan")
        if sharing is not None or haplotypes != "record" or skip_short:
            raise click.UsageError("--sharing, --haplotypes and --skip-short go with FASTA, not with --vcf")
    if rest["threshold"] is not None and rest["fdr"] is not None:
        raise click.UsageError("--threshold and --fdr exclude each other")
    if rest["fdr"] is not None and rest["baseline"] is not None:
        raise click.UsageError("--fdr is known for the network only, not for the baseline")
    from genolstm.runs.scan import FastaDoor, VcfDoor, run_scan

    door: FastaDoor | VcfDoor
    if vcf is None:
        door = FastaDoor(query, archaic, outgroup, haplotypes, sharing, skip_short)
    else:
        door = VcfDoor(vcf, target or "", outgroup, archaic, chrom, allow_unphased, callable_mask, exclude_mask)
    summary = run_scan(door, progress=not quiet, **rest)
    if not quiet:
        for line in summary:
            click.echo(line, err=True)


@introgression.command()
@click.argument("segments", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option(
    "--posteriors",
    type=click.Path(path_type=Path),
    help="Posteriors of the same scan: ranks every bin and measures calibration.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    help="Where to write the result.  [default: standard output]",
)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@options.seed
@options.force
def evaluate(
    segments: Path, truth: Path, posteriors: Path | None, output: Path, as_json: bool, seed: int, force: bool
) -> None:
    """Compare SEGMENTS with TRUTH (both BED with sample and haplotype), in base pairs.

    Without --posteriors, AP ranks the segments by their own posterior, and what was not called
    is never found.
    """
    from genolstm.runs.scan import run_evaluation

    run_evaluation(segments, truth, posteriors=posteriors, output=output, as_json=as_json, seed=seed, force=force)


introgression.add_command(gather)
introgression.add_command(plot)
