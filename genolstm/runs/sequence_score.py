"""``genolstm introgression score``: sequences and a sequence-only model in, a table of probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike, atomic_text, check_paths, display_name
from genolstm.introgression.sequence_only.data import Haplotype, haplotype_of
from genolstm.introgression.sequence_only.scorer import Scored, SequenceScorer
from genolstm.introgression.summary import counted
from genolstm.runs.sources import model_files
from genolstm.sequences.fasta import read_codes

COLUMNS = ("chrom", "start", "end", "sample", "haplotype", "known", "probability")


@dataclass
class Summary:
    """What was scored, and what was not.

    Attributes
    ----------
    sequences, sentences
        How many were read, and cut.
    unread
        Sentences of which too few k-mers are known: their probability is ``NA``.
    short
        Sequences shorter than a sentence.
    """

    sequences: int = 0
    sentences: int = 0
    unread: int = 0
    short: int = 0

    def lines(self, scorer: SequenceScorer) -> list[str]:
        """Return lines for people."""
        settings = scorer.settings
        windows = counted(self.sentences, "window")
        found = [f"{counted(self.sequences, 'sequence')}, {windows} of {settings.sentence} bp"]
        if self.unread:
            share = f"fewer than {100 * settings.known:g} % of their k-mers are known"
            found.append(f"NA in {counted(self.unread, 'window')}: {share}")
        if self.short:
            found.append(f"{counted(self.short, 'sequence')} shorter than a window left out")
        return found


def run(
    query: Sequence[PathLike],
    *,
    model: PathLike,
    output: PathLike = "-",
    threads: int = 0,
    force: bool = False,
    warn: Callable[[str], None] | None = None,
) -> list[str]:
    """Write the probability of archaic of each window of each sequence; return lines on what was read.

    Parameters
    ----------
    query
        FASTA files; ``-`` is standard input. Sequences are read on the strand that is given.
    model
        A model of ``introgression train --mode sequence``.
    output
        Tab-separated text with :data:`COLUMNS`, 0-based half-open; ``NA`` where too few k-mers are known.
    warn
        Called with the model's warning before anything is scored.

    Raises
    ------
    ModelError
        The model is of another kind, such as one for scans.
    InputError
        A file is invalid, a haplotype is there twice, or no sequence is as long as a window.
    """
    check_paths([*query, *model_files(model)], [output], force=force)
    scorer = SequenceScorer.load(model, threads=threads)
    if warn is not None:
        warn(scorer.warning)
    summary = Summary()
    seen: dict[tuple[str, str, str], PathLike] = {}
    with atomic_text(output, force=force) as stream:
        stream.write("#" + "\t".join(COLUMNS) + "\n")
        for path in query:
            for record, codes in read_codes(path):
                haplotype = haplotype_of(record, "")
                if haplotype[1:] in seen:
                    raise InputError(
                        f"the haplotype {haplotype.sample} {haplotype.haplotype} of {haplotype.chrom} occurs twice",
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                    )
                seen[haplotype[1:]] = path
                before = summary.sentences
                for part in scorer.score(codes):
                    _write(stream, haplotype, part, scorer.settings.sentence)
                    summary.sentences += len(part.start)
                    summary.unread += int(np.isnan(part.probability).sum())
                summary.sequences += 1
                summary.short += summary.sentences == before
        if not summary.sentences:
            raise InputError(
                f"no sequence is as long as a window ({scorer.settings.sentence} bp)", path=display_name(query[0])
            )
    return summary.lines(scorer)


def _write(stream: IO[str], haplotype: Haplotype, part: Scored, length: int) -> None:
    for start, known, probability in zip(*(one.tolist() for one in part), strict=True):
        value = "NA" if np.isnan(probability) else f"{probability:.4f}"
        fields = (haplotype.chrom, start, start + length, haplotype.sample, haplotype.haplotype, known, value)
        stream.write("\t".join(map(str, fields)) + "\n")
