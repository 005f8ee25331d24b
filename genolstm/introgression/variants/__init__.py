"""From VCF, BCF and VCF Zarr to the base alleles of haplotypes, checked and joined by position."""
