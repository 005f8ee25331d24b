rule train:
    input:
        query=TRAIN["query"] if TRAIN else [],
        reference=TRAIN["reference"] if TRAIN else [],
        pairs=(TRAIN or {}).get("pairs", []),
        truth=(TRAIN or {}).get("truth", []),
        model=GIVEN_MODEL,
    output:
        "<results>/model/trained.genolstm",
    log:
        "<logs>/train.log",
    benchmark:
        "<benchmarks>/train.tsv"
    conda:
        "../envs/train.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=1440,
    params:
        checkpoints=lambda wildcards, output: f"{output}.training",
        model=lambda wildcards, input: model(input),
        pairs=lambda wildcards, input: " ".join(
            file_options(name, input[name]) for name in ("pairs", "truth")
        ),
        settings=options(
            TRAIN or {},
            *("one_to_one", "simulated", "validation", "epochs", "batch_size"),
            *("learning_rate", "seed"),
        ),
    shell:
        "genolstm align train {input.query:q} {input.reference:q} {params.pairs}"
        " --model {params.model} {params.settings} -o {output:q}"
        " --checkpoints {params.checkpoints:q} --threads {threads} > {log:q} 2>&1"
