"""``genolstm cite``: how to cite the program, in three forms made from one account."""

from __future__ import annotations

from collections.abc import Callable

TITLE = "GenoLSTM: archaic introgression, alignment and sequence models on one LSTM core"
AUTHORS = "The GenoLSTM authors"
RELEASED = "2026-11-22"
_ABSTRACT = (
    "GenoLSTM finds archaic segments in modern human haplotypes, aligns sequences with a posterior for every column, "
    "and models texts and genomes, all on one LSTM core that can be trained from the command line."
)
_KEYWORDS = ("ancient DNA", "introgression", "Neanderthal", "LSTM", "k-mer", "population genetics")
_LICENSE = "MIT"


def run(form: str = "text") -> str:
    """Return how to cite the version that is installed: as ``text``, ``bibtex`` or ``cff``."""
    from genolstm import __version__

    return _FORMS[form](__version__)


def _text(version: str) -> str:
    return (
        f"{AUTHORS} ({RELEASED[:4]}). {TITLE} (version {version}) [computer software].\n"
        "Name the model, too, with its digest: they are in the first line of segments.bed and in segments.json."
    )


def _bibtex(version: str) -> str:
    return "\n".join(
        [
            f"@software{{genolstm_{version.replace('.', '_')},",
            f"  author = {{{{{AUTHORS}}}}},",
            f"  title = {{{{{TITLE}}}}},",
            f"  version = {{{version}}},",
            f"  year = {{{RELEASED[:4]}}},",
            f"  month = {{{int(RELEASED[5:7])}}},",
            f"  license = {{{_LICENSE}}}",
            "}",
        ]
    )


def _cff(version: str) -> str:
    """Return the text of CITATION.cff."""
    return "\n".join(
        [
            "cff-version: 1.2.0",
            "message: If you use GenoLSTM, please cite it as below.",
            f'title: "{TITLE}"',
            "type: software",
            f'version: "{version}"',
            f'date-released: "{RELEASED}"',
            f"license: {_LICENSE}",
            f'abstract: "{_ABSTRACT}"',
            "authors:",
            f"  - name: {AUTHORS}",
            "keywords:",
            *(f"  - {word}" for word in _KEYWORDS),
            "references:",
            "  - type: article",
            "    title: Long short-term memory",
            "    authors:",
            "      - family-names: Hochreiter",
            "        given-names: Sepp",
            "      - family-names: Schmidhuber",
            "        given-names: Jürgen",
            "    journal: Neural Computation",
            "    volume: 9",
            "    issue: 8",
            '    start: "1735"',
            '    end: "1780"',
            "    year: 1997",
            "    doi: 10.1162/neco.1997.9.8.1735",
        ]
    )


_FORMS: dict[str, Callable[[str], str]] = {"text": _text, "bibtex": _bibtex, "cff": _cff}
FORMS = tuple(_FORMS)
