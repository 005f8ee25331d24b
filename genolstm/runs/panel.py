"""``genolstm panel``: build a panel file from FASTA, and describe one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from genolstm.errors import shown, shown_json
from genolstm.files import PathLike, check_paths, is_file_output
from genolstm.sequences.panel.build import build_panel
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import MEMORY, PANEL, PanelSettings

# A larger share of unknown bases is worth a warning.
_MUCH_UNKNOWN = 0.01


def build(
    fasta: Sequence[PathLike],
    output: PathLike,
    settings: PanelSettings = PANEL,
    *,
    threads: int = 0,
    memory: int = MEMORY,
    force: bool = False,
    progress: Callable[[int, float | None], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> KmerPanel:
    """Build a panel, write it, and return it.

    Parameters
    ----------
    fasta
        FASTA or FASTQ files, or pipes; ``-`` is standard input.
    output
        The panel file to write; ``-`` is standard output.
    memory
        Bytes of memory to use at most. What does not fit goes to temporary files, in the folder
        that ``TMPDIR`` names or else beside the output.
    progress
        Called with the number of bases read so far, and the share of the input if that is known.
    warn
        Called with a sentence about what looks wrong, but may be meant.
    """
    check_paths(fasta, [output], force=force)
    panel = build_panel(
        fasta, settings, threads=threads, memory=memory, folder=_folder(output), progress=progress, warn=warn
    )
    share = panel.unknown_share
    if warn is not None and share is not None and share > _MUCH_UNKNOWN:
        warn(
            f"{100 * share:.1f} % of the bases are unknown (not A, C, G or T): "
            "the panel knows nothing of the k-mers that they are part of"
        )
    panel.save(output, force=force)
    return panel


def _folder(output: PathLike) -> Path | None:
    """Return where temporary files go: /tmp may be small, or lie in memory."""
    return None if os.environ.get("TMPDIR") or not is_file_output(output) else Path(output).resolve().parent


def info(path: PathLike, *, as_json: bool = False) -> str:
    """Verify a panel's checksum and return a summary of the panel, as lines of a table or as JSON."""
    summary = KmerPanel.open(path).summary()
    if as_json:
        return shown_json(json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False))
    names, most = summary["names"], 8
    more = f" and {len(names) - most} more" if len(names) > most else ""
    share = summary["unknown_share"]
    rows = {
        "k": summary["k"],
        "haplotypes": summary["n_haplotypes"],
        "k-mers": summary["n_kmers"],
        "strings": summary["n_strings"],
        "minimum count": summary["min_count"],
        "unknown bases": "not stated" if share is None else f"{100 * share:.2f} %",
        "bytes per k-mer": f"{sum(summary['bytes'].values()) / summary['n_kmers']:.2f}",
        "names": ", ".join(names[:most]) + more,
    }
    return "\n".join(f"{name}\t{shown(str(value))}" for name, value in rows.items())
