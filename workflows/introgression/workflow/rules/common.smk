from shlex import quote

DOORS = [door for door in ("fasta", "vcf") if door in config]
TRUTH = config.get("truth")
# A model is the user's file, or the name of a shipped one.
MODEL_FILE = [config["model"]] if config["model"].endswith(".genolstm") else []


wildcard_constraints:
    door="fasta|vcf",
    role="archaic|outgroup",
    query=r"[^/]+",
    batch=r"[^/]+",
    chrom=r"[^/]+",


def results():
    """Return the result files of every door in the configuration."""
    wanted = ["segments.bed", "posteriors.tsv.gz", "summary.tsv", "summary_mqc.json"]
    wanted += ["evaluation.tsv"] if TRUTH else []
    wanted += [f"plots/{chrom}.svg" for chrom in config["plots"]]
    return expand("<results>/{door}/{file}", door=DOORS, file=wanted)


def parts(door, ending):
    """Return the files that the scans of a door write, in the order of the configuration."""
    if door == "fasta":
        return expand(
            "<results>/fasta/scans/{query}{ending}",
            query=config["fasta"]["queries"],
            ending=ending,
        )
    return expand(
        "<results>/vcf/scans/{chrom}/{batch}{ending}",
        chrom=config["vcf"]["chromosomes"],
        batch=config["vcf"]["targets"],
        ending=ending,
    )


def panel(role):
    """Return the path of a panel, whether given or to be built."""
    given = config["fasta"]["panels"][role]
    return given if isinstance(given, str) else f"<results>/panels/{role}.panel"


def panel_settings(wildcards):
    """Return the options for building a panel."""
    given = config["fasta"]["panels"][wildcards.role]
    return options(given, "k", "haplotypes", "min_count")


def vcf_file(wildcards):
    """Return the VCF of a chromosome."""
    return config["vcf"]["file"].replace("{chrom}", wildcards.chrom)


def masks(key):
    """Return a mask of the VCF door as a list, empty if there is none."""
    mask = config["vcf"].get(key)
    return [mask] if mask else []


def options(settings, *names):
    """Write settings as command-line options; those that are not set keep their defaults."""
    return " ".join(
        f"{'-' if len(name) == 1 else '--'}{name.replace('_', '-')} {settings[name]}"
        for name in names
        if settings.get(name) is not None
    )


def file_option(name, files):
    """Write an optional input as a command-line option."""
    return f"--{name} {quote(str(files))}" if files else ""


def model(input):
    """Return the model's file, or the name under which it ships."""
    return quote(str(input.model) or config["model"])
