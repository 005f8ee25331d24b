# Both workflows on the example data. They live in workflows/; this file is where catalogs of workflows look first.
from pathlib import Path

import yaml


module introgression:
    pathvars:
        results="results/introgression",
        logs="results/introgression/logs",
        benchmarks="results/introgression/benchmarks",
        example="example_data",
        config="workflows/introgression/config",
    snakefile:
        "workflows/introgression/workflow/Snakefile"
    config:
        yaml.safe_load(Path("workflows/introgression/config/config.yaml").read_text())


use rule * from introgression as introgression_*


module alignment:
    pathvars:
        results="results/alignment",
        logs="results/alignment/logs",
        benchmarks="results/alignment/benchmarks",
        example="example_data",
        config="workflows/alignment/config",
    snakefile:
        "workflows/alignment/workflow/Snakefile"
    config:
        yaml.safe_load(Path("workflows/alignment/config/config.yaml").read_text())


use rule * from alignment as alignment_*


rule all:
    default_target: True
    input:
        rules.introgression_all.input,
        rules.alignment_all.input,
    localrule: True
