ENDINGS = {"paf": "paf", "sam": "sam", "outfmt6": "outfmt6.tsv", "tsv": "columns.tsv"}
FAMILY_ENDINGS = {"fasta": "fa", "a2m": "a2m", "stockholm": "sto"}
ENDING = ENDINGS[config["format"]]
WHOLE_ENDING = ENDING + (".gz" if config["compress"] else "")
FAMILY_ENDING = FAMILY_ENDINGS[config["msa"]["format"]]
COLUMNS = config["task"] == "score" and config["score"]["columns"]
REFERENCES = config["references"]
TRAIN = config.get("train")
# A model is fitted first, or the user's file, or the name of a shipped one.
GIVEN_MODEL = [config["model"]] if config["model"].endswith(".genolstm") else []
MODEL_FILE = "<results>/model/trained.genolstm" if TRAIN else GIVEN_MODEL
# `align msa` averages several models of its own choice, the default aligner among them.
FAMILY_DEFAULT = config["model"] == "dna" and not TRAIN
SAMPLES = config.get("samples")
SHEET = place(SAMPLES) if SAMPLES else ""
QUERIES = (
    {
        row["query"]: row
        for row in read_sheet(
            SHEET,
            workflow.source_path("../schemas/samples.schema.yaml"),
            "query",
        )
    }
    if SAMPLES
    else {}
)


def targets(query):
    """Return the names of the references that a file of queries is aligned to."""
    given = QUERIES[query].get("references")
    if not given:
        return list(REFERENCES)
    found = [word for word in given.split(",") if word]
    for word in found:
        if word not in REFERENCES:
            raise WorkflowError(
                f"{SHEET}: {query}: no references {word}{meant(word, REFERENCES)}; "
                f"references: {', '.join(REFERENCES)}"
            )
    return found


def aligned_to(reference):
    """Return the files of queries that are aligned to a file of references."""
    return [query for query in QUERIES if reference in targets(query)]


def check_names():
    """Refuse a configuration whose parts do not fit together."""
    if QUERIES and not REFERENCES:
        raise WorkflowError("config: lacks references for the queries of samples")
    for query, row in QUERIES.items():
        targets(query)
        if row.get("pairs") and config["task"] != "score":
            raise WorkflowError(
                f"{SHEET}: {query}: pairs are for the task score, and the task is {config['task']}"
            )
    for name, plot in config["plots"].items():
        for key, known in (("query", QUERIES), ("reference", REFERENCES)):
            if plot[key] not in known:
                raise WorkflowError(
                    f"config: plots.{name}.{key}: there is no {plot[key]}{meant(plot[key], known)}; "
                    f"there is: {', '.join(known)}"
                )
    if (
        TRAIN
        and sum(bool(TRAIN.get(key)) for key in ("pairs", "truth", "one_to_one")) != 1
    ):
        raise WorkflowError("config: train: needs one of pairs, truth, one_to_one")


check_names()


def results():
    """Return the result files of the configuration."""
    used = [reference for reference in REFERENCES if aligned_to(reference)]
    files = [f"alignments.{WHOLE_ENDING}", *(["columns.tsv.gz"] if COLUMNS else [])]
    return [
        *expand("<results>/{reference}/{file}", reference=used, file=files),
        *expand(
            f"<results>/families/{{family}}.{FAMILY_ENDING}", family=config["families"]
        ),
        *expand("<results>/plots/{name}.svg", name=config["plots"]),
    ]


def parts(ending):
    """Return an input function for what is gathered for one file of references."""
    return lambda wildcards: expand(
        "<results>/{reference}/parts/{query}.{ending}",
        reference=wildcards.reference,
        query=aligned_to(wildcards.reference),
        ending=ending,
    )


def part(path):
    """Mark a part that is removed once it is gathered, if parts are not kept."""
    return path if config["keep_parts"] else temp(path)


def part_words(ending):
    """Return a function that writes the files of parts() as words of a command, all of whose names may be too long."""

    def words(wildcards, input):
        names = aligned_to(wildcards.reference)
        folder = str(input[0]).removesuffix(f"{names[0]}.{ending}")
        return f"{quote(folder)}{braced(names)}.{ending}"

    return words


def query_file(wildcards):
    """Return the file of queries of a job."""
    return QUERIES[wildcards.query]["file"]


def reference_file(wildcards):
    """Return the file of references of a job."""
    return REFERENCES[wildcards.reference]
