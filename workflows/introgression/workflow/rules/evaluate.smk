rule evaluate:
    input:
        segments="<results>/{door}/segments.bed",
        posteriors="<results>/{door}/posteriors.tsv.gz",
        truth=TRUTH or [],
    output:
        report(
            "<results>/{door}/evaluation.tsv",
            caption="../report/evaluation.rst",
            category="Evaluation",
            labels={"door": "{door}", "file": "evaluation"},
        ),
    log:
        "<logs>/evaluate/{door}.log",
    benchmark:
        "<benchmarks>/evaluate/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    shell:
        "genolstm introgression evaluate {input.segments:q} {input.truth:q}"
        " --posteriors {input.posteriors:q} -o {output:q} > {log:q} 2>&1"


rule plot_segments:
    input:
        segments="<results>/{door}/segments.bed",
        posteriors="<results>/{door}/posteriors.tsv.gz",
        truth=TRUTH or [],
    output:
        report(
            "<results>/{door}/plots/{chrom}.svg",
            caption="../report/plot.rst",
            category="Segments",
            labels={"door": "{door}", "file": "{chrom}"},
        ),
    log:
        "<logs>/plot_segments/{door}/{chrom}.log",
    benchmark:
        "<benchmarks>/plot_segments/{door}/{chrom}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        truth=lambda wildcards, input: file_option("truth", input.truth),
    shell:
        "genolstm introgression plot {input.segments:q}"
        " --posteriors {input.posteriors:q} {params.truth}"
        " --chrom {wildcards.chrom:q} -o {output:q} > {log:q} 2>&1"
