rule scan_vcf:
    input:
        **{key: of_chromosome(key) for key in MASKS},
        vcf=of_chromosome("files"),
        archaic_vcf=of_chromosome("archaic_files"),
        outgroup_vcf=of_chromosome("outgroup_files"),
        outgroup_frequencies=of_chromosome("outgroup_frequencies"),
        model=MODEL_FILE,
    output:
        **also_written("<results>/vcf/scans/{chrom}/{batch}"),
        segments="<results>/vcf/scans/{chrom}/{batch}.bed",
        manifest="<results>/vcf/scans/{chrom}/{batch}.json",
    log:
        "<logs>/scan_vcf/{chrom}/{batch}.log",
    benchmark:
        "<benchmarks>/scan_vcf/{chrom}/{batch}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        files=lambda wildcards, input: " ".join(
            file_options(name.replace("_", "-"), input[name])
            for name in ("vcf", "outgroup_vcf", "outgroup_frequencies", *MASKS)
        ),
        target=lambda wildcards: BATCHES[wildcards.batch],
        outgroup=outgroup,
        archaics=archaics,
        model=lambda wildcards, input: model(input),
        settings=SCAN_OPTIONS,
        reading=options(
            VCF,
            *("field", "filter", "archaic_min_gq", "archaic_min_dp", "target_absent"),
            *("outgroup_absent", "archaic_absent", "allow_unphased"),
        ),
        also=lambda wildcards, output: also_options(output),
    shell:
        "genolstm introgression scan {params.files} --chrom {wildcards.chrom:q}"
        " --target {params.target:q} {params.outgroup} {params.archaics} {params.reading}"
        " --model {params.model} {params.settings} -o {output.segments:q} {params.also}"
        " --threads {threads} > {log:q} 2>&1"


rule scan_fasta:
    input:
        query=lambda wildcards: QUERIES[wildcards.query],
        archaic=lambda wildcards: [
            panel(f"archaic.{source}", given)
            for source, given in archaic_panels().items()
        ],
        outgroup=lambda wildcards: panel("outgroup", FASTA["panels"]["outgroup"]),
        model=MODEL_FILE,
    output:
        **also_written("<results>/fasta/scans/{query}"),
        segments="<results>/fasta/scans/{query}.bed",
        manifest="<results>/fasta/scans/{query}.json",
    log:
        "<logs>/scan_fasta/{query}.log",
    benchmark:
        "<benchmarks>/scan_fasta/{query}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 4
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        archaics=lambda wildcards, input: " ".join(
            f"--archaic {quote(f'{source}={path}' if source else str(path))}"
            for source, path in zip(archaic_panels(), input.archaic, strict=True)
        ),
        model=lambda wildcards, input: model(input),
        settings=SCAN_OPTIONS,
        reading=options(FASTA, "haplotypes", "skip_short"),
        also=lambda wildcards, output: also_options(output),
    shell:
        "genolstm introgression scan {input.query:q} {params.archaics}"
        " --outgroup {input.outgroup:q} {params.reading}"
        " --model {params.model} {params.settings} -o {output.segments:q} {params.also}"
        " --threads {threads} > {log:q} 2>&1"
