rule summarise:
    input:
        segments="<results>/{door}/segments.bed",
        manifests=lambda wildcards: parts(wildcards.door, ".json"),
        samples=SAMPLES,
    output:
        table=report(
            "<results>/{door}/summary.tsv",
            caption="../report/summary.rst",
            category="Summary",
            labels={"door": "{door}", "file": "summary"},
        ),
        multiqc="<results>/{door}/summary_mqc.json",
    log:
        "<logs>/summarise/{door}.log",
    benchmark:
        "<benchmarks>/summarise/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        samples=sample_options,
        manifests=manifest_words,
    shell:
        "genolstm introgression summary {input.segments:q} {params.manifests} {params.samples}"
        " -o {output.table:q} --multiqc {output.multiqc:q} > {log:q} 2>&1"
