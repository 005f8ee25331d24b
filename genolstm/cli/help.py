"""How ``--help`` looks: examples, options in groups, and names for what options take.

It is told here for all commands at once, so that they agree with one another, and is read only when somebody asks.
Examples are for the folder that ``genolstm example`` makes, or say by a name what they need besides; tests parse all
and run the quick ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from genolstm.cli.numbers import NumberRange, WholeRange

#: By command: lines to try, in the folder of `genolstm example`.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "align gather": (
        "genolstm align search reads.fa reference.fa -o part1.paf",
        "genolstm align gather part1.paf part2.paf -o all.paf",
    ),
    "align msa": ("genolstm align msa reads.fa -o family.fa",),
    "align plot": (
        "genolstm align plot reads.fa reference.fa -o dotplot.svg",
        "genolstm align plot reads.fa reference.fa --query-name read3 \\\n    --kind alignment -o letters.svg",
    ),
    "align reliability": (
        "genolstm align score reads.fa reference.fa -o truth.paf",
        "genolstm align reliability reads.fa reference.fa --truth truth.paf -o bins.svg",
    ),
    "align score": (
        "genolstm align score reads.fa reference.fa",
        "genolstm align score reads.fa reference.fa --format sam --mode semiglobal \\\n"
        "    -o reads.sam --posteriors columns.tsv.gz",
    ),
    "align search": (
        "genolstm align search reads.fa reference.fa",
        "genolstm align search reads.fa reference.fa --model adna --evalue 0.001 \\\n    --format outfmt6 -o hits.tsv",
    ),
    "align train": (
        "genolstm align score reads.fa reference.fa -o truth.paf",
        "genolstm align train reads.fa reference.fa --truth truth.paf -o mine.genolstm",
        "genolstm align train --families seeds.sto.gz --model rna -o mine.genolstm \\\n"
        "    --table gain.tsv --figure gain.svg",
    ),
    "cite": ("genolstm cite", "genolstm cite --format bibtex"),
    "compare": (
        "genolstm compare enhancers.fa --labels enhancers.tsv --figure compare.svg",
        "genolstm compare --task long-range --figure long-range.svg",
    ),
    "encode kmers": (
        "genolstm encode kmers genome.fa.gz -k 5 -o counts.tsv.gz",
        "genolstm encode kmers genome.fa.gz -k 3 --window 10000 --wide",
    ),
    "encode onehot": ("genolstm encode onehot genome.fa.gz --window 500 -o windows.npz",),
    "example": ("genolstm example first && sh first/run.sh",),
    "info": ("genolstm info", "genolstm info --json"),
    "introgression compare": (
        "genolstm introgression compare segments.bed hmmix/*.txt --truth truth.bed \\\n"
        "    -o agreement.tsv --figure agreement.svg",
    ),
    "introgression evaluate": (
        "genolstm introgression evaluate segments.bed truth.bed",
        "genolstm introgression evaluate segments.bed truth.bed \\\n    --posteriors posteriors.tsv.gz --json",
    ),
    "introgression explain": (
        "genolstm introgression explain segments.bed --evidence evidence.tsv.gz \\\n    --segment nea_0002 --sites 5",
    ),
    "introgression gather": ("genolstm introgression gather chr1.bed chr2.bed chr3.bed -o all.bed",),
    "introgression plot": (
        "genolstm introgression plot segments.bed \\\n    --posteriors posteriors.tsv.gz -o rows.svg",
        "genolstm introgression plot segments.bed --view frequency --chrom chr21 \\\n"
        "    --samples people.tsv -o frequency.svg",
        "genolstm introgression plot all.bed --view genome --genome genome.fa.fai \\\n    -o genome.png",
    ),
    "introgression report": (
        "genolstm introgression report segments.bed --posteriors posteriors.tsv.gz \\\n"
        "    --evidence evidence.tsv.gz --samples people.tsv -o report.html",
    ),
    "introgression scan": (
        "genolstm introgression scan query.fa.gz --archaic archaic.panel \\\n"
        "    --outgroup outgroup.panel -o segments.bed",
        "genolstm introgression scan --vcf people.vcf.gz --samples people.tsv \\\n"
        "    --target CEU --outgroup AFR --archaic-vcf neanderthal=archaic.g.vcf.gz \\\n"
        "    -o segments.bed --posteriors posteriors.tsv.gz --evidence evidence.tsv.gz",
        "genolstm introgression scan --vcf chr21.vcf.gz --vcf chr22.vcf.gz \\\n"
        "    --samples people.tsv --target CEU --outgroup YRI \\\n"
        "    --archaic-vcf nea.chr21.vcf.gz --archaic-vcf nea.chr22.vcf.gz \\\n"
        "    --archaic-callable nea.mask.bed -o segments.bed",
    ),
    "introgression score": (
        "genolstm introgression train regions --mode sequence -o recipe.genolstm",
        "genolstm introgression score query.fa.gz --model recipe.genolstm -o out.tsv",
    ),
    "introgression simulate": (
        "genolstm introgression simulate -o regions --replicates 40",
        "genolstm introgression simulate -o region --length 600000 --target-size 3 \\\n"
        "    --outgroup-size 50 --chrom chr21",
    ),
    "introgression summary": (
        "genolstm introgression summary segments.bed --samples people.tsv \\\n    -o summary.tsv",
    ),
    "introgression train": (
        "genolstm introgression simulate -o regions --replicates 40",
        "genolstm introgression train regions --mode sequence -o recipe.genolstm",
        "genolstm introgression train regions -o mine.genolstm --log mine.csv",
    ),
    "model card": ("genolstm model card archaic",),
    "model export": ("genolstm model export archaic --onnx archaic.onnx",),
    "model gates": (
        'genolstm model gates rhyme.genolstm "The wind and the rain"',
        "genolstm model gates archaic query.fa.gz --archaic archaic.panel \\\n"
        "    --outgroup outgroup.panel --haplotype CEU1#1 --region 430001-600000 \\\n    --figure gates.svg",
    ),
    "model info": ("genolstm model info archaic", "genolstm model info archaic --json"),
    "model list": ("genolstm model list",),
    "model verify": ("genolstm model verify archaic",),
    "panel build": (
        "genolstm panel build query.fa.gz -o query.panel",
        "genolstm panel build yri_*.fa.gz --haplotypes file -o yri.panel",
    ),
    "panel info": ("genolstm panel info archaic.panel",),
    "text baseline": ("genolstm text baseline rhyme.txt", "genolstm text baseline rhyme.txt --tokens words"),
    "text generate": (
        'genolstm text generate --model rhyme.genolstm -p "There\'s a lamp" -n 300 \\\n    --temperature 0.8',
        'genolstm text generate --model words.genolstm -p "There\'s a lamp" \\\n    --sentence --echo',
    ),
    "text generators": ("genolstm text generators genome.fa.gz -o generators.tsv \\\n    --figure generators.svg",),
    "text score": (
        "genolstm text score rhyme.txt --model rhyme.genolstm",
        "genolstm text score genome.fa.gz --model genome.genolstm \\\n    --bedgraph surprise.bg --bin 100",
        "genolstm text score genome.fa.gz --model genome.genolstm --mix \\\n    --bigwig bits.bw --repeats saved.bw",
    ),
    "text spectrum": ("genolstm text spectrum generated.fa genome.fa.gz -k 4",),
    "text train": (
        "genolstm text train rhyme.txt -o rhyme.genolstm",
        "genolstm text train rhyme.txt -o words.genolstm --tokens words",
        "genolstm text train genome.fa.gz -o genome.genolstm",
    ),
    "warm-up": ("genolstm warm-up", "genolstm warm-up introgression"),
}

#: By command: headings, and the options under each. What stands in none comes last, as general.
GROUPS: dict[str, tuple[tuple[str, str], ...]] = {
    "align msa": (("Output", "--output --format"), ("Alignment", "--gain --consistency --model --classical")),
    "align plot": (
        ("Figure", "--output --kind --width --region"),
        ("Sequences", "--query-name --reference-name"),
        ("Alignment", "--mode --strand --model --classical"),
    ),
    "align reliability": (
        ("Input", "--truth"),
        ("Output", "--output --table --bins"),
        ("Alignment", "--mode --strand --model --classical"),
    ),
    "align score": (
        ("Output", "--output --format --posteriors"),
        ("Which pairs", "--pairs --one-to-one"),
        ("Alignment", "--mode --strand --decoding --gap-factor --qmask --model --classical"),
        ("Time and memory", "--band --memory"),
    ),
    "align search": (
        ("Output", "--output --format"),
        ("Hits", "--evalue --max-hits --candidates --exact --skip-self --qmask"),
        ("Alignment", "--mode --strand --model --classical"),
    ),
    "align train": (
        ("Pairs", "--pairs --one-to-one --truth"),
        ("Families", "--families --held-out --per-family --search --context --table --figure"),
        ("Output", "--output --evalues --checkpoints"),
        ("Training", "--model --simulated --validation --epochs --batch-size --learning-rate --seed"),
    ),
    "compare": (
        ("Data", "--task --labels --regression --length --distance -n"),
        ("Networks", "--architectures --parameters --bidirectional"),
        ("Training", "--epochs --batch-size --learning-rate --seeds --seed"),
        ("Output", "--output --runs --gradients --figure --models"),
    ),
    "encode kmers": (
        ("Output", "--output --wide"),
        ("K-mers and windows", "-k --canonical --window --step --skip-short"),
    ),
    "introgression compare": (
        ("Input", "--format --truth --maps --callable --genome --inclusive-end"),
        ("People", "--samples --sample --level"),
        ("Which segments", "--state --min-score --min-length"),
        ("Statistics", "--reciprocal --permutations --seed"),
        ("Output", "--output --figure"),
    ),
    "introgression plot": (
        ("Output", "--output --view"),
        ("Input", "--posteriors --truth --samples --manifest --genome"),
        ("What to draw", "--chrom --haplotype --population"),
    ),
    "introgression scan": (
        ("Archaic, outgroup and target", "--archaic --outgroup --target --samples"),
        ("FASTA", "--haplotypes --sharing --skip-short --memory"),
        ("VCF", "--vcf --archaic-vcf --outgroup-vcf --outgroup-frequencies --field --allow-unphased"),
        (
            "VCF: where to look",
            "--chrom --region --regions --callable --exclude --target-callable --target-exclude"
            " --outgroup-callable --outgroup-exclude --archaic-callable --archaic-exclude",
        ),
        (
            "VCF: what counts as known",
            "--filter --archaic-min-gq --archaic-min-dp --target-absent --outgroup-absent --archaic-absent",
        ),
        ("Segments", "--model --baseline --threshold --fdr --min-length --bridge"),
        (
            "Output",
            "--output --posteriors --evidence --weights --unknown --summary --report --annotate --track --bedgraph"
            " --bigwig --bigwig-haplotypes --multiqc --index",
        ),
    ),
    "introgression simulate": (
        ("Output", "--output --replicates"),
        ("Populations", "--demography --target --outgroup --archaic --donor --archaic-time"),
        ("Sizes", "--length --target-size --outgroup-size --archaic-size --max-events"),
        ("Sequence", "--chrom --mutation-rate --recombination-rate --seed"),
    ),
    "introgression train": (
        ("Output", "--mode --output --log --checkpoints"),
        ("Data", "-k --validation"),
        ("Data, tracks", "--label --window --bin"),
        ("Data, sequence", "--labels --split --test --sentence --step --known --modern"),
        ("Network", "--cell --units --layers --dropout --embedding"),
        ("Training", "--epochs --batch-size --learning-rate --patience --seed"),
    ),
    "model gates": (
        ("Output", "--output --figure --half-lives"),
        ("Network", "--model --layer --direction --units --top"),
        ("Introgression", "--archaic --outgroup --haplotype --region --vcf --target"),
    ),
    "panel build": (
        ("Output", "--output"),
        ("Input", "--haplotypes --skip-short"),
        ("K-mers", "-k --min-count --memory"),
    ),
    "text generate": (
        ("Input", "--model --prompt --skip-unknown"),
        ("Output", "--output --echo"),
        ("Text", "--length --sentence --samples --temperature --top-k --top-p --carry --seed"),
    ),
    "text generators": (
        ("Output", "--output --runs --figure --checkpoints"),
        ("Sequence", "--bases --window --block --held-out --validation --reverse-complement"),
        ("Training", "--generators --passes --units --max-order --seeds --seed"),
        (
            "GAN",
            "--gan-channels --gan-latent --gan-critic-steps --gan-penalty --gan-temperature --gan-batch-size"
            " --gan-learning-rate",
        ),
    ),
    "text score": (
        ("Input", "--model --format --skip-unknown"),
        ("Mixture", "--mix --adapt --network --history --held-out"),
        ("Output", "--positions --bedgraph --bigwig --repeats --weights --bin --by-record --json"),
    ),
    "text train": (
        ("Output", "--output --log --checkpoints"),
        ("Data", "--format --tokens --vocabulary --held-out --validation --reverse-complement --noise"),
        ("Network", "--preset --embedding --units --layers --dropout"),
        ("Training", "--steps --epochs --steps-per-epoch --batch-size --learning-rate --patience --seed"),
    ),
}
#: From this many options on, they stand in groups.
MANY = 10

#: What an option takes, where its type does not say it well; a command's own comes before that of all.
METAVARS: dict[str, str] = {
    "--annotate": "VCF.gz",
    "--architectures": "NAME,NAME,...",
    "--batch-size": "N",
    "--bedgraph": "BEDGRAPH",
    "--bigwig": "BIGWIG",
    "--bigwig-haplotypes": "FOLDER",
    "--bin": "BP",
    "--bridge": "BP",
    "--callable": "BED",
    "--checkpoints": "FOLDER",
    "--chrom": "CHROM",
    "--dropout": "SHARE",
    "--exclude": "BED",
    "--evidence": "TSV",
    "--fdr": "SHARE",
    "--figure": "IMAGE",
    "--genome": "FAI|SIZES",
    "--gradients": "TSV",
    "--half-lives": "TSV",
    "--log": "CSV",
    "--manifest": "JSON",
    "--maps": "BED",
    "--min-length": "BP",
    "--models": "FOLDER",
    "--multiqc": "JSON",
    "--noise": "SHARE",
    "--outgroup-frequencies": "VCF",
    "--outgroup-vcf": "VCF",
    "--posteriors": "TSV",
    "--prompt": "TEXT",
    "--reciprocal": "SHARE",
    "--regions": "BED",
    "--report": "HTML",
    "--runs": "TSV",
    "--samples": "TSV",
    "--summary": "TSV",
    "--threshold": "POSTERIOR",
    "--track": "BED",
    "--truth": "BED",
    "--unknown": "BED",
    "--validation": "SHARE",
    "--vocabulary": "N",
    "--vcf": "VCF",
    "--window": "BP",
    "encode onehot --output": "NPZ",
    "align train --families": "FILE|FOLDER",
    "align train --held-out": "SHARE",
    "introgression compare --output": "TSV",
    "introgression compare --state": "NAME",
    "introgression evaluate --output": "TSV",
    "introgression plot --output": "IMAGE",
    "introgression report --output": "HTML",
    "introgression scan --outgroup": "PANEL|NAMES",
    "introgression scan --output": "BED|GFF3",
    "introgression scan --target": "NAMES",
    "introgression simulate --archaic-time": "GENERATIONS",
    "introgression simulate --demography": "NAME|FILE",
    "introgression simulate --length": "BP",
    "introgression simulate --mutation-rate": "RATE",
    "introgression simulate --outgroup": "POPULATION",
    "introgression simulate --output": "FOLDER",
    "introgression simulate --recombination-rate": "RATE",
    "introgression simulate --target": "POPULATION",
    "introgression summary --output": "TSV",
    "introgression train --label": "NAME",
    "introgression score --model": "MODEL",
    "introgression score --output": "TSV",
    "introgression train --known": "SHARE",
    "introgression train --labels": "TSV",
    "introgression train --output": "MODEL",
    "introgression train --sentence": "BP",
    "introgression train --step": "BP",
    "introgression train --test": "SHARE",
    "introgression train --window": "BINS",
    "model gates --archaic": "PANEL|NAMES",
    "model gates --outgroup": "PANEL|NAMES",
    "model gates --output": "TSV",
    "model gates --target": "NAMES",
    "text generate --samples": "N",
    "text generators --block": "BP",
    "text generators --generators": "NAME,NAME,...",
    "text generators --held-out": "SHARE",
    "text generators --output": "TSV",
    "text train --output": "MODEL",
}
for _role in ("target", "outgroup", "archaic"):
    METAVARS |= {f"--{_role}-callable": "BED", f"--{_role}-exclude": "BED"}


def path_of(ctx: click.Context) -> str:
    """Return the words that call a command, without the program's name."""
    words: list[str] = []
    step: click.Context | None = ctx
    while step is not None and step.parent is not None:
        words.insert(0, step.info_name or "")
        step = step.parent
    return " ".join(words)


