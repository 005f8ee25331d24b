DOORS = [door for door in ("vcf", "fasta") if door in config]
OUTPUTS = config["outputs"]
PLOTS = config["plots"]
TRUTH = config.get("truth") or []
SAMPLES = config.get("samples") or []
SHEET = place(SAMPLES) if SAMPLES else ""
VCF = config.get("vcf", {})
FASTA = config.get("fasta", {})
# A model is the user's file, or the name of a shipped one.
MODEL_FILE = [config["model"]] if config["model"].endswith(".genolstm") else []
MASKS = [
    *("regions", "callable", "exclude", "target_callable", "target_exclude"),
    *("outgroup_callable", "outgroup_exclude", "archaic_callable", "archaic_exclude"),
]
# What each scan writes besides its segments: tables that are joined by rules of their own.
ALSO = [name for name in ("posteriors", "evidence") if OUTPUTS[name]]
SCAN_OPTIONS = options(
    config["scan"], "baseline", "threshold", "fdr", "min_length", "bridge"
)
PEOPLE = (
    read_sheet(SHEET, workflow.source_path("../schemas/samples.schema.yaml"), "sample")
    if SAMPLES
    else []
)


def people(key):
    """Return the rows of the sheet that the names of a key stand for: of samples, or of populations."""
    if VCF and not PEOPLE:
        raise WorkflowError(
            "config: lacks samples, the table in which vcf finds its people"
        )
    groups = {}
    for row in PEOPLE:
        for group in {row["pop"], row.get("super_pop", row["pop"])}:
            groups.setdefault(group, []).append(row)
    samples = {row["sample"]: [row] for row in PEOPLE}
    found = {}
    for name in map(str, as_list(VCF.get(key))):
        if name in samples and name in groups:
            raise WorkflowError(
                f"config: vcf.{key}: {name} is both a sample and a population of {SHEET}"
            )
        if name not in samples and name not in groups:
            raise WorkflowError(
                f"config: vcf.{key}: {SHEET} has no sample or population {name}"
                f"{meant(name, [*groups, *samples])}; populations: {', '.join(sorted(groups))}"
            )
        found.update({row["sample"]: row for row in groups.get(name) or samples[name]})
    return list(found.values())


def named(samples, whose, hint):
    """Return names as one word of a command."""
    word = ",".join(samples)
    if len(word) > LONGEST_NAMES:
        raise WorkflowError(
            f"config: {whose}: {len(samples)} samples are too many for one command; {hint}"
        )
    return word


def batches():
    """Return the names of the samples of each batch of targets."""
    found = {}
    outgroup = {row["sample"] for row in people("outgroup")}
    for row in people("targets"):
        if row["sample"] in outgroup:
            raise WorkflowError(
                f"config: vcf: {row['sample']} is among both targets and outgroup"
            )
        found.setdefault(row.get("batch", row["pop"]), []).append(row["sample"])
    hint = f"give {SHEET} a column batch, and some hundred samples to each"
    return {
        batch: named(samples, f"the batch {batch} of vcf.targets", hint)
        for batch, samples in found.items()
    }


def queries():
    """Return the files of each scan of FASTA."""
    given = FASTA.get("queries", {})
    if not isinstance(given, str):
        return {name: as_list(files) for name, files in given.items()}
    found = {}
    for row in read_sheet(
        place(given), workflow.source_path("../schemas/queries.schema.yaml"), "file"
    ):
        found.setdefault(row["query"], []).append(row["file"])
    return found


def check_plots():
    """Refuse to draw what is not scanned; which contigs FASTA holds is seen when it is drawn."""
    scanned = list(map(str, VCF.get("chromosomes", [])))
    for chrom in map(str, PLOTS["chromosomes"]):
        if VCF and chrom not in scanned:
            raise WorkflowError(
                f"config: plots.chromosomes: {chrom} is not scanned; vcf.chromosomes: {', '.join(scanned)}"
            )


def check_archaics():
    """Refuse archaics of which only the files or only the samples have names of sources."""
    given = [VCF[key] for key in ("archaic", "archaic_files") if VCF.get(key)]
    if len({isinstance(one, dict) for one in given}) > 1:
        raise WorkflowError(
            "config: vcf: archaic and archaic_files must both name their sources, or neither"
        )


BATCHES = batches() if VCF else {}
QUERIES = queries()
check_plots()
check_archaics()


