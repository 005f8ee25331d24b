rule search:
    input:
        query=query_file,
        reference=reference_file,
        model=MODEL_FILE,
    output:
        part(f"<results>/{{reference}}/parts/{{query}}.search.{ENDING}"),
    log:
        "<logs>/search/{reference}/{query}.log",
    benchmark:
        "<benchmarks>/search/{reference}/{query}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        model=lambda wildcards, input: model(input),
        form=config["format"],
        settings=options(
            config["search"],
            *("evalue", "max_hits", "candidates", "exact", "skip_self"),
            *("mode", "strand", "classical"),
        ),
    shell:
        "genolstm align search {input.query:q} {input.reference:q} --model {params.model}"
        " {params.settings} --format {params.form} -o {output:q}"
        " --threads {threads} > {log:q} 2>&1"


rule score:
    input:
        query=query_file,
        reference=reference_file,
        pairs=lambda wildcards: QUERIES[wildcards.query].get("pairs", []),
        model=MODEL_FILE,
    output:
        **(
            {
                "posteriors": part(
                    "<results>/{reference}/parts/{query}.posteriors.tsv.gz"
                )
            }
            if COLUMNS
            else {}
        ),
        alignments=part(f"<results>/{{reference}}/parts/{{query}}.score.{ENDING}"),
    log:
        "<logs>/score/{reference}/{query}.log",
    benchmark:
        "<benchmarks>/score/{reference}/{query}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        model=lambda wildcards, input: model(input),
        form=config["format"],
        pairs=lambda wildcards, input: file_options("pairs", input.pairs),
        posteriors=lambda wildcards, output: file_options(
            "posteriors", output.get("posteriors")
        ),
        settings=options(
            config["score"],
            *("mode", "strand", "decoding", "gap_factor", "classical"),
            *("one_to_one", "band", "memory"),
        ),
    shell:
        "genolstm align score {input.query:q} {input.reference:q} --model {params.model}"
        " {params.pairs} {params.settings} --format {params.form} -o {output.alignments:q}"
        " {params.posteriors} --threads {threads} > {log:q} 2>&1"
