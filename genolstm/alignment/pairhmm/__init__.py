"""The pair-HMM: its parameters, its recursions, and the alignments it makes likely."""
