from shlex import quote

DOORS = [door for door in ("fasta", "vcf") if door in config]
TRUTH = config.get("truth")
# A model is a file of the user's, or ships under a name.
MODEL_FILE = [config["model"]] if config["model"].endswith(".genolstm") else []


wildcard_constraints:
    door="fasta|vcf",
    role="archaic|outgroup",
    query=r"[^/]+",
    batch=r"[^/]+",
    chrom=r"[^/]+",


def results():
    """Return the files of every door that the configuration opens."""
    wanted = ["segments.bed", "posteriors.tsv.gz"]
    wanted += ["evaluation.tsv"] if TRUTH else []
    wanted += [f"plots/{chrom}.svg" for chrom in config["plots"]]
    return expand("<results>/{door}/{file}", door=DOORS, file=wanted)


def parts(door, ending):
    """Return what the scans of a door write, in the order of the configuration."""
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
    """Return a panel that is given, or the place of the one to build."""
    given = config["fasta"]["panels"][role]
    return given if isinstance(given, str) else f"<results>/panels/{role}.panel"


def panel_settings(wildcards):
    """Return the options of a panel that is built."""
    given = config["fasta"]["panels"][wildcards.role]
    return options(given, "k", "haplotypes", "min_count")


def vcf_file(wildcards):
    """Return the VCF of a chromosome."""
    return config["vcf"]["file"].replace("{chrom}", wildcards.chrom)


def masks(key):
    """Return a mask of the VCF door as a list: empty if there is none."""
    mask = config["vcf"].get(key)
    return [mask] if mask else []


def options(settings, *names):
    """Write settings as options of the command line; what is not set keeps its default."""
    return " ".join(
        f"{'-' if len(name) == 1 else '--'}{name.replace('_', '-')} {settings[name]}"
        for name in names
        if settings.get(name) is not None
    )


def file_option(name, files):
    """Write an input that may be missing as an option."""
    return f"--{name} {quote(str(files))}" if files else ""


def model(input):
    """Return the model's file, or the name under which it ships."""
    return quote(str(input.model) or config["model"])
