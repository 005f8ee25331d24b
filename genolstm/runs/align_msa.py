"""``align msa``: one multiple alignment of the sequences in a file."""

from __future__ import annotations

from collections.abc import Callable

from genolstm.alignment.formats.family import MSA_FORMATS
from genolstm.alignment.msa import FamilyAlignment, align_family
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import MsaSettings
from genolstm.files import PathLike, atomic_text
from genolstm.runs.inputs import check_format, check_paths, records


def run(
    family: PathLike,
    output: PathLike = "-",
    *,
    model: PathLike = "dna",
    classical: bool = False,
    settings: MsaSettings | None = None,
    form: str = "fasta",
    threads: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FamilyAlignment:
    """Align the sequences in a file with one another and write the alignment.

    Parameters
    ----------
    family
        FASTA or FASTQ, compressed or not; ``-`` is standard input.
    output
        File to write; ``-`` is standard output.
    model, classical
        The aligner, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them.
    settings
        How to align the family.
    form
        Format of the output, a key of :data:`~genolstm.alignment.formats.family.MSA_FORMATS`.
    threads
        Threads to use; 0 means all cores.
    progress
        Called with the number of pairs aligned so far and the total number of pairs.

    Raises
    ------
    GenolstmError
        The input is wrong, or the output is in the way; nothing is written.
    """
    check_format(form, MSA_FORMATS)
    check_paths([family], [output], model=model, force=force)
    scorer = AlignmentScorer.load(model, classical=classical)
    found = align_family(list(records(family)), scorer, settings, threads=threads, progress=progress)
    with atomic_text(output, force=force) as stream:
        MSA_FORMATS[form](found, stream)
    return found
