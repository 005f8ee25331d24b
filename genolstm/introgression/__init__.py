"""Haplotypes and references become tracks, the core reads them, segments come out."""
