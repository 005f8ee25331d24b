"""The LSTM that informs the pair-HMM: what it adds to a pair, and how it is trained."""
