"""Which architecture when: MLP, CNN, RNN, GRU and LSTM on one labelled task."""
