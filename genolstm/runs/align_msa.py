"""``align msa``: one multiple alignment of the sequences in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from genolstm.alignment.formats.family import MSA_FORMATS
from genolstm.alignment.msa import FamilyAlignment, align_family
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import FAMILY_MODELS, MsaSettings
from genolstm.files import PathLike, atomic_text
from genolstm.runs.inputs import check_format, check_paths, records


def run(
    family: PathLike,
    output: PathLike = "-",
    *,
    model: PathLike | Sequence[PathLike] = FAMILY_MODELS,
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
        The aligner of the pairs, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them; the
        posteriors of several are averaged, and one that is named twice counts twice.
    settings
        How to align the family.
    form
        Format of the output, a key of :data:`~genolstm.alignment.formats.family.MSA_FORMATS`.
    threads
        Threads to use; 0 means all cores.
    progress
        Called with the number of pairs aligned so far, once by each model, and the total.

    Raises
    ------
    GenolstmError
        The input is wrong, or the output is in the way; nothing is written.
    """
    check_format(form, MSA_FORMATS)
    models = [model] if isinstance(model, str | os.PathLike) else list(model)
    for one in models:
        check_paths([family], [output], model=one, force=force)
    scorers = {one: AlignmentScorer.load(one, classical=classical) for one in models}
    chosen = [scorers[one] for one in models]
    found = align_family(list(records(family)), chosen, settings, threads=threads, progress=progress)
    with atomic_text(output, force=force) as stream:
        MSA_FORMATS[form](found, stream)
    return found
