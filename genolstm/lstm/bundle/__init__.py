"""Model bundles: written once, checked, and run without TensorFlow."""
