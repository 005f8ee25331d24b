"""One self-contained HTML page of what a scan found."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from typing import Any

import numpy as np

from genolstm.errors import shown
from genolstm.introgression.carriers import SEVERAL
from genolstm.introgression.exports import source_colours
from genolstm.introgression.windows import STEPS
from genolstm.report.page_contents import MOST_GAPS, MOST_SITES, Contents, counts_of, data, histogram
from genolstm.report.page_figures import MOST_LINES, bokeh, expected, figures, line_colour, overview, shades
from genolstm.report.plots import FOUND, POSTERIOR

_HERE = "genolstm.report"
#: The colour of text, which differs in dark and light.
INK = "currentColor"


class _Number(str):
    """Text of a number, which stands to the right of its column."""


def page(contents: Contents) -> str:
    """Return the page; the same contents give the same text.

    Raises
    ------
    MissingExtraError
        Bokeh is not installed.
    """
    bokeh()
    import jinja2
    from bokeh.resources import INLINE

    drawn = figures(contents)
    colours = source_colours(contents.sources)
    document = _document(drawn) | {
        "sources_light": [colours[name].hex for name in contents.sources],
        "sources_dark": [colours[name].hex_on_dark for name in contents.sources],
        "steps": STEPS,
        "shades_light": shades(FOUND),
        "shades_dark": shades(POSTERIOR),
        "dot_light": FOUND,
        "dot_dark": POSTERIOR,
    }
    # What the page holds comes first: it notes what it leaves out.
    held = _json(data(contents))
    library = "\n".join(part.replace("</script", "<\\/script") for part in _core(INLINE.js_raw))
    script = _part("page.js")
    raw = jinja2.utils.markupsafe.Markup
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        # What cannot be printed, such as a mark that turns the direction of reading, is shown as what it is.
        finalize=lambda value: (
            shown(value, keep="\n") if isinstance(value, str) and not isinstance(value, raw) else value
        ),
    )
    environment.tests["numeric"] = lambda value: isinstance(value, _Number)
    template = environment.from_string(_part("page.html"))
    return template.render(
        **_told(contents),
        policy=_policy(library, script),
        version=metadata.version("genolstm"),
        bokeh=metadata.version("bokeh"),
        css=raw(_part("page.css")),
        data=raw(held),
        document=raw(_json(document)),
        library=raw(library),
        script=raw(script),
    )


def _part(name: str) -> str:
    return resources.files(_HERE).joinpath(name).read_text(encoding="utf-8")


def _core(parts: Sequence[str]) -> list[str]:
    """Return BokehJS itself, without widgets, tables, WebGL, formulas, and the line that sets how much it logs."""
    return [part for part in parts if len(part) > 1_000_000 and "MathJax" not in part[:5_000]][:1]


def _policy(*scripts: str) -> str:
    """Return a policy by which the browser loads nothing, and runs these scripts and no others."""
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "form-action 'none'; base-uri 'none'"
    )


def _json(value: Any) -> str:
    """Return JSON that ends no script element and begins no comment in it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _document(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return Bokeh's account of the figures with ids that do not depend on what else was drawn before."""
    from bokeh.document import Document

    document = Document(title="")
    for fig in drawn.values():
        document.add_root(fig)
    account: Any = document.to_json(deferred=False)
    known: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: known.setdefault(entry, f"m{len(known)}")
                if key == "id" and isinstance(entry, str)
                else renamed(entry)
                for key, entry in value.items()
            }
        return [renamed(entry) for entry in value] if isinstance(value, list | tuple) else value

    account = renamed(_plain(account))
    roots = {known[fig.id]: f"figure-{name}" for name, fig in drawn.items()}
    return {"document": account, "roots": roots}


def _plain(value: Any) -> Any:
    """Return what Bokeh hands over as JSON has it; arrays become text."""
    from bokeh.core.serialization import Buffer

    if isinstance(value, Buffer):
        return value.to_base64()
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


# --- words and tables -----------------------------------------------------------------------------


def _whole(value: float | None) -> str:
    return _Number("–" if value is None else f"{value:,.0f}")


def _decimal(value: float | None, digits: int) -> str:
    return _Number("–" if value is None else f"{value:,.{digits}f}")


