import shutil
from pathlib import Path
from shlex import quote

SCRIPTS = Path(workflow.basedir)
WORK = config["work"]
LEVELS = {f"{quantile:g}": quantile for quantile in config["quantiles"]}


def slug(name):
    """Return the name of a set as that of a folder, as sets.py does."""
    return name.replace(" ", "_").replace(",", "").replace("%", "percent")


SETS = {slug(one["name"]): one for one in config["sets"]}
# A peer that is not there is left out, and the table says so. R is what `sstar threshold` calls.
ABSENT = {
    peer: needed
    for peer, programs in {
        "hmmix": (config["hmmix"], "bcftools", "vcftools"),
        "sstar": (config["sstar"], "bcftools", "R"),
    }.items()
    if (needed := [program for program in programs if not shutil.which(program)])
}
PEERS = [peer for peer in ("hmmix", "sstar") if peer not in ABSENT]
SCANS = {
    "archaic": "--archaic NEA",
    "none": "",
    "hmm": "--archaic NEA --baseline hmm",
}


wildcard_constraints:
    set="|".join(SETS),
    scan="|".join(SCANS),
    person=r"T\d+",
    quantile=r"[0-9.]+",


def of_set(key):
    """Return a function that looks up what the configuration says of a set."""
    return lambda wildcards: SETS[wildcards.set][key]


def persons(wildcards):
    """Return the people of a set whom a peer is run on."""
    return [f"T{i}" for i in range(SETS[wildcards.set]["targets"])]


def per_person(pattern):
    """Return a function that fills in each person."""
    return lambda wildcards: expand(
        pattern, set=wildcards.set, person=persons(wildcards)
    )


def files_of(wildcards):
    """Return what a program wrote of a set, for score.py."""
    folder = f"{WORK}/{wildcards.set}"
    if wildcards.method == "hmmix":
        return expand(
            f"{folder}/hmmix/{{person}}.hap{{h}}.txt",
            person=persons(wildcards),
            h=(1, 2),
        )
    if wildcards.method == "sstar":
        return [f"{folder}/sstar/{quantile}.bed" for quantile in LEVELS]
    return [
        f"{folder}/{wildcards.method}.{part}" for part in ("posteriors.tsv.gz", "bed")
    ]


def costs_of(wildcards):
    """Return the costs of all that a program needs by default."""
    folder = f"{WORK}/{wildcards.set}/cost"
    if wildcards.method == "hmmix":
        return [f"{folder}/hmmix.tsv"] + [
            f"{folder}/hmmix.{person}.tsv" for person in persons(wildcards)
        ]
    if wildcards.method == "sstar":
        return expand(
            f"{folder}/sstar.{{step}}.tsv",
            step=("null", "windows", "threshold.0.99", "tract.0.99"),
        )
    return [f"{folder}/{wildcards.method}.tsv"]


def told_files(wildcards):
    """Return what is to be scored as words: of hmmix its folder."""
    if wildcards.method == "hmmix":
        return quote(f"{WORK}/{wildcards.set}/hmmix")
    return " ".join(map(quote, files_of(wildcards)))


def peers_files(wildcards):
    """Return the peers' segments that are compared with ours."""
    folder = f"{WORK}/{wildcards.set}"
    files = []
    if "hmmix" in PEERS:
        files += [
            f"{folder}/hmmix/{person}.hap{h}.txt"
            for person in persons(wildcards)
            for h in (1, 2)
        ]
    if "sstar" in PEERS:
        files.append(f"{folder}/sstar/0.99.bed")
    return files


def named_files(wildcards):
    """Return the same files as words of `compare`: sstar's may be empty, which tells no format."""
    files = peers_files(wildcards)
    return [f"{path}={'sstar' if path.endswith('.bed') else 'hmmix'}" for path in files]


def counted_sets(wildcards):
    """Return the same files as words of count_agreement.py."""
    folder = f"{WORK}/{wildcards.set}"
    files = peers_files(wildcards)
    sets = {"genolstm": [f"{folder}/archaic.bed"]}
    if "hmmix" in PEERS:
        sets["hmmix"] = [path for path in files if "/hmmix/" in path]
    if "sstar" in PEERS:
        sets["sstar"] = [path for path in files if "/sstar/" in path]
    sets["truth"] = [f"{folder}/set/truth.bed"]
    return " ".join(
        quote(f"--set={name}={','.join(paths)}") for name, paths in sets.items()
    )


def absent():
    """Return the peers that are left out as words of table.py."""
    return " ".join(
        quote(f"--absent={peer}={', '.join(needed)}") for peer, needed in ABSENT.items()
    )
