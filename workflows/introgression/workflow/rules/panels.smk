rule build_panel:
    input:
        fasta=lambda wildcards: config["fasta"]["panels"][wildcards.role]["fasta"],
    output:
        panel="<results>/panels/{role}.panel",
    log:
        "<logs>/build_panel/{role}.log",
    benchmark:
        "<benchmarks>/build_panel/{role}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        settings=panel_settings,
    shell:
        "genolstm panel build {input.fasta:q} -o {output.panel:q} {params.settings}"
        " --threads {threads} > {log:q} 2>&1"
