"""``genolstm panel``: build a panel file from FASTA, and describe one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from genolstm.files import PathLike, check_output
from genolstm.sequences.panel.build import build_panel
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import PANEL, PanelSettings


def build(
    fasta: Sequence[PathLike],
    output: PathLike,
    settings: PanelSettings = PANEL,
    *,
    threads: int = 0,
    force: bool = False,
    progress: Callable[[int], None] | None = None,
) -> KmerPanel:
    """Build a panel, write it, and return it.

    Parameters
    ----------
    fasta
        FASTA or FASTQ files; ``-`` is standard input.
    output
        The panel file to write.
    progress
        Called with the number of bases read so far.
    """
    check_output(output, force=force)
    panel = build_panel(fasta, settings, threads=threads, progress=progress)
    panel.save(output, force=force)
    return panel


def info(path: PathLike, *, as_json: bool = False) -> str:
    """Verify a panel's checksum and return a summary of the panel, as lines of a table or as JSON."""
    summary = KmerPanel.open(path).summary()
    if as_json:
        return json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False)
    names, most = summary["names"], 8
    more = f" and {len(names) - most} more" if len(names) > most else ""
    rows = {
        "k": summary["k"],
        "haplotypes": summary["n_haplotypes"],
        "k-mers": summary["n_kmers"],
        "strings": summary["n_strings"],
        "minimum count": summary["min_count"],
        "bytes per k-mer": f"{sum(summary['bytes'].values()) / summary['n_kmers']:.2f}",
        "names": ", ".join(names[:most]) + more,
    }
    return "\n".join(f"{name}\t{value}" for name, value in rows.items())
