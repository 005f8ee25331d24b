"""File formats of the aligner: pairs in, alignments out."""
