rule draw_page:
    input:
        segments="<results>/{door}/segments.bed",
        posteriors=posteriors,
        evidence=evidence,
        samples=SAMPLES,
        truth=TRUTH,
    output:
        report(
            "<results>/{door}/report.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"door": "{door}", "file": "page"},
        ),
    log:
        "<logs>/draw_page/{door}.log",
    benchmark:
        "<benchmarks>/draw_page/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        options=lambda wildcards, input: " ".join(
            file_options(name, input[name])
            for name in ("posteriors", "evidence", "samples", "truth")
        ),
    shell:
        "genolstm introgression report {input.segments:q} {params.options}"
        " -o {output:q} > {log:q} 2>&1"


rule plot_chromosome:
    input:
        segments="<results>/{door}/segments.bed",
        posteriors=posteriors,
        # Rows show known tracts; what counts haplotypes has to know of all that were scanned, and whose they are.
        truth=lambda wildcards: TRUTH if wildcards.view == "rows" else [],
        manifests=lambda wildcards: (
            [] if wildcards.view == "rows" else parts(wildcards.door, ".json")
        ),
        samples=lambda wildcards: [] if wildcards.view == "rows" else SAMPLES,
    output:
        report(
            "<results>/{door}/plots/{chrom}.{view}.svg",
            caption="../report/plot.rst",
            category="Figures",
            labels={"door": "{door}", "file": "{chrom}, {view}"},
        ),
    log:
        "<logs>/plot_chromosome/{door}/{chrom}.{view}.log",
    benchmark:
        "<benchmarks>/plot_chromosome/{door}/{chrom}.{view}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        manifests=manifest_words,
        options=lambda wildcards, input: " ".join(
            file_options(name, files)
            for name, files in (
                ("posteriors", input.posteriors),
                ("samples", input.samples),
                ("truth", input.truth),
            )
        ),
    shell:
        "genolstm introgression plot {input.segments:q} {params.manifests} {params.options}"
        " --view {wildcards.view} --chrom {wildcards.chrom:q} -o {output:q} > {log:q} 2>&1"


rule plot_genome:
    input:
        segments="<results>/{door}/segments.bed",
        manifests=lambda wildcards: parts(wildcards.door, ".json"),
        samples=SAMPLES,
        genome=PLOTS.get("genome") or [],
    output:
        report(
            "<results>/{door}/plots/genome.svg",
            caption="../report/genome.rst",
            category="Figures",
            labels={"door": "{door}", "file": "genome"},
        ),
    log:
        "<logs>/plot_genome/{door}.log",
    benchmark:
        "<benchmarks>/plot_genome/{door}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        manifests=manifest_words,
        options=lambda wildcards, input: " ".join(
            file_options(name, files)
            for name, files in (
                ("samples", input.samples),
                ("genome", input.genome),
            )
        ),
    shell:
        "genolstm introgression plot {input.segments:q} --view genome {params.manifests} {params.options}"
        " -o {output:q} > {log:q} 2>&1"
