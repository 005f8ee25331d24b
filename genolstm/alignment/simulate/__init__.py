"""Pairs of sequences whose true alignment is known."""
