rule align_family:
    input:
        family=lambda wildcards: config["families"][wildcards.family],
        model=MODEL_FILE,
    output:
        report(
            f"<results>/families/{{family}}.{FAMILY_ENDING}",
            caption="../report/family.rst",
            category="Families",
            labels={"family": "{family}"},
        ),
    log:
        "<logs>/align_family/{family}.log",
    benchmark:
        "<benchmarks>/align_family/{family}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        model=lambda wildcards, input: (
            "" if FAMILY_DEFAULT else f"--model {model(input)}"
        ),
        settings=options(config["msa"], "format", "gain", "consistency", "classical"),
    shell:
        "genolstm align msa {input.family:q} {params.model} {params.settings}"
        " -o {output:q} --threads {threads} > {log:q} 2>&1"
