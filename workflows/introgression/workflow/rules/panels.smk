rule build_panel:
    input:
        fasta=lambda wildcards: as_list(to_build(wildcards)["fasta"]),
    output:
        panel="<results>/panels/{panel}.panel",
    log:
        "<logs>/build_panel/{panel}.log",
    benchmark:
        "<benchmarks>/build_panel/{panel}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        settings=lambda wildcards: options(
            to_build(wildcards), "k", "haplotypes", "min_count"
        ),
    shell:
        "genolstm panel build {input.fasta:q} -o {output.panel:q} {params.settings}"
        " --threads {threads} > {log:q} 2>&1"
