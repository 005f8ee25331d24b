rule evaluate:
    input:
        segments="<results>/{door}/segments.bed",
        posteriors=posteriors,
        truth=TRUTH,
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
    params:
        posteriors=lambda wildcards, input: file_options("posteriors", input.posteriors),
    shell:
        "genolstm introgression evaluate {input.segments:q} {input.truth:q}"
        " {params.posteriors} -o {output:q} > {log:q} 2>&1"
