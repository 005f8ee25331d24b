"""The page of a scan, written as one of its outputs or from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from genolstm.files import Outputs, PathLike
from genolstm.introgression.calls import Call, Sites
from genolstm.introgression.segments import Interval

if TYPE_CHECKING:
    from genolstm.report.page_contents import Found

SitesOf = Callable[[Sequence[Call], int], Mapping[Interval, Sites]]
"""Returns the sites of some segments, at most so many rows of each."""


def check_drawable() -> None:
    """Refuse to draw a page without what draws it, before any work is done.

    Raises
    ------
    MissingExtraError
        Bokeh is not installed.
    """
    from genolstm.report.page_figures import bokeh

    bokeh()


def write(outputs: Outputs, path: PathLike, found: Found, sites: SitesOf | None = None) -> list[str]:
    """Write a page as one of ``outputs``; return what it says of what it leaves out.

    Parameters
    ----------
    found
        What it is made of.
    sites
        Tells the sites of the segments that are shown with theirs; None if they are not known.
    """
    from genolstm.report.page import page
    from genolstm.report.page_contents import MOST_SITES, contents

    shown = contents(found)
    if sites is not None:
        shown.sites = sites(shown.top, MOST_SITES)
    outputs.text(path).write(page(shown))
    return shown.notes
