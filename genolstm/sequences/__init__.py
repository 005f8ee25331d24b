"""From text to numbers: alphabets, records, k-mers and panels; knows nothing of models."""