def _kb(value: float | None) -> str:
    return _decimal(None if value is None else value / 1000, 1)


def _percent(value: float | None) -> str:
    return _decimal(None if value is None else 100 * value, 3)


def _span(bp: int) -> str:
    return f"{bp / 1e6:g} Mb" if bp >= 1_000_000 else f"{bp / 1000:g} kb" if bp >= 1000 else f"{bp} bp"


def _told(contents: Contents) -> dict[str, Any]:
    found = contents.found
    lines = [shown(line) for line in [*_of_manifest(found.manifest, "left_out"), *contents.notes]]
    if found.manifest is None:
        lines.append("warning: there is no manifest: model, settings and what was left out are not known")
    lines += _agreement(contents)
    lines = [*_of_manifest(found.manifest, "warnings"), *lines]
    whole = overview(contents)
    counts, what = histogram(found)
    row = contents.rows[0]
    evaluation = found.evaluation
    return {
        "title": shown(found.title),
        "facts": [
            ("haplotypes", f"{contents.groups[0].size:,}"),
            (
                "samples",
                f"{counts_of(found.manifest, 'samples') or len({name[0] for name in contents.groups[0].haplotypes}):,}",
            ),
            ("segments", f"{len(found.calls):,}"),
            ("in segments", f"{row.bp / 1e6:,.2f} Mb"),
            *(
                [(f"share {contents.what_share.split(',')[0]}", f"{100 * row.share:.3f} %")]
                if row.share is not None
                else []
            ),
            *_facts(found.manifest),
        ],
        "warnings": [shown(line.removeprefix("warning: ")) for line in lines if line.startswith("warning: ")],
        "notes": [shown(line) for line in lines if not line.startswith("warning: ")],
        "highest": f"{100 * whole.high:.3g}",
        "column": _span(whole.bp),
        "window": _span(contents.window),
        "legends": {
            "frequency": _lines(contents),
            "rows": [
                *([("area", POSTERIOR, "posterior")] if found.windows is not None else []),
                *_sources(contents),
                *([("frame", INK, "true tract")] if found.truth is not None else []),
            ],
            "lengths": _sources(contents),
        },
        "share_note": f" ({contents.what_share})" if contents.what_share else "",
        "groups": [
            [
                *(r.group, r.source, _whole(r.haplotypes), _whole(r.segments), _decimal(r.bp / 1e6, 3)),
                *(_percent(r.share), _kb(r.mean), _kb(r.median), _kb(r.longest)),
            ]
            for r in contents.rows
        ],
        "samples": [
            [
                s.sample,
                s.populations or "–",
                _whole(s.haplotypes),
                _whole(s.segments),
                _decimal(s.bp / 1e6, 3),
                _percent(s.share),
            ]
            for s in contents.samples
        ],
        "haplotypes": f"{contents.groups[0].size:,}",
        "gap_ends": ""
        if found.windows is not None
        else "; without posteriors, only those between two segments are known",
        "gaps": [[g.chrom, _whole(g.start), _whole(g.end), _kb(g.end - g.start)] for g in contents.gaps[:MOST_GAPS]],
        "calibration": _calibration(contents),
        "histogram_of": what,
        "histogram_note": (
            f"Of {int(counts.sum()):,} {what}. "
            + (
                "Bins of which nothing is known hold the model's prior."
                if what == "bins"
                else "No posteriors of bins were given."
            )
        ),
        "reliability": [[_decimal(a, 4), _decimal(b, 4), _decimal(c / 1e6, 3)] for a, b, c in found.reliability or ()],
        "evaluation": [] if evaluation is None else _measures(evaluation),
        "segments": f"{len(found.calls):,}",
        "top": [
            [
                *(c.name, c.chrom, _whole(c.start), _whole(c.end), _kb(c.end - c.start), c.sample, c.haplotype),
                *(c.source, _decimal(c.posterior, 4), _whole(c.n_match), _whole(c.n_sites)),
            ]
            for c in contents.top
        ],
        "has_sites": contents.sites is not None,
        "evidence": [_evidence(contents, call) for call in contents.top if contents.sites],
        "manifest": None
        if found.manifest is None
        else shown(json.dumps(found.manifest, indent=2, sort_keys=True, ensure_ascii=False), keep="\n"),
        "manifest_name": "All of it",
    }


