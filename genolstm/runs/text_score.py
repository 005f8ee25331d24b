"""``text score``: a model and files in, bits per symbol out."""

from __future__ import annotations

from collections.abc import Sequence

from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike, check_paths
from genolstm.runs.sources import model_files
from genolstm.text.generator import TextGenerator
from genolstm.text.scoring import Total, write_bedgraph, write_bedgraph_header, write_positions, write_positions_header
from genolstm.text.settings import DNA


def run(
    model: PathLike,
    files: Sequence[PathLike],
    *,
    form: str = "auto",
    skip_unknown: bool = False,
    positions: PathLike | None = None,
    bedgraph: PathLike | None = None,
    bin_size: int = 1,
    by_record: bool = False,
    threads: int = 0,
    force: bool = False,
) -> list[tuple[str, Total]]:
    """Return the totals, and write the bits of every symbol if asked to.

    Parameters
    ----------
    form
        ``text`` or ``fasta``, to refuse a model of the other; ``auto`` for what the model reads.
    positions, bedgraph
        Where to write the bits of every symbol, and their means along DNA in bins of ``bin_size``.
    by_record
        Whether to return the total of every record, too.

    Returns
    -------
    list of (str, Total)
        Name and total of each record if asked for, and of all of them as ``total``, which is last.
    """
    check_paths([*model_files(model), *files], [positions, bedgraph], force=force)
    generator = TextGenerator.load(model, threads=threads)
    if bedgraph is not None and generator.symbols != DNA:
        raise SettingError("a bedGraph needs a model of DNA", hint="--positions is for text")
    rows: list[tuple[str, Total]] = []
    total = Total()
    with Outputs(force=force) as outputs:
        table, track = (None if path is None else outputs.text(path) for path in (positions, bedgraph))
        if table is not None:
            write_positions_header(table)
        if track is not None:
            write_bedgraph_header(track)
        # One record in memory at a time.
        for record in generator.score_records(
            list(files), form=None if form == "auto" else form, skip_unknown=skip_unknown
        ):
            if table is not None:
                write_positions(table, record, generator.alphabet)
            if track is not None:
                write_bedgraph(track, record, bin_size)
            total += record.total
            if by_record:
                rows.append((record.name, record.total))
    return [*rows, ("total", total)]
