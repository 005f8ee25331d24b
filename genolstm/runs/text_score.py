"""``text score``: a model and files in, bits per symbol out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike, check_paths, is_file_output
from genolstm.runs.sources import model_files
from genolstm.sequences.bigwig import BIGWIG, pybigtools
from genolstm.text import tracks
from genolstm.text.generator import TextGenerator
from genolstm.text.scoring import Total, write_positions, write_positions_header
from genolstm.text.settings import DNA

_BIGWIGS = (BIGWIG, ".bigwig")


def run(
    model: PathLike,
    files: Sequence[PathLike],
    *,
    form: str = "auto",
    skip_unknown: bool = False,
    mix: bool = False,
    adapt: bool = False,
    network: bool = True,
    history: Sequence[PathLike] = (),
    held_out: Sequence[PathLike] = (),
    positions: PathLike | None = None,
    bedgraph: PathLike | None = None,
    bigwig: PathLike | None = None,
    repeats: PathLike | None = None,
    weights: PathLike | None = None,
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
    mix, adapt, network, history, held_out
        As in :meth:`genolstm.text.generator.TextGenerator.score`.
    positions
        Where to write the bits of every symbol.
    bedgraph, bigwig
        Where to write their means along DNA, in bins of ``bin_size``.
    repeats
        Where to write what repeats save, per base: a bigWig if it is named so (.bw, .bigwig), otherwise a bedGraph.
    weights
        Where to write, by bin, whose the forecasts were.
    by_record
        Whether to return the total of every record, too.

    Returns
    -------
    list of (str, Total)
        Name and total of each record if asked for, and of all of them as ``total``, which is last.
    """
    written = [positions, bedgraph, bigwig, repeats, weights]
    check_paths([*model_files(model), *files, *history, *held_out], written, force=force)
    if (repeats is not None or weights is not None) and not mix:
        raise SettingError("repeats and weights are those of a mixture", hint="give --mix, too")
    wigs = [path for path in (bigwig, repeats if _is_bigwig(repeats) else None) if path is not None]
    for path in wigs:
        if not (is_file_output(path) and _is_bigwig(path)):
            raise SettingError(f"a bigWig needs a file whose name ends in {' or '.join(_BIGWIGS)}")
        pybigtools()
    generator = TextGenerator.load(model, threads=threads)
    if generator.symbols != DNA and (bedgraph is not None or bigwig is not None or repeats is not None):
        raise SettingError("a track needs a model of DNA", hint="--positions and --weights are for text")
    explained = repeats is not None or weights is not None
    rows: list[tuple[str, Total]] = []
    total = Total()
    with Outputs(force=force) as outputs:
        table, shares = (None if path is None else outputs.text(path) for path in (positions, weights))
        wanted: list[tuple[PathLike | None, tracks.Kind]] = [
            (bedgraph, tracks.SURPRISE),
            (bigwig, tracks.SURPRISE),
            (repeats, tracks.SAVED),
        ]
        writers: list[tracks.BedGraph | tracks.BigWig] = [
            tracks.BigWig(path, kind, bin_size) if path in wigs else tracks.BedGraph(outputs.text(path), kind, bin_size)
            for path, kind in wanted
            if path is not None
        ]
        if table is not None:
            write_positions_header(table)
        if shares is not None:
            tracks.write_weights_header(shares)
        # One record in memory at a time.
        for record in generator.score_records(
            list(files),
            form=None if form == "auto" else form,
            skip_unknown=skip_unknown,
            mix=mix,
            adapt=adapt,
            network=network,
            explained=explained,
            history=list(history),
            held_out=list(held_out),
        ):
            if table is not None:
                write_positions(table, record, generator.alphabet)
            if shares is not None:
                tracks.write_weights(shares, record, bin_size)
            for writer in writers:
                writer.add(record)
            total += record.total
            if by_record:
                rows.append((record.name, record.total))
        for writer in writers:
            writer.finish(outputs)
    return [*rows, ("total", total)]


def _is_bigwig(path: PathLike | None) -> bool:
    return path is not None and Path(path).suffix in _BIGWIGS
