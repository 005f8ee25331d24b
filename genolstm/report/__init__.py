"""Figures of what the pipelines find."""
