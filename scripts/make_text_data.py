"""Write example_data/genome.fa.gz: two small simulated chromosomes, the same bytes each time.

The rhyme in example_data/rhyme.txt was written for this project.

    python scripts/make_text_data.py
"""

from pathlib import Path

from genolstm.files import atomic_text
from genolstm.sequences.alphabet import decode
from genolstm.text.simulate import simulate_genome

SEED = 11
LENGTH = 60_000
WIDTH = 60

if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "example_data" / "genome.fa.gz"
    codes, _ = simulate_genome(2 * LENGTH, SEED, families=3)
    with atomic_text(target, force=True) as stream:
        for number in (1, 2):
            letters = decode(codes[(number - 1) * LENGTH : number * LENGTH])
            stream.write(f">sim{number} simulated, seed {SEED}\n")
            for start in range(0, LENGTH, WIDTH):
                stream.write(letters[start : start + WIDTH] + "\n")
    print(target, target.stat().st_size, "bytes")
