rule scan_fasta:
    input:
        query=lambda wildcards: config["fasta"]["queries"][wildcards.query],
        archaic=lambda wildcards: panel("archaic"),
        outgroup=lambda wildcards: panel("outgroup"),
        model=MODEL_FILE,
    output:
        segments="<results>/fasta/scans/{query}.bed",
        manifest="<results>/fasta/scans/{query}.json",
        posteriors=temp("<results>/fasta/scans/{query}.posteriors.tsv.gz"),
    log:
        "<logs>/scan_fasta/{query}.log",
    benchmark:
        "<benchmarks>/scan_fasta/{query}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        model=lambda wildcards, input: model(input),
        settings=options(config["scan"], "baseline", "threshold", "fdr", "min_length"),
        haplotypes=config.get("fasta", {}).get("haplotypes", "record"),
    shell:
        "genolstm introgression scan {input.query:q} --haplotypes {params.haplotypes}"
        " --archaic {input.archaic:q} --outgroup {input.outgroup:q}"
        " --model {params.model} {params.settings}"
        " -o {output.segments:q} --posteriors {output.posteriors:q}"
        " --threads {threads} > {log:q} 2>&1"


rule scan_vcf:
    input:
        vcf=vcf_file,
        target=lambda wildcards: config["vcf"]["targets"][wildcards.batch],
        outgroup=lambda wildcards: config["vcf"]["outgroup"],
        archaic=lambda wildcards: config["vcf"]["archaic"],
        callable=lambda wildcards: masks("callable"),
        exclude=lambda wildcards: masks("exclude"),
        model=MODEL_FILE,
    output:
        segments="<results>/vcf/scans/{chrom}/{batch}.bed",
        manifest="<results>/vcf/scans/{chrom}/{batch}.json",
        posteriors=temp("<results>/vcf/scans/{chrom}/{batch}.posteriors.tsv.gz"),
    log:
        "<logs>/scan_vcf/{chrom}/{batch}.log",
    benchmark:
        "<benchmarks>/scan_vcf/{chrom}/{batch}.tsv"
    conda:
        "../envs/genolstm.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        model=lambda wildcards, input: model(input),
        settings=options(config["scan"], "baseline", "threshold", "fdr", "min_length"),
        masks=lambda wildcards, input: " ".join(
            file_option(key, input[key]) for key in ("callable", "exclude")
        ),
        unphased=(
            "--allow-unphased" if config.get("vcf", {}).get("allow_unphased") else ""
        ),
    shell:
        "genolstm introgression scan --vcf {input.vcf:q} --chrom {wildcards.chrom:q}"
        " --target {input.target:q} --outgroup {input.outgroup:q} --archaic {input.archaic:q}"
        " {params.masks} {params.unphased}"
        " --model {params.model} {params.settings}"
        " -o {output.segments:q} --posteriors {output.posteriors:q}"
        " --threads {threads} > {log:q} 2>&1"
