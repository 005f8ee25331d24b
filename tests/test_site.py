"""The site of the documentation: it is built without warnings, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf_of_docs", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_out_of_the_docs_lead_somewhere_in_the_site(conf: ModuleType) -> None:
    def made(text: str, page: str = "how-to/cluster.md", folder: Path | None = None) -> str:
        return str(conf.relinked(text, folder or (DOCS / page).parent, DOCS / page))

    assert made("[a](../threshold.md#b)") == "[a](../threshold.md#b)"  # not there: the build warns
    assert made("[a](threshold.md#b)") == "[a](threshold.md#b)"
    assert made("[a](../../README.md#b)") == "[a](../index.md#b)"
    assert made("[a](../../pyproject.toml)") == "[a](path:../../pyproject.toml)"
    assert made("[a](../../workflows/introgression/)") == "[a](path:../../workflows/introgression/README.md)"
    assert made("[a](../../benchmarks/text)") == "[a] (`benchmarks/text`)"
    assert made("[a](https://example.org/x)") == "[a](https://example.org/x)"
    # What the root's own pages link to is relative to the root.
    assert made("[a](docs/text.md) [b](SECURITY.md)", "changelog.md", ROOT) == "[a](text.md) [b](security.md)"


def test_every_page_is_in_the_table_of_contents() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    tables = re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)
    listed = {line for table in tables for line in table.splitlines() if line and not line.startswith(":")}
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}
    assert pages <= listed


def test_links_of_pages_lead_to_files_and_headings() -> None:
    """As they are read in the repository, without the site."""
    count = 0
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if urlsplit(link).scheme:
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), (page.name, link)
            if anchor:
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in slugs, (page.name, link)
            count += 1
    assert count > 100


class Links(HTMLParser):
    """What a page of the site links to and what it loads, and the places in it that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name == "href" and value and tag == "a":
                self.hrefs.append(value)
            elif name in ("src", "href") and value:
                self.loaded.append(value)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_is_built_without_warnings_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    for name in ("sphinx", "myst_parser", "furo", "sphinx_click", "sphinx_copybutton"):
        pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "--keep-going", "docs", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for path in (tmp_path / "site").rglob("*.html"):
        found[path.resolve()] = links = Links()
        links.feed(path.read_text(encoding="utf-8"))
    assert len(found) > 30
    for path, links in found.items():
        assert not [value for value in links.loaded if urlsplit(value).netloc], path
        for href in links.hrefs:
            parts = urlsplit(href)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), (path.name, href)
            if parts.fragment and target in found:
                assert unquote(parts.fragment) in found[target].ids, (path.name, href)
    # Commands and classes are there, from their own help.
    commands = (tmp_path / "site" / "commands" / "introgression.html").read_text(encoding="utf-8")
    assert "--archaic-vcf" in commands
    assert "IntrogressionClassifier" in (tmp_path / "site" / "python.html").read_text(encoding="utf-8")
