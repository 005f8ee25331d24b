rule gather_alignments:
    input:
        parts(f"{config['task']}.{ENDING}"),
    output:
        report(
            f"<results>/{{reference}}/alignments.{WHOLE_ENDING}",
            caption="../report/alignments.rst",
            category="Alignments",
            labels={"references": "{reference}", "file": "alignments"},
        ),
    log:
        "<logs>/gather_alignments/{reference}.log",
    benchmark:
        "<benchmarks>/gather_alignments/{reference}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        parts=part_words(f"{config['task']}.{ENDING}"),
        form=config["format"],
    shell:
        "genolstm align gather {params.parts} --format {params.form} -o {output:q} > {log:q} 2>&1"


rule gather_columns:
    input:
        parts("posteriors.tsv.gz"),
    output:
        "<results>/{reference}/columns.tsv.gz",
    log:
        "<logs>/gather_columns/{reference}.log",
    benchmark:
        "<benchmarks>/gather_columns/{reference}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=120,
    params:
        parts=part_words("posteriors.tsv.gz"),
    shell:
        "genolstm align gather {params.parts} --format tsv -o {output:q} > {log:q} 2>&1"
