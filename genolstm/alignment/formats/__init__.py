"""The files of the aligner: pairs in, alignments out."""