def name_values(command: click.Command, path: str) -> None:
    """Give the options of a command names for what they take."""
    for option in command.params:
        if not isinstance(option, click.Option) or option.metavar or option.is_flag or option.count:
            continue
        kind = option.type
        if isinstance(kind, click.Choice):
            continue
        named = [METAVARS.get(f"{path} {word}") or METAVARS.get(word) for word in option.opts]
        if any(named):
            option.metavar = next(filter(None, named))
        elif isinstance(kind, WholeRange):
            option.metavar = "N"
        elif isinstance(kind, NumberRange):
            option.metavar = "X"
        elif isinstance(kind, click.Path):
            option.metavar = "FILE"


def grouped(command: click.Command, ctx: click.Context, path: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield headings, and the options under each as click describes them."""
    records: dict[int, tuple[str, str]] = {}
    names: dict[str, int] = {}
    for number, param in enumerate(command.get_params(ctx)):
        record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
        if record is not None:
            records[number] = record
            names |= dict.fromkeys([*param.opts, *param.secondary_opts], number)
    if path in GROUPS:
        for heading, members in GROUPS[path]:
            # A word that is not there would be a fault of this table, which a test looks for.
            found = [records.pop(names[word]) for word in members.split() if word in names]
            if found:
                yield heading, found
    if records:
        yield ("General" if path in GROUPS else "Options"), list(records.values())


def write_examples(formatter: click.HelpFormatter, path: str) -> None:
    """Write the examples of a command, as they would be typed."""
    if path in EXAMPLES:
        with formatter.section("Examples, in the folder of `genolstm example`"):
            for line in EXAMPLES[path]:
                formatter.write("".join(f"{'':>{formatter.current_indent}}{part}\n" for part in line.split("\n")))
