"""The mutations themselves: the same for a seed, and of every kind."""

import numpy as np
from support.fuzz import mutate


def test_a_seed_gives_the_same_mutations_and_they_change_the_input() -> None:
    data = b"chr1\t100\t200\tname\nchr2\t5\t9\tother\n"
    first = [mutate(data, np.random.default_rng(seed)) for seed in range(200)]
    assert first == [mutate(data, np.random.default_rng(seed)) for seed in range(200)]
    assert sum(content != data for content in first) > 190
    assert len(set(first)) > 180
