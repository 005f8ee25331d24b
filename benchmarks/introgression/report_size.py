"""Size of the page of a thousand haplotypes and one chromosome, and how soon a browser can use it.

Segments, posteriors of every kilobase and sites are drawn at random, as many as a scan of people outside Africa gives (2 %
of each haplotype in tracts of 50 kb on average, as of carriers who share them). The page is opened in a headless Chromium
(Debian: chromium, chromium-driver) from its file, and told are, best of some: when it can be used, by its own clock from the
begin of loading; what that took of the processor; and how long a zoom takes until it is drawn. The seed is 1.

    python benchmarks/introgression/report_size.py [--haplotypes 1000] [--length 248387328] [--pictures FOLDER]

Needs the extra report.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from genolstm.introgression.calls import Call, Sites
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.variants.people import Populations
from genolstm.introgression.windows import PosteriorWindows
from genolstm.report.page import page
from genolstm.report.page_contents import MOST_SITES, Found, contents

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support import browser

SOURCES = ("neanderthal", "denisovan", "unknown")
OF_SEGMENTS = (*SOURCES, "neanderthal|denisovan", "neanderthal|unknown")
EXPECTED = {"threshold": 0.5, "precision": 0.95, "recall": 0.9, "f1": 0.92}
BIN, BINS = 1_000, 4_000
SHARE, TRACT = 0.02, 50_000
OPENED = 5
WIDTHS = (400, 900, 1600)


def segments(names: list[tuple[str, str]], length: int, rng: np.random.Generator) -> list[Call]:
    """Return segments, sorted; haplotypes share them, as common ones of people do."""
    n = int(SHARE * length / TRACT * len(names))
    kinds = max(n // 12, 1)  # of each a dozen carriers on average, and many of some
    start = np.sort(rng.integers(0, length - 10 * TRACT, kinds))
    size = np.clip(rng.exponential(TRACT, kinds), 8_000, 9 * TRACT).astype(int)
    weight = rng.pareto(1.1, kinds) + 0.05
    kind = rng.choice(kinds, n, p=weight / weight.sum())
    source = rng.choice(len(OF_SEGMENTS), kinds, p=[0.72, 0.08, 0.08, 0.04, 0.08])
    who = rng.integers(0, len(names), n)
    pairs = sorted({(int(start[k]), int(size[k]), int(k), int(w)) for k, w in zip(kind, who, strict=True)})
    ids = segment_ids((OF_SEGMENTS[source[k]] for _, _, k, _ in pairs), SOURCES)
    found = []
    for name, (begin, bp, k, w) in zip(ids, pairs, strict=True):
        sites = max(bp // 1_500, 2)
        match = int(sites * rng.uniform(0.2, 0.9))
        posterior = round(float(rng.uniform(0.6, 1)), 4)
        found.append(Call("chr1", begin, begin + bp, *names[w], posterior, sites, match, OF_SEGMENTS[source[k]], name))
    return found


def posteriors(
    calls: list[Call], names: list[tuple[str, str]], length: int, rng: np.random.Generator
) -> PosteriorWindows:
    """Return the posteriors of all bins, high in segments."""
    row = {name: i for i, name in enumerate(names)}
    windows = PosteriorWindows()
    total = -(-length // BIN)
    for first in range(0, total, BINS):
        n = min(BINS, total - first)
        values = (rng.random((len(names), n), np.float32) ** 12 * 0.4).astype(np.float32)
        for call in calls:
            begin, end = call.start // BIN - first, call.end // BIN - first
            if begin < n and end > 0:
                values[row[call.sample, call.haplotype], max(begin, 0) : min(end, n)] = call.posterior
        last = first + n == total
        windows.add_block(PosteriorBlock("chr1", names, first, values, values, values, length, last), BIN)
    return windows


def sites(shown: list[Call], rng: np.random.Generator) -> dict:
    """Return sites of the segments that are shown with theirs."""
    columns = ["pos", "ref", "alt", "allele", "outgroup_frequency", "shared", "evidence", "allele_neanderthal"]
    found = {}
    for call in shown:
        places = np.sort(rng.choice(np.arange(call.start, call.end), min(call.n_sites, MOST_SITES), replace=False))
        rows = [[str(p + 1), "A", "G", "G", "0.0100", str(p % 9), "supports", "A/G"] for p in places.tolist()]
        found[call.interval] = Sites(columns, rows, call.n_sites, call.n_match)
    return found


def draw(n: int, length: int, path: Path) -> None:
    """Write the page."""
    rng = np.random.default_rng(1)
    names = [(f"HG{i // 2:05d}", str(i % 2 + 1)) for i in range(n)]
    samples = list(dict.fromkeys(sample for sample, _ in names))
    people = Populations({f"POP{p + 1:02d}": samples[p::26] for p in range(26)})
    calls = segments(names, length, rng)
    windows = posteriors(calls, names, length, rng)
    manifest = {"model": {"name": "random", "sources": list(SOURCES[:-1])}, "expected": EXPECTED}
    begun = time.process_time()
    told = contents(Found("chr1.bed", calls, manifest, windows, people))
    told.sites = sites(told.top, rng)
    path.write_text(page(told), encoding="utf-8")
    spent = time.process_time() - begun
    print(f"{n:,} haplotypes of {length / 1e6:.1f} Mb, {len(calls):,} segments; drawn in {spent:.1f} s of CPU")
    print(f"size: {path.stat().st_size / 1e6:.2f} MB")


def use(tab: browser.Browser, path: Path) -> tuple[float, float, float]:
    """Open the page; return seconds until it can be used, of the processor, and of a zoom."""
    tab.cdp("Performance.enable")
    tab.open(path)
    ready = float(tab.wait("return document.documentElement.dataset.ready")) / 1000
    spent = {entry["name"]: entry["value"] for entry in tab.cdp("Performance.getMetrics")["metrics"]}["ThreadTime"]
    tab.run(
        "window.zoomed = 0; const begun = performance.now(), was = document.getElementById('status').textContent;"
        "document.getElementById('in').click();"
        "const look = () => document.getElementById('status').textContent === was ? requestAnimationFrame(look)"
        " : requestAnimationFrame(() => { window.zoomed = performance.now() - begun; });"
        "look();"
    )
    zoom = float(tab.wait("return window.zoomed")) / 1000
    return ready, spent, zoom


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--haplotypes", type=int, default=1_000)
    parser.add_argument("--length", type=int, default=248_387_328, help="by default of chromosome 1")
    parser.add_argument("--pictures", type=Path, help="folder for pictures at three widths, light and dark")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        draw(arguments.haplotypes, arguments.length, path)
        if browser.ABSENT:
            raise SystemExit(browser.ABSENT)
        with browser.chromium(Path(folder)) as tab:
            tab.look(1000)
            found = np.array([use(tab, path) for _ in range(OPENED)])
            ready, spent, zoom = found.min(axis=0)
            print(f"usable after {ready:.2f} s ({np.median(found[:, 0]):.2f} median of {OPENED}), {spent:.2f} s of CPU")
            print(f"a zoom is drawn after {zoom:.2f} s ({np.median(found[:, 2]):.2f} median)")
            if arguments.pictures is not None:
                arguments.pictures.mkdir(parents=True, exist_ok=True)
                for width in WIDTHS:
                    for dark in (False, True):
                        tab.look(width, dark=dark)
                        tab.open(path)
                        tab.wait("return document.documentElement.dataset.ready")
                        time.sleep(1)  # for figures that follow the width
                        name = f"{width}-{'dark' if dark else 'light'}.png"
                        (arguments.pictures / name).write_bytes(tab.picture(whole=True))


if __name__ == "__main__":
    main()
