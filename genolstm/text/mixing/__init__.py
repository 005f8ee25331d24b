"""Online context models, copy models and a network, joined by a mixer that learns while it reads."""
