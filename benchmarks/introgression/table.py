"""The tables and the figure of the benchmark, and their places in the repository.

    python table.py make FOLDER SCORED.json ... --set NAME ... [--peer NAME=PROGRAM ...] [--absent NAME=WHAT ...]
    python table.py publish FOLDER

The first writes table.md (a line for each program, by person), table_full.md (haplotypes, too, with intervals), table.tsv
and introgression_benchmark.png; the second copies them to results/ and docs/images/, and into docs/results.md and
docs/introgression.md between the lines `<!-- benchmark:introgression -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sets import SETS, folder_of, lengths, people, seeds, sized

from genolstm import __version__
from genolstm.files import atomic_path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")
FIGURE = "introgression_benchmark.png"
BEGIN, END = "<!-- benchmark:introgression -->", "<!-- end -->"
NAMES = {
    "archaic": "GenoLSTM, Neanderthal given",
    "hmm": "its `--baseline hmm`, Neanderthal given",
    "none": "GenoLSTM, no archaic given",
    "hmmix": "hmmix",
    "sstar": "sstar",
}
#: Of Okabe and Ito, and dashes for those who cannot tell them apart.
STYLES = {
    "archaic": ("#0072B2", "-"),
    "hmm": ("#56B4E9", "--"),
    "none": ("#009E73", "-."),
    "hmmix": ("#D55E00", "-"),
    "sstar": ("#CC79A7", ":"),
}
VALUES = ("ap", "best_f1", "f1", "precision", "recall")


def version(program: str, package: str) -> str:
    """Return a package's version, asked of the Python that its program names in its first line."""
    path = shutil.which(program)
    first = Path(path).read_bytes().partition(b"\n")[0] if path else b""
    if first.startswith(b"#!"):
        code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        words = [*first[2:].decode().split(), "-c", code, package]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if not done.returncode:
            return done.stdout.strip()
    return "of unknown version"


def number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}".removeprefix("0")


def with_limits(values: list[float]) -> str:
    value, low, high = (number(one) for one in values)
    return value if low == "-" else f"{value} ({low} to {high})"


def markdown(rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]


def about(name: str, path: Path) -> str:
    """Return what a set is."""
    size = next(iter(lengths(path).values()))
    of = sized(name, {"chromosomes": len(lengths(path))})
    return (
        f"`{name}`: {len(lengths(path))} x {size / 1e6:g} Mb of {len(people(path, 'target'))} people beside"
        f" {len(people(path, 'outgroup'))} of the outgroup, seeds {seeds(of)[0]} to {seeds(of)[-1]}"
    )


def tables(
    scored: list[dict[str, Any]], folder: Path, sets: list[str], peers: dict[str, str], absent: dict[str, str]
) -> tuple[str, str, str]:
    """Return the short table, the full one, and all values."""
    order = {method: i for i, method in enumerate(NAMES)}
    where = {folder_of(name, folder).name: name for name in sets}
    scored = sorted(scored, key=lambda one: (list(where).index(one["set"]), order[one["method"]]))
    names = NAMES | {peer: f"{NAMES[peer]} {version(program, peer)}" for peer, program in peers.items()}
    short = [["set", "program", "AP", "best F1", "F1 at default", "precision", "recall", "CPU s", "peak MiB"]]
    full = [["set", "program", "of", "AP", "best F1", "at", "F1 at default", "precision", "recall", "called / true"]]
    values = [["set", "method", "level", *(f"{name}{end}" for name in VALUES for end in ("", "_low", "_high"))]]
    values[0] += ["best_at", "default_at", "called_over_true", "true_share", "loci", "wall_s", "cpu_s", "peak_mib"]
    for one in scored:
        cost = [f"{one['cpu_s']:.0f}", f"{one['peak_mib']:.0f}"]
        person = one["levels"]["person"]
        name = names[one["method"]]
        short.append([where[one["set"]], name, *(number(person[key][0]) for key in VALUES), *cost])
        for level, found in one["levels"].items():
            cells = [with_limits(found[key]) for key in VALUES]
            cells.insert(2, number(found["best_at"]))
            full.append([where[one["set"]], name, level, *cells, number(found["called_over_true"])])
            more = [found["best_at"], one["default_at"], found["called_over_true"], found["true_share"], found["loci"]]
            more += [one["wall_s"], one["cpu_s"], one["peak_mib"]]
            numbers = [value for key in VALUES for value in found[key]]
            values.append([where[one["set"]], one["method"], level, *(f"{value:.6g}" for value in numbers + more)])
    missing = [f"{NAMES[peer]} is not in the table: {what} was not installed." for peer, what in absent.items()]
    of_sets = "; ".join(about(name, folder_of(name, folder) / "set") for name in sets)
    text = [
        *markdown(short),
        "",
        f"Base pairs, by person (either haplotype), as sstar tells no haplotypes; precision and recall at the default. The best"
        f" F1 is of single bins above the best threshold; a default is of segments, which join bins, and may be better. {of_sets}."
        f" GenoLSTM {__version__}. CPU and memory of all commands of a program, one thread; of sstar"
        " with the null that its threshold needs.",
        *missing,
    ]
    return (
        "\n".join(text) + "\n",
        "\n".join([*markdown(full), *(["", *missing] if missing else [])]) + "\n",
        "".join("\t".join(row) + "\n" for row in values),
    )


