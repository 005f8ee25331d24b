"""What all figures share: colours, formats, and byte-for-byte reproducible files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from genolstm.errors import MissingExtraError, SettingError, shown
from genolstm.files import Outputs, PathLike, atomic_path, check_output

FORMATS = (".svg", ".png", ".pdf")
INK = "#333333"


def pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot") from error
    return plt


def check_figure(path: PathLike, *, force: bool) -> None:
    """Refuse an unsuitable file name for a figure before any work is done."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise SettingError(f"a figure's name must end in {', '.join(FORMATS)}, not in '{suffix}'")
    check_output(path, force=force)
    pyplot()


@contextlib.contextmanager
def saved_figure(path: PathLike, *, force: bool = False, into: Outputs | None = None) -> Iterator[Any]:
    """Yield pyplot; the figure drawn inside the block is written to ``path`` when the block ends.

    With ``into`` it appears together with other outputs, by whose ``force`` it goes.
    """
    check_figure(path, force=force if into is None else into.force)
    plt = pyplot()
    suffix = Path(path).suffix.lower()
    # A fixed salt and no date: the same data give the same bytes.
    with plt.rc_context({"svg.hashsalt": "genolstm", "svg.fonttype": "none"}):
        try:
            yield plt
            metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
            with atomic_path(path, force=force) if into is None else nullcontext(into.path(path)) as temporary:
                plt.savefig(temporary, format=suffix[1:], dpi=200, bbox_inches="tight", metadata=metadata)
        finally:
            plt.close()


def tidy(ax: Any) -> None:
    """Remove the top and right sides of the frame."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def colour_map(colours: Sequence[str], *, under: str | None = None) -> Any:
    """Return a continuous colour map through ``colours``; values below its range get ``under``."""
    from matplotlib.colors import LinearSegmentedColormap

    made = LinearSegmentedColormap.from_list("genolstm", list(colours))
    return made if under is None else made.with_extremes(under=under)


def shortened(name: str, longest: int = 24) -> str:
    """Shorten a name so that it fits next to a figure; what it gives is :func:`drawn`."""
    return drawn(name if len(name) <= longest else f"{name[: longest - 1]}…")


def drawn(text: str) -> str:
    """Return text as matplotlib draws it as it is: no formula between dollar signs, nothing that cannot be printed."""
    return shown(text, keep="\n").replace("$", r"\$")
