rule plot_pair:
    input:
        query=lambda wildcards: QUERIES[config["plots"][wildcards.name]["query"]][
            "file"
        ],
        reference=lambda wildcards: REFERENCES[
            config["plots"][wildcards.name]["reference"]
        ],
        model=MODEL_FILE,
    output:
        report(
            "<results>/plots/{name}.svg",
            caption="../report/plot.rst",
            category="Figures",
            labels={"pair": "{name}"},
        ),
    log:
        "<logs>/plot_pair/{name}.log",
    benchmark:
        "<benchmarks>/plot_pair/{name}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        model=lambda wildcards, input: model(input),
        settings=lambda wildcards: options(
            config["plots"][wildcards.name],
            *("query_name", "reference_name", "kind", "width", "region"),
            *("mode", "strand", "classical"),
        ),
    shell:
        "genolstm align plot {input.query:q} {input.reference:q} --model {params.model}"
        " {params.settings} -o {output:q} > {log:q} 2>&1"
