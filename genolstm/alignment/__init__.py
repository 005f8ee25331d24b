"""Pairs of sequences to scores, alignments and the posterior of every column."""
