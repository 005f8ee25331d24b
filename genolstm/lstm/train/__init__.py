"""Training networks; only what builds or trains one needs TensorFlow."""
