"""Text and genomes as streams of symbols: train, generate, score."""