def draw(scored: list[dict[str, Any]], folder: Path, sets: list[str], path: Path) -> None:
    """Draw precision against recall by person, with the best and default points, and what each program costs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(sets) + 1, figsize=(4.2 * (len(sets) + 1), 4.8), layout="constrained")
    for panel, name in zip(panels, sets, strict=False):
        for method, (colour, dash) in STYLES.items():
            for one in scored:
                if one["method"] != method or one["set"] != folder_of(name, folder).name:
                    continue
                found = one["levels"]["person"]
                # Below the lowest score that a program tells, everything is called: that is no threshold of its.
                curve = found["curve"][:-1]
                if curve:
                    panel.plot(
                        *zip(*curve, strict=True), color=colour, linestyle=dash, label=NAMES[method].replace("`", "")
                    )
                panel.plot(*found["best_point"], marker="D", color=colour, markeredgecolor="black", markersize=7)
                default = found["recall"][0], found["precision"][0]
                panel.plot(*default, marker="o", color="white", markeredgecolor=colour, markeredgewidth=2, markersize=8)
        panel.set(title=f"set {name!r}", xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        panel.grid(alpha=0.3)
    panels[0].plot([], [], "D", color="grey", markeredgecolor="black", label="best F1")
    panels[0].plot([], [], "o", color="white", markeredgecolor="grey", markeredgewidth=2, label="default")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=4)
    last = panels[-1]
    for method, (colour, _) in STYLES.items():
        for one in scored:
            if one["method"] == method:
                marker = "os^vPX"[[folder_of(name, folder).name for name in sets].index(one["set"])]
                last.semilogx(
                    one["cpu_s"], one["peak_mib"], marker, color=colour, markeredgecolor="black", markersize=9
                )
    for i, name in enumerate(sets):
        last.plot([], [], "os^vPX"[i], color="grey", markeredgecolor="black", label=name)
    last.legend(fontsize=8, title="set", loc="lower left")
    last.set(title="cost of a whole set", xlabel="CPU seconds", ylabel="peak memory (MiB)", ylim=(0, None))
    last.grid(alpha=0.3, which="both")
    with atomic_path(path, force=True) as part:
        figure.savefig(part, dpi=110, format="png")
    plt.close(figure)


def placed(document: str, block: str) -> str:
    """Return a document with a block between its marks."""
    if document.count(BEGIN) != 1 or END not in document.split(BEGIN)[1]:
        raise SystemExit(f"the document has no lines {BEGIN} and {END}")
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}\n{block.rstrip()}\n{END}{rest.split(END, 1)[1]}"


def publish(folder: Path) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name in ("table.md", "table_full.md", "table.tsv"):
        shutil.copyfile(folder / name, RESULTS / name)
    shutil.copyfile(folder / FIGURE, ROOT / "docs" / "images" / FIGURE)
    for document, table in (("docs/results.md", "table.md"), ("docs/introgression.md", "table_full.md")):
        path = ROOT / document
        text = placed(path.read_text(), (RESULTS / table).read_text())
        with atomic_path(path, force=True) as part:
            part.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=("make", "publish"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("scored", nargs="*", type=Path)
    parser.add_argument("--set", action="append", default=[], choices=list(SETS))
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--absent", action="append", default=[])
    told = parser.parse_args()
    if told.step == "publish":
        publish(told.folder)
        return
    scored = [json.loads(path.read_text()) for path in told.scored]
    pairs = (dict(word.split("=", 1) for word in words) for words in (told.peer, told.absent))
    # A set lies in a folder of its own, beside what programs found in it.
    texts = tables(scored, told.folder, told.set, *pairs)
    for name, text in zip(("table.md", "table_full.md", "table.tsv"), texts, strict=True):
        with atomic_path(told.folder / name, force=True) as part:
            part.write_text(text)
    draw(scored, told.folder, told.set, told.folder / FIGURE)


if __name__ == "__main__":
    main()
