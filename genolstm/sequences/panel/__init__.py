"""The k-mer panel: which haplotypes of a reference group carry each k-mer."""
