"""The page of a thousand haplotypes in a real browser: it opens, zooms, filters, and is neither cut nor blank."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import browser as support

pytest.importorskip("bokeh")

from genolstm.introgression.calls import Call
from genolstm.introgression.segments import Interval, PosteriorBlock
from genolstm.introgression.variants.people import Populations
from genolstm.introgression.windows import PosteriorWindows
from genolstm.report.page import page
from genolstm.report.page_contents import Found, contents

# One page for all tests here.
pytestmark = pytest.mark.xdist_group("page in a browser")

NAMES = [(f"SAMPLE{i:04d}", h) for i in range(500) for h in "12"]
LENGTHS = {"chr1": 50_000_000, "chr2": 10_000_000}
EVIL = "<img src=x onerror=alert(1)>$$x$$"
SEGMENTS = 24_000


def calls() -> list[Call]:
    rng = np.random.default_rng(2)
    starts, lengths = rng.integers(0, 9_000, SEGMENTS) * 1000, rng.integers(5, 100, SEGMENTS) * 1000
    far = rng.integers(0, 40, SEGMENTS) * 1_000_000
    found = []
    for k, (start, length, shift) in enumerate(zip(starts.tolist(), lengths.tolist(), far.tolist(), strict=True)):
        chrom = "chr2" if k % 6 == 5 else "chr1"
        start += 0 if chrom == "chr2" else shift
        source = ("neanderthal", "denisovan", EVIL)[k % 3] if k % 7 else "neanderthal|denisovan"
        found.append(Call(chrom, start, start + length, *NAMES[k % 1000], 0.8765, 40, 30, source, f"seg_{k + 1:04d}"))
    return found


@pytest.fixture(scope="module")
def thousand(tmp_path_factory) -> Path:
    rng = np.random.default_rng(3)
    windows = PosteriorWindows()
    for chrom, length in LENGTHS.items():
        posterior = (rng.uniform(size=(1000, length // 20_000)) ** 6).astype(np.float32)
        windows.add_block(PosteriorBlock(chrom, NAMES, 0, posterior, posterior, posterior, length), 20_000)
    people = Populations(
        {f"POP{p:02d}": [f"SAMPLE{i:04d}" for i in range(p, 500, 26)] for p in range(26)} | {EVIL: ["SAMPLE0001"]}
    )
    truth = [Interval("chr1", 1_000_000, 3_000_000, *NAMES[0])]
    told = contents(Found(f"{EVIL}.bed", calls(), {"left_out": [EVIL]}, windows, people, truth))
    path = tmp_path_factory.mktemp("page") / "x.html"
    path.write_text(page(told), encoding="utf-8")
    return path


def test_it_is_small(thousand: Path) -> None:
    assert thousand.stat().st_size < 10_000_000


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[support.Browser]:
    if support.ABSENT:
        pytest.skip(support.ABSENT)
    with support.chromium(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def opened(tab: support.Browser, thousand: Path) -> support.Browser:
    tab.look(1000)
    tab.open(thousand)
    tab.wait("return document.documentElement.dataset.ready")
    return tab


def status(tab: support.Browser, said: str) -> str:
    """Return what the page says of what it shows, once that holds some text."""
    return tab.wait(
        f"const s = document.getElementById('status').textContent; return s.includes({json.dumps(said)}) && s"
    )


def choose(tab: support.Browser, field: str, label: str) -> None:
    tab.run(
        "const s = document.querySelector(arguments[0]);"
        "s.value = [...s.options].find((o) => o.text === arguments[1]).value;"
        "s.dispatchEvent(new Event('change'));",
        field,
        label,
    )


def test_it_opens_at_once_and_asks_for_nothing(tab: support.Browser, thousand: Path) -> None:
    tab.call("POST", "/se/log", type="performance")
    tab.look(1000)
    tab.cdp("Performance.enable")
    tab.open(thousand)
    tab.wait("return document.documentElement.dataset.ready")
    spent = {entry["name"]: entry["value"] for entry in tab.cdp("Performance.getMetrics")["metrics"]}
    # Of the processor: how long it takes by the clock depends on what else runs on the machine.
    assert spent["ThreadTime"] < 3
    events = [json.loads(line["message"])["message"] for line in tab.call("POST", "/se/log", type="performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert thousand.as_uri() in asked
    # The browser's own first page, which its new tab shows, is of the scheme chrome.
    ours = ("data:", "blob:", "chrome:", thousand.as_uri())
    assert [url[:60] for url in asked if not url.startswith(ours)] == []
    assert [line for line in tab.log() if not line.startswith("INFO")] == []
    assert tab.run("return document.title") == f"{EVIL}.bed – archaic segments"
    assert tab.run("return document.images.length") == 0
    assert status(tab, "Rows 1 to 20 of 1,000 haplotypes, chr1:1-50,000,000")


def test_it_zooms_by_button_by_key_and_by_name(opened: support.Browser) -> None:
    ends = "const a = Bokeh.documents[0].get_model_by_name('along'); return [a.start, a.end]"
    opened.click("#in")
    status(opened, "chr1:12,500,001-37,500,000,")
    assert opened.run(ends) == [12.5, 37.5]
    opened.type("#tracks", "+")
    status(opened, "chr1:18,750,001-31,250,000,")
    opened.type("#tracks", support.KEYS["ArrowRight"])
    status(opened, "chr1:23,750,001-36,250,000,")
    opened.type("#tracks", support.KEYS["Home"])
    status(opened, "chr1:1-50,000,000,")
    opened.run("document.getElementById('region').value = ''")
    opened.type("#region", "chr2:1,000,001-1,200,000" + support.KEYS["Enter"])
    status(opened, "chr2:1,000,001-1,200,000,")
    assert opened.run(ends) == [1, 1.2]
    opened.run("document.getElementById('region').value = ''")
    opened.type("#region", "chr9:1-5" + support.KEYS["Enter"])
    assert (
        opened.wait("return document.getElementById('region').validationMessage")
        == "There are no tracks of this sequence."
    )
    # A stretch marked with the mouse, which Bokeh tells by the ends of the axis.
    opened.run("Bokeh.documents[0].get_model_by_name('along').setv({ start: 1.05, end: 1.1 })")
    status(opened, "chr2:1,050,001-1,100,000,")
    # No closer than a kilobase.
    for _ in range(8):
        opened.click("#in")
    start, end = status(opened, "chr2:1,074,50").split("chr2:")[1].split(", ")[0].split("-")
    assert int(end.replace(",", "")) - int(start.replace(",", "")) == 999


def test_it_filters_and_lists_what_it_shows(opened: support.Browser) -> None:
    choose(opened, "#chrom", "chr2")
    choose(opened, "#group", "POP03 (40)")
    status(opened, "Rows 1 to 20 of 40 haplotypes, chr2:")
    # Its own line along the sequence is drawn, and the others fade.
    opened.wait("return Bokeh.documents[0].get_model_by_name('line 1').glyph.line_alpha.value < 1")
    assert opened.run("return Bokeh.documents[0].get_model_by_name('line 4').glyph.line_alpha.value") == 1
    choose(opened, "#group", "POP20 (38)")
    top = "return Math.max(...Bokeh.documents[0].get_model_by_name('frequency chosen').data.y)"
    assert opened.wait(top) > 0
    choose(opened, "#group", "POP03 (40)")
    status(opened, "Rows 1 to 20 of 40 haplotypes, chr2:")
    opened.click("#after")
    status(opened, "Rows 21 to 40 of 40 haplotypes")
    assert opened.run("return document.getElementById('after').disabled")
    opened.type("#name", "sample0029 ")
    status(opened, "Rows 1 to 2 of 2 haplotypes")
    opened.click("#listing summary")
    opened.wait("return document.querySelectorAll('#listed tr').length")
    rows = opened.run(
        "return [...document.querySelectorAll('#listed tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )
    expected = [c for c in calls() if c.chrom == "chr2" and c.sample == "SAMPLE0029"]
    wanted = [
        [f"{c.sample} {c.haplotype}", c.name, f"{c.start:,}", f"{c.end:,}", c.source, f"{c.posterior:.4f}", "30", "40"]
        for c in sorted(expected, key=lambda c: c.haplotype)
    ]
    assert sorted(rows) == sorted(wanted)
    assert len(rows) > 5
    # Only what lies in the stretch, and only the haplotypes that have something there.
    one = min(expected, key=lambda c: c.end - c.start)
    opened.run("document.getElementById('region').value = ''")
    opened.type("#region", f"{one.start + 1}-{one.end}" + support.KEYS["Enter"])
    opened.click("#only")
    here = {c.haplotype for c in expected if c.start < one.end and c.end > one.start}
    status(opened, f"of {len(here)} haplotypes, chr2:{one.start + 1:,}-{one.end:,}")
    opened.run("document.getElementById('name').value = ''")
    opened.type("#name", "nobody")
    status(opened, "No haplotype fits")
    drawn = opened.run("return Bokeh.documents[0].get_model_by_name('lengths 0').data.top")
    members = {f"SAMPLE{i:04d}" for i in range(3, 500, 26)}
    assert max(drawn) <= sum(c.sample in members for c in calls())
    assert opened.run("return document.getElementById('lengths-of').textContent").endswith(
        f"POP03, {sum(c.sample in members for c in calls()):,} segments."
    )


def test_it_is_neither_cut_nor_blank(opened: support.Browser) -> None:
    from PIL import Image

    model = "return Bokeh.documents[0].get_model_by_name('rows')"
    for width, dark in ((400, False), (400, True), (900, True), (900, False), (1600, False), (1600, True)):
        opened.look(width, dark=dark)
        fits = f"document.querySelector('#figure-rows > *').getBoundingClientRect().width <= {width}"
        opened.wait(f"return innerWidth === {width} && {fits}")
        assert opened.run("return document.documentElement.scrollWidth") <= width
        ground = (20, 24, 29) if dark else (255, 255, 255)
        assert opened.run("return getComputedStyle(document.body).backgroundColor") == f"rgb{ground}"
        opened.wait(f"{model}.below[0].axis_label_text_color === '{'#e6edf3' if dark else '#1f2328'}'")
        # What may be of several sources is black, or white where that could not be seen.
        # At 50 Mb on a screen, most segments are narrower than a dot, and are drawn wider.
        opened.wait(
            "const { left, right } = Bokeh.documents[0].get_model_by_name('segments').data;"
            "const shown = document.querySelector('#figure-rows > *').getBoundingClientRect().width - 142;"
            "return Math.min(...right.map((end, i) => end - left[i])) / 50 * shown >= 2"
        )
        several = "#FFFFFF" if dark else "#000000"
        opened.wait(f"return Bokeh.documents[0].get_model_by_name('segments').data.colour.includes('{several}')")
        of = "Bokeh.documents[0].get_model_by_name(`bars of lengths ${i}`).glyph.fill_color"
        bars = opened.run(f"return [0, 1, 2, 3].map((i) => {of})")
        assert several in json.dumps(bars)
        for name in ("overview", "rows", "lengths"):
            opened.run(f"document.getElementById('figure-{name}').scrollIntoView({{ block: 'center' }})")
            box = opened.run(
                f"const b = document.querySelector('#figure-{name} > *').getBoundingClientRect();"
                "return [b.left, b.top, b.right, b.bottom].map(Math.round)"
            )
            assert 0 <= box[0] < box[2] <= width, (name, width)
            image = Image.open(io.BytesIO(opened.picture())).convert("RGB")
            part = np.asarray(image.crop((box[0], max(box[1], 0), box[2], min(box[3], 900)))).reshape(-1, 3).astype(int)
            assert (part == ground).all(axis=1).mean() > 0.1, (name, width, dark)
            # Something is drawn, in colour.
            assert (np.ptp(part, axis=1) > 60).mean() > 0.003, (name, width, dark)
