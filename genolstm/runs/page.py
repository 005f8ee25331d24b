"""The page of a scan, written as one of its outputs or from its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike
from genolstm.introgression.calls import Call, read_sites
from genolstm.introgression.doors.blocks import Door
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.windows import PosteriorWindows


class ScanPage:
    """Gathers what the page of a scan needs while it runs.

    Parameters
    ----------
    path
        Where the page appears; None if none is wanted, and then nothing is gathered.
    bin_size
        Length of a bin in bp.
    """

    def __init__(self, path: PathLike | None, bin_size: int) -> None:
        self.path, self.bin_size = path, bin_size
        self.windows = PosteriorWindows()
        if path is not None:
            check_name(path)
            check_drawable()

    def add(self, block: PosteriorBlock) -> None:
        """Take a block."""
        if self.path is not None:
            self.windows.add_block(block, self.bin_size)

    def write(
        self, outputs: Outputs, title: str, calls: Sequence[Call], manifest: dict[str, Any], door: Door
    ) -> list[str]:
        """Write the page as one of ``outputs``; return what it leaves out."""
        if self.path is None:
            return []
        from genolstm.report.page_contents import Found

        return write(outputs, self.path, Found(title, list(calls), manifest, self.windows, door.populations()))


def check_name(path: PathLike) -> None:
    """Refuse an output that no browser would take for a page.

    Raises
    ------
    SettingError
        Its name ends neither in ``.html`` nor in ``.htm``.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"a report's name must end in .html, not in '{Path(path).suffix}'")


def check_drawable() -> None:
    """Refuse to draw a page without what draws it, before any work is done.

    Raises
    ------
    MissingExtraError
        Bokeh is not installed.
    """
    from genolstm.report.page_figures import bokeh

    bokeh()


def write(outputs: Outputs, path: PathLike, found: Any, *, evidence: PathLike | None = None) -> list[str]:
    """Write a page as one of ``outputs``; return what it says of what it leaves out.

    Parameters
    ----------
    found
        What it is made of, a :class:`~genolstm.report.page_contents.Found`.
    evidence
        Table of the sites of the segments, of which those of the first ones are shown.
    """
    from genolstm.report.page import page
    from genolstm.report.page_contents import MOST_SITES, contents

    shown = contents(found)
    if evidence is not None:
        shown.sites = read_sites(evidence, shown.top, MOST_SITES)
    outputs.text(path).write(page(shown))
    return shown.notes