def results():
    """Return the result files of every door in the configuration."""
    wanted = ["segments.bed", "summary.tsv", "summary_mqc.json"]
    wanted += ["segments.gff3"] if OUTPUTS["gff3"] else []
    wanted += ["posteriors.tsv.gz"] if OUTPUTS["posteriors"] else []
    wanted += ["evidence.tsv.gz"] if OUTPUTS["evidence"] else []
    wanted += ["report.html"] if OUTPUTS["report"] else []
    wanted += ["evaluation.tsv"] if TRUTH else []
    wanted += expand(
        "plots/{chrom}.{view}.svg", chrom=PLOTS["chromosomes"], view=PLOTS["views"]
    )
    wanted += ["plots/genome.svg"] if PLOTS.get("genome") else []
    return expand("<results>/{door}/{file}", door=DOORS, file=wanted)


def parts(door, ending):
    """Return the files that the scans of a door write, in the order of the configuration."""
    if door == "fasta":
        return expand(
            "<results>/fasta/scans/{query}{ending}", query=QUERIES, ending=ending
        )
    return expand(
        "<results>/vcf/scans/{chrom}/{batch}{ending}",
        chrom=VCF["chromosomes"],
        batch=BATCHES,
        ending=ending,
    )


def part(path):
    """Mark a part that is removed once it is gathered, if parts are not kept."""
    return path if OUTPUTS["keep_parts"] else temp(path)


def part_words(door, files, ending, option=""):
    """Write the files of parts() as words of a command, whose length is not that of all of their names."""
    if not files:
        return ""
    if door == "fasta":
        levels = [list(QUERIES)]
    else:
        levels = [list(map(str, VCF["chromosomes"])), list(BATCHES)]
    first = "/".join(names[0] for names in levels) + ending
    folder = str(files[0]).removesuffix(first)
    return f"{option}{quote(folder)}{'/'.join(map(braced, levels))}{ending}"


def manifest_words(wildcards, input):
    """Write the manifests of all scans as options."""
    return part_words(wildcards.door, input.manifests, ".json", "--manifest=")


def posteriors(wildcards):
    """Return the gathered posteriors of a door, if there are any."""
    return (
        f"<results>/{wildcards.door}/posteriors.tsv.gz" if OUTPUTS["posteriors"] else []
    )


def evidence(wildcards):
    """Return the gathered evidence of a door, if there is any."""
    return f"<results>/{wildcards.door}/evidence.tsv.gz" if OUTPUTS["evidence"] else []


def archaic_panels():
    """Return the definition of each source's panel; a single panel has no name."""
    given = FASTA["panels"]["archaic"]
    return {"": given} if isinstance(given, str) else given


def panel(name, given):
    """Return the path of a panel, whether given or to be built."""
    return given if isinstance(given, str) else f"<results>/panels/{name}.panel"


def to_build(wildcards):
    """Return how to build a panel."""
    role, _, source = wildcards.panel.partition(".")
    given = FASTA["panels"][role]
    return given[source] if source else given


def of_chromosome(key):
    """Return an input function for the files of a key, of the chromosome at hand."""

    def files(wildcards):
        given = VCF.get(key)
        given = list(given.values()) if isinstance(given, dict) else [given]
        return [
            file.replace("{chrom}", wildcards.chrom)
            for own in given
            for file in as_list(own)
        ]

    return files


def archaics(wildcards, input):
    """Write the archaics of a VCF as options: their files, and which samples of them."""
    words = []
    files = VCF.get("archaic_files")
    if isinstance(files, dict):
        names = [source for source, own in files.items() for _ in as_list(own)]
        words += [
            f"--archaic-vcf {quote(f'{source}={file}')}"
            for source, file in zip(names, input.archaic_vcf, strict=True)
        ]
    else:
        words.append(file_options("archaic-vcf", input.archaic_vcf))
    samples = VCF.get("archaic", {})
    if isinstance(samples, dict):
        words += [
            f"--archaic {quote(source + '=' + ','.join(map(str, own)))}"
            for source, own in samples.items()
        ]
    else:
        words.append(f"--archaic {quote(','.join(map(str, samples)))}")
    return " ".join(words)


def outgroup(wildcards):
    """Write who the outgroup is as an option, unless it is all of a file of its own."""
    if not VCF.get("outgroup"):
        return ""
    hint = "give them a file of their own (outgroup_files), all of which is taken without vcf.outgroup"
    samples = [row["sample"] for row in people("outgroup")]
    return f"--outgroup {quote(named(samples, 'vcf.outgroup', hint))}"


def sample_options(wildcards, input):
    """Write the table of samples as an option, if there is one."""
    return file_options("samples", input.samples)


def also_written(stem):
    """Return the optional outputs of a scan."""
    return {name: part(f"{stem}.{name}.tsv.gz") for name in ALSO}


def also_options(output):
    """Write the optional outputs of a scan as options."""
    words = [file_options(name, output[name]) for name in ALSO]
    weigh = OUTPUTS["evidence"] and OUTPUTS["weights"]
    return " ".join([*words, *(["--weights"] if weigh else [])])
