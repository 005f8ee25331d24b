rule gather_segments:
    input:
        lambda wildcards: parts(wildcards.door, ".bed"),
    output:
        report(
            "<results>/{door}/segments.bed",
            caption="../report/segments.rst",
            category="Segments",
            labels={"door": "{door}", "file": "segments"},
        ),
    log:
        "<logs>/gather_segments/{door}.log",
    benchmark:
        "<benchmarks>/gather_segments/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        parts=lambda wildcards, input: part_words(wildcards.door, input, ".bed"),
    shell:
        "genolstm introgression gather {params.parts} -o {output:q} > {log:q} 2>&1"


rule gather_gff3:
    input:
        lambda wildcards: parts(wildcards.door, ".bed"),
    output:
        "<results>/{door}/segments.gff3",
    log:
        "<logs>/gather_gff3/{door}.log",
    benchmark:
        "<benchmarks>/gather_gff3/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        parts=lambda wildcards, input: part_words(wildcards.door, input, ".bed"),
    shell:
        "genolstm introgression gather {params.parts} -o {output:q} > {log:q} 2>&1"


rule gather_posteriors:
    input:
        lambda wildcards: parts(wildcards.door, ".posteriors.tsv.gz"),
    output:
        "<results>/{door}/posteriors.tsv.gz",
    log:
        "<logs>/gather_posteriors/{door}.log",
    benchmark:
        "<benchmarks>/gather_posteriors/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        parts=lambda wildcards, input: part_words(
            wildcards.door, input, ".posteriors.tsv.gz"
        ),
    shell:
        "genolstm introgression gather {params.parts} -o {output:q} > {log:q} 2>&1"


rule gather_evidence:
    input:
        lambda wildcards: parts(wildcards.door, ".evidence.tsv.gz"),
    output:
        "<results>/{door}/evidence.tsv.gz",
    log:
        "<logs>/gather_evidence/{door}.log",
    benchmark:
        "<benchmarks>/gather_evidence/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        parts=lambda wildcards, input: part_words(
            wildcards.door, input, ".evidence.tsv.gz"
        ),
    shell:
        "genolstm introgression gather {params.parts} -o {output:q} > {log:q} 2>&1"
