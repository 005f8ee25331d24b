#!/bin/sh
# A first scan, a page and an alignment. Run it with: sh run.sh. It writes to the folder results beside it.
set -eu
cd "$(dirname "$0")"
mkdir -p results

echo "1. Archaic segments in three Europeans, with 50 Africans as the outgroup and a Neanderthal" >&2
genolstm introgression scan --vcf people.vcf.gz --samples people.tsv --target CEU --outgroup AFR \
    --archaic-vcf neanderthal=archaic.g.vcf.gz --force -o results/segments.bed \
    --posteriors results/posteriors.tsv.gz --evidence results/evidence.tsv.gz --summary results/summary.tsv

echo "2. How good they are: the example is simulated, so that the true tracts are known" >&2
genolstm introgression evaluate results/segments.bed truth.bed

echo "3. One page of it all, which needs no network" >&2
if ! genolstm introgression report results/segments.bed --posteriors results/posteriors.tsv.gz \
    --evidence results/evidence.tsv.gz --samples people.tsv --truth truth.bed --force -o results/report.html; then
    echo "There is no page, for the reason above; the segments are there. If packages are missing, install" >&2
    echo "GenoLSTM with the extra report, as in: pip install 'genolstm[report]'" >&2
fi

echo "4. Where four reads belong in three sequences" >&2
genolstm align search reads.fa reference.fa --evalue 1e-6 --force -o results/alignments.paf
cut -f 1-9 results/alignments.paf

echo "Look at these:" >&2
ls results/*
