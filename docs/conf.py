"""How the pages become a site: ``sphinx-build -W -n docs OUT``, with the extra ``docs``.

Pages are read in the repository as well, where a link to ``../benchmarks/x.py`` is right as it stands. In the site such
a file is one to download, and the few pages of the root (the change log and its like) are pages of their own.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from genolstm.cli import help as layout

if TYPE_CHECKING:
    import click
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "GenoLSTM"
author = "The GenoLSTM authors"
copyright = "the GenoLSTM authors, MIT licence"
version = release = version_of("genolstm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "sphinx_copybutton"]
root_doc = "index"
exclude_patterns = ["_build"]
# In the pages of commands and of Python, `word` is what one types.
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist"]
# As GitHub makes them, so that links with # work in both.
myst_heading_anchors = 4

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Signatures with defaults as they are written, not with their values.
autodoc_preserve_defaults = True
# What only training imports need not be there.
autodoc_mock_imports = [name for name in ("sklearn", "tensorflow", "keras") if find_spec(name) is None]

nitpicky = True
# No page is fetched while the site is built, and so nothing of other projects can be linked.
nitpick_ignore_regex = [
    (r"py:.*", r"(np|numpy|pd|pandas|Bio|matplotlib|sklearn|npt|os|pathlib|collections|typing|click)\..*"),
    # What the interface is made of, and is none itself.
    (r"py:class", r"(.*\.)?(Door|Segment|Totals|Panels|PathLike|VariantSettings|Source|VariantReader|Runtime)"),
    (r"py:class", r"PairHMMParameters"),
    (r"py:func", r"genolstm\.sequences\.fasta\.parse_haplotype_name"),
    (r"py:mod", r"genolstm\.text\.settings"),
]

html_theme = "furo"
html_title = f"GenoLSTM {release}"
html_static_path = ["_static"]
html_css_files = ["genolstm.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
pygments_style = "friendly"
copybutton_exclude = ".linenos, .gp"

#: Pages of the site that are files of the root.
OF_ROOT = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
#: Pages of the table of contents that a clone may lack.
OPTIONAL = ("workflows", "scaling")
_LINK = re.compile(r"\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def relinked(text: str, folder: Path, page: Path) -> str:
    """Return Markdown whose links out of ``docs`` lead somewhere in the site.

    Parameters
    ----------
    text
        What a file in ``folder`` holds.
    folder
        To which the links are relative.
    page
        The page that shows the text.
    """

    def link(found: re.Match[str]) -> str:
        target = (folder / found["path"]).resolve()
        if not target.exists():
            return found[0]  # the build warns
        name = target.relative_to(ROOT).as_posix()
        anchor = found["anchor"] or ""
        if name in OF_ROOT:
            target = DOCS / OF_ROOT[name]
        elif target.is_dir() and (target / "README.md").is_file():
            target /= "README.md"
        elif target.is_dir():
            return f"] (`{name}`)"
        relative = os.path.relpath(target, page.parent)
        inside = target.is_relative_to(DOCS)
        return f"]({relative}{anchor})" if inside else f"](path:{relative})"

    return _LINK.sub(link, text)


def on_source(app: Sphinx, name: str, source: list[str]) -> None:
    page = DOCS / f"{name}.md"
    source[0] = relinked(source[0], page.parent, page)
    if name == root_doc:
        absent = {one for one in OPTIONAL if not (DOCS / f"{one}.md").exists()}
        source[0] = "\n".join(line for line in source[0].split("\n") if line not in absent)


def on_include(app: Sphinx, relative: Path, parent: str, source: list[str]) -> None:
    source[0] = relinked(source[0], (DOCS / relative).resolve().parent, DOCS / f"{parent}.md")


def path_of(ctx: click.Context) -> str:
    """Return the words that call a command, without the program's name."""
    return ctx.command_path.removeprefix("genolstm").strip()


def escaped(text: str) -> str:
    """Return help as reStructuredText; what stands in backticks is code there, too, and so are options."""
    parts = re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text).split("`")
    parts[::2] = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def on_usage(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    layout.name_values(ctx.command, path_of(ctx))
    usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
    lines[:] = [".. code-block:: text", "", f"   {usage}", ""]


def on_options(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Describe options in the words and under the headings of ``--help``."""
    lines.clear()
    for heading, records in layout.grouped(ctx.command, ctx, path_of(ctx)):
        if heading != "Options":
            lines += [f".. rubric:: {heading}", ""]
        for names, told in records:
            lines += [f".. option:: {names.replace(' / ', ', ')}", "", f"   {escaped(' '.join(told.split()))}", ""]


def on_arguments(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Leave them out: the line of usage and the description tell what they are."""
    lines.clear()


def on_epilog(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    examples = layout.EXAMPLES.get(path_of(ctx), ())
    if examples:
        lines += ["", ".. rubric:: Examples", "", ".. code-block:: sh", ""]
        lines += [f"   {part}" for example in examples for part in example.split("\n")]
        lines += [""]


def on_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Give each of several attributes that are described together a line: napoleon takes the first for a type."""
    told: list[str] = []
    names: list[str] = []
    for line in [*lines, ""]:
        found = re.match(r":ivar (\w+(?:, \w+)+):", line)
        if names and (found or not line.startswith(" ")):
            last = told[told.index(names[0]) :]
            told = told[: -len(last)]
            for one in names[0].removeprefix(":ivar ").split(":")[0].split(", "):
                told += [re.sub(r"^:ivar [^:]+:", f":ivar {one}:", last[0]), *last[1:]]
            names = []
        if found:
            names = [line]
        told.append(line)
    lines[:] = told


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", on_docstring, priority=900)
    app.connect("source-read", on_source)
    app.connect("include-read", on_include)
    app.connect("sphinx-click-process-usage", on_usage)
    app.connect("sphinx-click-process-options", on_options)
    app.connect("sphinx-click-process-arguments", on_arguments)
    app.connect("sphinx-click-process-epilog", on_epilog)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
