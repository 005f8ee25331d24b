"""Training of a network; what builds or trains one needs TensorFlow."""