def _lines(contents: Contents) -> list[tuple[str, str, str]]:
    """Return shape, colour and text of the lines along a sequence."""
    told = [("line", line_colour(i), group.name) for i, group in enumerate(contents.groups[: MOST_LINES + 1])]
    return [*told, ("line", INK, "the chosen population")] if len(contents.groups) > MOST_LINES + 1 else told


def _sources(contents: Contents) -> list[tuple[str, str, str]]:
    """Return shape, colour and text of the segments of each source; those of several have one."""
    told = {}
    for name, colour in source_colours(contents.sources).items():
        # Where a browser does not know the function, it keeps the colour of text, which is dark or light as well.
        paint = colour.hex if colour.dark is None else f"light-dark({colour.hex}, {colour.hex_on_dark})"
        told["segments: several possible" if SEVERAL in name else f"segments: {name}"] = paint
    return [("area", paint, text) for text, paint in told.items()]


def _of_manifest(manifest: Mapping[str, Any] | None, name: str) -> list[str]:
    told = (manifest or {}).get(name)
    return [line for line in told if isinstance(line, str)] if isinstance(told, list) else []


def _facts(manifest: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    facts = []
    counts = (manifest or {}).get("counts")
    share = counts.get("callable_share") if isinstance(counts, dict) else None
    if isinstance(share, int | float):
        facts.append(("callable", f"{100 * share:.1f} %"))
    model = (manifest or {}).get("model")
    if isinstance(model, dict) and isinstance(model.get("name"), str):
        facts.append(("model", shown(model["name"])))
    return facts


def _agreement(contents: Contents) -> list[str]:
    """Return lines on counts of the manifest that are not those of the segments."""
    found, lines = contents.found, []
    bp = sum(call.end - call.start for call in found.calls)
    for name, here, what in (("segments", len(found.calls), "segments"), ("segment_bp", bp, "bp in segments")):
        told = counts_of(found.manifest, name)
        if told is not None and told != here:
            lines.append(
                f"warning: the manifest tells of {told:,} {what}, and the file has {here:,}: it was changed since, "
                "or is of another scan"
            )
    return lines


def _calibration(contents: Contents) -> list[str]:
    told = expected(contents.found.manifest)
    if not {"threshold", "precision", "recall"} <= set(told):
        return ["No manifest tells what is expected at the threshold of this scan."]
    lines = [
        f"A bin is called from a posterior of {told['threshold']:.4g} on. If the posteriors are calibrated, "
        f"{100 * told['precision']:.1f} % of what is called there is archaic (precision), and "
        f"{100 * told['recall']:.1f} % of what is archaic is called (recall)."
    ]
    if {"called", "archaic"} <= set(told):
        lines.append(
            f"Then {100 * told['archaic']:.3g} % of the bins of which something is known are archaic; "
            f"{100 * told['called']:.3g} % have a posterior at or above the threshold."
        )
    lines.append(
        "This is what the model itself expects, without any truth: data unlike those it was trained on may differ."
    )
    return lines


def _measures(evaluation: Any) -> list[list[str]]:
    named = [
        ("precision of the segments", evaluation.precision),
        ("recall of the segments", evaluation.recall),
        ("F1 of the segments", evaluation.f1),
        (f"average precision (by {evaluation.ranked_by})", evaluation.ap),
        ("expected calibration error", evaluation.calibration_error),
        ("archaic fraction, true", evaluation.true_fraction),
        ("archaic fraction, called", evaluation.called_fraction),
    ]
    return [[name, _decimal(value, 4)] for name, value in named if value is not None]


def _evidence(contents: Contents, call: Any) -> dict[str, Any]:
    sites = (contents.sites or {})[call.interval]
    held = f"the first {MOST_SITES} of {sites.total:,}" if sites.total > len(sites.rows) else f"all {sites.total:,}"
    return {
        "name": call.name,
        "where": f"{call.chrom}:{call.start + 1:,}-{call.end:,}, {call.sample} haplotype {call.haplotype}",
        "caption": f"{held} sites of {call.name}; {sites.supporting:,} support it, "
        f"{sites.total - sites.supporting:,} contradict it",
        "columns": list(sites.columns),
        "rows": sites.rows,
    }
