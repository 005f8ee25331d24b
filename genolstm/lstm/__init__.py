"""The LSTM core that every pipeline shares; knows nothing of DNA."""
