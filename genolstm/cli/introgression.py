"""``genolstm introgression``: simulate, train, scan, evaluate."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from genolstm.cli import options
from genolstm.cli.agreement import compare
from genolstm.cli.archaics import by_source, is_there, simulated_sources
from genolstm.cli.explain import explain
from genolstm.cli.gather import gather
from genolstm.cli.numbers import WholeRange
from genolstm.cli.plot import plot
from genolstm.cli.report import report as draw_report
from genolstm.cli.score import score
from genolstm.cli.summary import summarise
from genolstm.errors import SettingError, shown
from genolstm.introgression.sequence_only.settings import NETWORK as SEQUENCE_NETWORK
from genolstm.introgression.sequence_only.settings import SENTENCES, SentenceSettings, SequenceOnlyTraining
from genolstm.introgression.sequence_only.settings import TRAINING as SEQUENCE_TRAINING
from genolstm.introgression.settings import (
    DEFAULT_MODEL,
    NETWORK,
    TRAINING,
    IntrogressionTraining,
    ScanSettings,
    SimulationLimits,
    SimulationSettings,
    TrackSettings,
    VariantSettings,
)
from genolstm.sequences.panel.settings import MEMORY

_path = click.Path(path_type=Path)
#: Names of files that are given with --vcf.
_VARIANTS = re.compile(r"\.(vcf|bcf|vcz|zarr)(\.(gz|bgz|bz2|xz|zst|zip))?$", re.IGNORECASE)
_path_or_stdout = click.Path(path_type=Path, allow_dash=True)


@click.group(cls=options.Group)
def introgression() -> None:
    """Find archaic segments in modern haplotypes."""


@introgression.command()
@click.option(
    "-o",
    "--output",
    required=True,
    type=_path,
    help="Folder to create; with several --replicates, it holds one folder per seed.",
)
@options.renamed("--model", to="model")
@options.settings(
    SimulationSettings,
    "model",
    "length",
    "seed",
    "n_target",
    "n_outgroup",
    "n_archaic",
    "target",
    "outgroup",
    "archaic_time",
    "mutation_rate",
    "recombination_rate",
    "chrom",
    model="--demography",
    n_target="--target-size",
    n_outgroup="--outgroup-size",
    n_archaic="--archaic-size",
)
@click.option(
    "--archaic",
    "archaics",
    multiple=True,
    metavar="[NAME=]POPULATION[@TIME]",
    help="Archaic population to sample; by default the one known for the demography. Repeat it, with names, for "
    "several sources: --archaic neanderthal=NeaA --archaic denisovan=DenA; TIME is the age of a named one.",
)
@click.option(
    "--donor",
    "donors",
    multiple=True,
    metavar="[NAME=]POPULATION",
    help="Population that gave ancestry; may be repeated, and name its source; by default those known for the archaic. "
    "A source with donors alone is a ghost that nobody sampled.",
)
@options.settings(SimulationLimits, into="limits")
@click.option(
    "--replicates",
    type=WholeRange(min=1),
    default=1,
    show_default=True,
    help="Number of independent regions, with consecutive seeds from --seed.",
)
@options.force
@options.quiet
def simulate(
    output: Path,
    settings: SimulationSettings,
    archaics: tuple[str, ...],
    donors: tuple[str, ...],
    limits: SimulationLimits,
    replicates: int,
    force: bool,
    quiet: bool,
) -> None:
    """Simulate haplotypes with known archaic tracts.

    Each region is a folder of target.fa.gz, outgroup.fa.gz, archaic.fa.gz (one record per
    haplotype, SAMPLE#1#chrom), region.vcf.gz (phased), target.txt, outgroup.txt, archaic.txt
    (sample names), truth.bed and simulation.json. Of several sources, the archaics are archaic.NAME.fa.gz and
    archaic.NAME.txt, and truth.bed has the column source. An interrupted run resumes with the first unfinished region.
    """
    from genolstm.runs.simulate import run

    settings = replace(settings, **simulated_sources(archaics, donors))

    for folder, summary in run(settings, output, replicates=replicates, force=force, limits=limits):
        options.say(
            f"{folder}: {summary['sites']} sites, {summary['tracts']} archaic tracts, "
            f"{100 * summary['archaic_fraction']:.2f} % archaic{_shares(summary)}",
            quiet=quiet,
        )


def _shares(summary: dict[str, Any]) -> str:
    """Return how much each source gave, if there are several."""
    shares = [f"{100 * one['archaic_fraction']:.2f} % {name}" for name, one in summary.get("sources", {}).items()]
    return f" ({', '.join(shares)})" if shares else ""


#: Options of `train` that have a meaning in one of its modes only, by parameter.
_OF_TRACKS = ("label", "window", "bin")
_OF_SEQUENCE = ("labels", "split", "sentence", "step", "known", "modern", "test_fraction", "input_units")


@introgression.command()
@click.argument("regions", nargs=-1, required=True, type=_path)
@click.option("-o", "--output", required=True, type=_path, help="Model to write (.genolstm).")
@click.option(
    "--mode",
    type=click.Choice(("tracks", "sequence")),
    default="tracks",
    show_default=True,
    help="tracks: haplotypes compared with archaic and outgroup, for scans. sequence: the sequence alone, without "
    "references; it learns its loci by heart, and cannot scan.",
)
@options.settings(IntrogressionTraining, "label", "window", into="special", changes=True)
@options.settings(
    TrackSettings, into="tracks", changes=True, k={"flags": "-k", "show_default": f"31; {SENTENCES.k} for sequence"}
)
@click.option("--labels", type=_path, help="Sequence mode: REGIONS are FASTA; this has columns name, label, group.")
@options.settings(SequenceOnlyTraining, into="recipe", changes=True, test_fraction="--test", split={"flags": "--split"})
@options.settings(SentenceSettings, "sentence", "step", "known", into="sentences", changes=True)
@options.settings(
    NETWORK,
    "cell",
    "units",
    "layers",
    "dropout",
    into="network",
    changes=True,
    units={"type": WholeRange(min=1), "help": "Number of units in each direction of a recurrent layer."},
    layers={"show_default": f"{NETWORK.layers}; {SEQUENCE_NETWORK.layers} for sequence"},
)
@options.settings(
    SEQUENCE_NETWORK,
    "input_units",
    into="embedding",
    changes=True,
    input_units={"flags": "--embedding", "type": WholeRange(min=1), "help": "Width of the vector of a k-mer."},
)
@options.settings(
    TRAINING,
    "epochs",
    "batch_size",
    "learning_rate",
    "patience",
    "validation_fraction",
    "seed",
    changes=True,
    validation_fraction="--validation",
    epochs={"show_default": f"{TRAINING.epochs}; {SEQUENCE_TRAINING.epochs} for sequence"},
)
@click.option("--checkpoints", type=_path, show_default="OUTPUT.training", help="Folder of the checkpoint.")
@click.option(
    "--log",
    type=_path,
    help="CSV log with one row per epoch; it appears with the model, until then it is log.csv beside the checkpoint.",
)
@options.force
@options.quiet
def train(
    regions: tuple[Path, ...],
    output: Path,
    mode: str,
    special: dict[str, Any],
    tracks: dict[str, Any],
    labels: Path | None,
    recipe: dict[str, Any],
    sentences: dict[str, Any],
    network: dict[str, Any],
    embedding: dict[str, Any],
    settings: dict[str, Any],
    quiet: bool,
    **files: Any,
) -> None:
    """Train a model on labelled REGIONS.

    Needs the extra `train`. REGIONS are folders as `simulate` writes them, or folders of such folders; your own
    data need the same file names. Whole regions are held out. An interrupted run resumes from its
    checkpoint, with the same result.

    With --mode sequence, target.fa.gz and truth.bed are all that is read, cut into sentences of k-mers. Such a model
    knows the sequence of its training loci; on loci that it did not see it can be no better than chance.
    """
    given = {**special, **tracks, **recipe, **sentences, **embedding, **({"labels": labels} if labels else {})}
    foreign = _OF_TRACKS if mode == "sequence" else _OF_SEQUENCE
    other = "tracks" if mode == "sequence" else "sequence"
    parameters = click.get_current_context().command.params
    spelled = {str(one.name): max(one.opts, key=len) for one in parameters}
    _refuse(f"goes with --mode {other}", {spelled[name]: name in given for name in foreign})
    if labels is not None:
        # Their table says what is modern, and what stays together.
        _refuse("goes with folders, not with --labels", {"--split": "split" in given, "--modern": "modern" in given})
    kept: dict[str, Any] = {"output": output, "progress": not quiet, **files}

    def warn(text: str) -> None:
        options.say(f"warning: {text}", quiet=False)

    if mode == "sequence":
        from genolstm.runs.train_sequence import run as run_sequence

        said = run_sequence(
            regions,
            labels=labels,
            network=replace(SEQUENCE_NETWORK, **network, **embedding),
            settings=replace(SEQUENCE_TRAINING, **settings),
            options=SequenceOnlyTraining(**recipe),
            sentences=SentenceSettings(**tracks, **sentences),
            warn=warn,
            tell=lambda text: options.say(text, quiet=quiet),
            **kept,
        )
    else:
        from genolstm.runs.train import run

        said = run(
            regions,
            network=replace(NETWORK, **network),
            settings=replace(TRAINING, **settings),
            options=IntrogressionTraining(**special),
            tracks=TrackSettings(**tracks),
            warn=warn,
            **kept,
        )
    click.echo(shown(said, keep="\n"))


_paths: dict[str, Any] = {"type": _path, "multiple": True}


def _masks_of_roles(command: Any) -> Any:
    """Add the masks that hold for one role only."""
    for role in ("archaic", "outgroup", "target"):
        for what, text in (("exclude", "leave out"), ("callable", "count")):
            command = click.option(
                f"--{role}-{what}", **_paths, help=f"With --vcf: BED of the regions to {text} of the {role} only."
            )(command)
    return command


@introgression.command()
@click.argument("query", nargs=-1, type=_path_or_stdout)
@click.option(
    "--vcf",
    type=_path_or_stdout,
    multiple=True,
    help="Scan samples of this VCF, BCF or VCF Zarr instead of QUERY; may be repeated for files of other chromosomes "
    "or samples; - is standard input.",
)
@click.option(
    "--archaic-vcf",
    multiple=True,
    metavar="[NAME=]FILE",
    help="File of the archaic, if it is not in --vcf; may be repeated, and name its source.",
)
@click.option("--outgroup-vcf", **_paths, help="File of the outgroup, if it is not in --vcf; may be repeated.")
@click.option(
    "--outgroup-frequencies",
    **_paths,
    help="Instead of an outgroup: VCF without genotypes, with allele frequencies in INFO; may be repeated.",
)
@click.option("--field", metavar="NAME", help="Name in INFO of the frequencies, such as AF_afr.")
@click.option(
    "--archaic",
    multiple=True,
    metavar="[NAME=]WHAT",
    help="Archaic k-mer panel; with --vcf, names of samples or populations (comma-separated, or a file with one per "
    "line); by default all samples of --archaic-vcf. Repeat it for several sources: --archaic neanderthal=A,B "
    "--archaic denisovan=C. Without any, what is found is of an unknown source.",
)
@click.option("--outgroup", help="Outgroup k-mer panel; with --vcf, names; by default all samples of --outgroup-vcf.")
@click.option("--target", help="With --vcf: names of the samples or populations to scan.")
@click.option(
    "--samples",
    type=_path,
    help="With --vcf: table of samples with columns sample, pop and super_pop, so that populations can be named.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=_path_or_stdout,
    help="File of the segments: .bed, or .gff3 for GFF3, and .gz behind either; - is standard output (BED).",
)
@click.option("--posteriors", type=_path, help="Also write the posterior of every bin (.tsv or .tsv.gz).")
@click.option("--bedgraph", type=_path, help="Also write posteriors as bedGraph, one track per haplotype.")
@click.option("--unknown", type=_path_or_stdout, help="Also write the stretches of which nothing is known (BED).")
@click.option("--track", type=_path, help="Also write a track for genome browsers, coloured by source (BED9).")
@click.option("--bigwig", type=_path, help="Also write the mean posterior over all haplotypes as bigWig (.bw).")
@click.option(
    "--bigwig-haplotypes", type=_path, help="Also write posteriors as one bigWig per haplotype, in this folder."
)
@click.option(
    "--summary",
    type=_path_or_stdout,
    help="Also write what was found by haplotype, sample, population and source (.tsv).",
)
@click.option("--multiqc", type=_path, help="Also write what was found in each sample for MultiQC (_mqc.json).")
@click.option(
    "--evidence", type=_path_or_stdout, help="Also write every informative site of every segment (.tsv or .tsv.gz)."
)
@click.option(
    "--weights",
    is_flag=True,
    help="Also weigh each site of --evidence: by how much the log-odds of its segment fall without it (reads the "
    "input twice).",
)
@click.option(
    "--annotate", type=_path_or_stdout, help="With --vcf: also write its records with the segments in them (.vcf.gz)."
)
@click.option("--report", type=_path, help="Also draw what was found as one page (.html; needs the extra `report`).")
@click.option(
    "--haplotypes",
    type=click.Choice(["record", "file"]),
    default="record",
    show_default=True,
    help="What makes up one haplotype: a FASTA record or a whole file.",
)
@click.option(
    "--sharing/--no-sharing",
    default=None,
    show_default="yes for one haplotype per record",
    help="Whether to check which rare k-mers the query haplotypes share (reads the input twice).",
)
@options.memory("With FASTA: most memory for counting the k-mers that the query haplotypes share")
@click.option(
    "--skip-short", is_flag=True, help="Leave out FASTA records shorter than a bin instead of rejecting them."
)
@options.model(DEFAULT_MODEL, help="Name of a shipped model, or a .genolstm file.")
@options.settings(ScanSettings, changes=True)
@click.option("--chrom", multiple=True, help="With --vcf: scan this chromosome only; may be repeated.")
@click.option(
    "--region",
    type=options.REGION,
    multiple=True,
    help="With --vcf: scan this stretch only, widened to whole bins; 1-based, both ends included, as in samtools; "
    "may be repeated.",
)
@click.option(
    "--regions",
    **_paths,
    help="With --vcf: scan only the stretches in this BED file; may be repeated. With --chrom, only those on these "
    "chromosomes.",
)
@click.option(
    "--callable",
    "callable_mask",
    **_paths,
    help="With --vcf: BED of the regions to count; everything else is left out; several files are taken together.",
)
@click.option("--exclude", "exclude_mask", **_paths, help="With --vcf: BED of the regions to leave out.")
@_masks_of_roles
@options.settings(
    VariantSettings,
    into="calls",
    filters={
        "flags": "--filter",
        "multiple": True,
        "metavar": "NAME",
        "show_default": "PASS and .",
        "help": "With --vcf: FILTER value whose records are used; may be repeated; any uses all records.",
    },
)
@click.option(
    "--allow-unphased",
    is_flag=True,
    help="With --vcf: accept unphased heterozygotes in the order in which they are written.",
)
@click.option("--index", is_flag=True, help="Also write a tabix index (.tbi) of each table whose name ends in .gz.")
@options.threads
@options.force
@options.quiet
def scan(
    query: tuple[Path, ...],
    vcf: tuple[Path, ...],
    archaic: tuple[str, ...],
    outgroup: str | None,
    target: str | None,
    output: Path,
    posteriors: Path | None,
    bedgraph: Path | None,
    unknown: Path | None,
    evidence: Path | None,
    weights: bool,
    annotate: Path | None,
    track: Path | None,
    bigwig: Path | None,
    bigwig_haplotypes: Path | None,
    summary: Path | None,
    multiqc: Path | None,
    report: Path | None,
    haplotypes: str,
    sharing: bool | None,
    memory: int,
    skip_short: bool,
    model: str,
    settings: dict[str, Any],
    chrom: tuple[str, ...],
    callable_mask: tuple[Path, ...],
    exclude_mask: tuple[Path, ...],
    calls: VariantSettings,
    allow_unphased: bool,
    index: bool,
    threads: int,
    force: bool,
    quiet: bool,
    **files: Any,
) -> None:
    """Find archaic segments in QUERY (FASTA), or in samples of a VCF.

    Positions are 0-based half-open, in the query's own coordinates. Beside segments.bed, segments.json
    tells how it was made.
    """
    if not vcf:
        if not query:
            raise click.UsageError("give a QUERY FASTA or --vcf")
        for one in query:
            if _VARIANTS.search(one.name):
                raise click.UsageError(f"{one} is no FASTA by its name: use --vcf {one}")
        _refuse(
            "goes with --vcf",
            {
                "--target": target is not None,
                "--chrom": bool(chrom),
                "--callable": bool(callable_mask),
                "--exclude": bool(exclude_mask),
                "--allow-unphased": allow_unphased,
                **{f"--{name.replace('_', '-')}": bool(given) for name, given in files.items()},
                **{f"--{name}": True for name in _changed(calls)},
            },
        )
    elif target is None:
        raise click.UsageError("--vcf needs --target, the names of the samples to scan")
    else:
        _refuse(
            "goes with FASTA, not with --vcf",
            {
                "QUERY": bool(query),
                "--sharing": sharing is not None,
                "--haplotypes": haplotypes != "record",
                "--skip-short": skip_short,
                "--memory": memory != MEMORY,
            },
        )
        if files["outgroup_frequencies"]:
            _refuse(
                "and --outgroup-frequencies exclude each other",
                {"--outgroup": outgroup is not None, "--outgroup-vcf": bool(files["outgroup_vcf"])},
            )
        if bool(files["outgroup_frequencies"]) != (files["field"] is not None):
            raise click.UsageError("--outgroup-frequencies and --field go together")
    if outgroup is None and not files["outgroup_vcf"] and not files["outgroup_frequencies"]:
        needed = "give --outgroup, --outgroup-vcf or --outgroup-frequencies"
        raise click.UsageError("Missing option '--outgroup'." if not vcf else needed)
    if index and not any(path is not None and path.suffix in (".gz", ".bgz") for path in (output, posteriors, unknown)):
        raise click.UsageError("--index needs -o, --posteriors or --unknown with a name that ends in .gz")
    if weights and evidence is None:
        raise click.UsageError("--weights needs --evidence")
    from genolstm.runs.scan import FastaDoor, VcfDoor, run

    try:
        chosen = ScanSettings(**settings)
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    door: FastaDoor | VcfDoor
    archaics = by_source("--archaic", archaic)
    if not vcf:
        panels = {name: [panel for value in values for panel in _panels(value)] for name, values in archaics.items()}
        door = FastaDoor(query, panels, str(outgroup), haplotypes, sharing, skip_short, memory)
    else:
        # A text may name a list or be one; nothing at all stands for everybody in a role's own files.
        door = VcfDoor(
            vcf,
            target or "",
            outgroup if outgroup is not None else (),
            {name: values[0] if len(values) == 1 else ",".join(values) for name, values in archaics.items()},
            chrom,
            allow_unphased,
            callable_mask,
            exclude_mask,
            archaic_vcf=by_source("--archaic-vcf", files.pop("archaic_vcf")),
            settings=calls,
            **files,
        )
    with options.progress("scanning", quiet=quiet) as shown:
        said = run(
            door,
            output=output,
            posteriors=posteriors,
            bedgraph=bedgraph,
            unknown=unknown,
            evidence=evidence,
            annotate=annotate,
            weights=weights,
            track=track,
            bigwig=bigwig,
            bigwig_haplotypes=bigwig_haplotypes,
            summary=summary,
            multiqc=multiqc,
            report=report,
            model=model,
            settings=chosen,
            index=index,
            threads=threads,
            force=force,
            progress=None if shown is None else lambda step: shown(f"{step.chrom}: {step.bins:,} bins", step.share),
        )
    options.tell(said, quiet=quiet)


def _panels(value: str) -> list[str]:
    """Return the panels that one value names, which are separated by commas."""
    return [value] if is_there(value) else value.split(",")


def _changed(calls: VariantSettings) -> list[str]:
    """Return the options of settings that are not as they are by default."""
    default = VariantSettings()
    spelling = {"filters": "filter"}
    return [
        spelling.get(field.name, field.name.replace("_", "-"))
        for field in fields(calls)
        if getattr(calls, field.name) != getattr(default, field.name)
    ]


def _refuse(why: str, given: dict[str, bool]) -> None:
    """Reject options of the other door."""
    for name, is_given in given.items():
        if is_given:
            raise click.UsageError(f"{name} {why}")


@introgression.command()
@click.argument("segments", type=click.Path(path_type=Path))
@click.argument("truth", type=click.Path(path_type=Path))
@click.option(
    "--posteriors",
    type=click.Path(path_type=Path),
    help="Posteriors of the same scan, to rank every bin and measure calibration.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="File to write the result to.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a table.")
@click.option(
    "--no-introgression",
    is_flag=True,
    help="Nobody carries a tract, so that TRUTH holds none: count what is called falsely.",
)
@options.seed
@options.force
def evaluate(
    segments: Path,
    truth: Path,
    posteriors: Path | None,
    output: Path,
    as_json: bool,
    no_introgression: bool,
    seed: int,
    force: bool,
) -> None:
    """Compare SEGMENTS with TRUTH, in base pairs.

    Both are BED with sample and haplotype.

    Without --posteriors, AP ranks the segments by their posterior, and tracts that were not called
    count as never found. Intervals are by bootstrap over loci of 1 Mb. If both files have a column source,
    each source is measured by itself as well, and whether what was called carries the right name.
    """
    from genolstm.runs.evaluate import run

    result = run(
        segments,
        truth,
        posteriors=posteriors,
        output=output,
        as_json=as_json,
        no_introgression=no_introgression,
        seed=seed,
        force=force,
    )
    for note in result.notes:
        options.say(f"warning: {note}", quiet=False)


introgression.add_command(compare)
introgression.add_command(explain)
introgression.add_command(gather)
introgression.add_command(plot)
introgression.add_command(score)
introgression.add_command(summarise)
introgression.add_command(draw_report)
