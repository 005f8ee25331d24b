"""One alignment with the posterior of every column, as a ``Bio.Align.Alignment``."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence as Sequence_
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from Bio.Align import Alignment
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.pairhmm.decode import SparsePosterior
from genolstm.alignment.pairhmm.modes import Mode, placements
from genolstm.compiled import compiled
from genolstm.errors import MissingExtraError, shown
from genolstm.sequences.masks import Masks, sure_bases

Sequence: TypeAlias = str | Seq | SeqRecord
_OPS = "=XID"
MATCH, MISMATCH, INSERTION, DELETION = range(4)
MAX_MAPQ = 60
QUALITY = "fastq_quality"
"""Name under which a record's letters keep the qualities of its FASTQ file, as they stand there."""
MAX_SHOWN = 4000
"""Maximum number of columns that a notebook shows."""
# Light to dark blue-green; dark text stays readable on all of them.
_COLOURS = (
    "#f7d4d4",
    "#f8e0c9",
    "#f6ead0",
    "#eeeeda",
    "#e3eedd",
    "#d3ebdf",
    "#bfe5dc",
    "#a6dcd6",
    "#8bd0cf",
    "#6fc3c8",
)


class Evidence(NamedTuple):
    """What E-value and P(homolog) are from if part of the query counts for nothing in them.

    Score in bits with N in place of that part, and the number and the share of G and C of the bases that are left.
    """

    bits: float
    bases: int
    gc: float


def lay_out(
    pairs: npt.NDArray[np.int32], query: tuple[int, int], reference: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the columns of an alignment: residue of query and of reference, -1 for a gap.

    Between two matches the query's residues come first.
    """
    columns: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] = _lay_out(
        np.asarray(pairs, dtype=np.int32).reshape(-1, 2), *query, *reference
    )
    return columns


@compiled()
def _lay_out(pairs, q0, q1, r0, r1):
    size = (q1 - q0) + (r1 - r0) - pairs.shape[0]
    query, reference = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    at, i, j = 0, q0, r0
    for k in range(pairs.shape[0] + 1):
        last = k == pairs.shape[0]
        i1, j1 = (q1, r1) if last else (np.int64(pairs[k, 0]), np.int64(pairs[k, 1]))
        while i < i1:
            query[at] = i
            i += 1
            at += 1
        while j < j1:
            reference[at] = j
            j += 1
            at += 1
        if not last:
            query[at], reference[at] = i, j
            i, j, at = i + 1, j + 1, at + 1
    return query, reference


class PosteriorAlignment(Alignment):
    """A pairwise alignment with a posterior for each of its columns.

    ``sequences`` are reference (target) and query; ``coordinates`` follow Biopython: those of a
    query on the minus strand decrease.

    Attributes
    ----------
    posteriors
        float32, one per column. For a match: P(these residues are aligned); for a gap: P(the
        residue is aligned to nothing).
    bits
        Log-odds of the pair against the null model under the plain pair-HMM, summed over all
        alignments; also ``score``. Context changes columns, not the score.
    strand
        ``+`` or ``-`` (the query's reverse complement is aligned).
    mode
        ``global``, ``semiglobal`` or ``local``.
    placement
        P(this strand and place | the pair is homologous).
    divergence, gap_rate
        Parameters chosen for the pair: substitutions per site, gaps per substitution. None if they
        were not fitted to it.
    model
        Model that gave the posteriors: ``classical``, or the name of the neural one.
    context_bits
        Bits by which the pair is likelier in context; 0 without a network. If this does not exceed
        the model's margin, the plain pair-HMM aligned the pair.
    evalue
        Expected number of unrelated sequences scoring at least as high among those the query was
        compared with; None if the model is not calibrated for the mode and lengths.
    p_homolog
        P(the two are related) at even prior odds; None likewise.
    evidence
        What these two are from if low complexity of the query counts for nothing in them; None if it has none.
    is_secondary
        Whether another reference matches the same query better.
    """

    def __init__(
        self,
        query: Sequence,
        reference: Sequence,
        masks: tuple[Masks, Masks],
        pairs: npt.NDArray[np.int32],
        posterior: SparsePosterior,
        *,
        bits: float,
        strand: str = "+",
        mode: Mode = "global",
        strand_probability: float = 1.0,
        divergence: float | None = None,
        gap_rate: float | None = None,
        model: str = "classical",
        context_bits: float = 0.0,
    ) -> None:
        n, m = len(masks[0]), len(masks[1])
        q, r = (0, n), (0, m)
        if mode != "global":
            first = pairs[0] if len(pairs) else np.zeros(2, dtype=np.int32)
            last = pairs[-1] + 1 if len(pairs) else first
            r = (int(first[1]), int(last[1]))
            if mode == "local":
                q = (int(first[0]), int(last[0]))
        self.column_query, self.column_reference = lay_out(pairs, q, r)
        self.n_query = n
        self.n_reference = m
        self._span = q, r
        in_query, in_reference = self.column_query >= 0, self.column_reference >= 0
        a, b = masks[0][self.column_query], masks[1][self.column_reference]
        sure = (a == b) & (a & (a - 1) == 0)
        self.ops = np.where(in_query, INSERTION, DELETION)
        both = in_query & in_reference
        self.ops[both] = np.where(sure[both], MATCH, MISMATCH)
        values = np.empty(len(self.ops), dtype=np.float32)
        values[both] = posterior.of_pairs(pairs)
        values[~in_reference] = 1 - posterior.query_matched[self.column_query[~in_reference]]
        values[~in_query] = 1 - posterior.reference_matched[self.column_reference[~in_query]]
        super().__init__([reference, query], self._coordinates(strand))
        self.pairs = pairs
        self.posteriors = values
        self.posterior = posterior
        self.bits = float(bits)
        self.score = float(bits)
        self.strand = strand
        self.mode = mode
        self.placement = float(strand_probability * values[both].max()) if len(pairs) else 0.0
        self.divergence = divergence
        self.gap_rate = gap_rate
        self.model = model
        self.context_bits = float(context_bits)
        self.evalue: float | None = None
        self.p_homolog: float | None = None
        self.evidence: Evidence | None = None
        self.is_secondary = False
        self.masks = masks

    def _coordinates(self, strand: str) -> npt.NDArray[np.int64]:
        steps_q = np.concatenate([[0], np.cumsum(self.column_query >= 0)]) + self._span[0][0]
        steps_r = np.concatenate([[0], np.cumsum(self.column_reference >= 0)]) + self._span[1][0]
        kind = np.where(self.ops < INSERTION, 0, self.ops)
        corner = np.concatenate([[0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)]])
        corner = np.unique(corner)
        query = self.n_query - steps_q[corner] if strand == "-" else steps_q[corner]
        return np.stack([steps_r[corner], query])

    @property
    def query_name(self) -> str:
        """Name of the query, or ``query`` if it has none."""
        return _name(self.sequences[1], "query")

    @property
    def reference_name(self) -> str:
        """Name of the reference, or ``reference`` if it has none."""
        return _name(self.sequences[0], "reference")

    @property
    def query_span(self) -> tuple[int, int]:
        """Start and end on the query's plus strand, 0-based half-open."""
        start, end = self._span[0]
        return (self.n_query - end, self.n_query - start) if self.strand == "-" else (start, end)

    @property
    def reference_span(self) -> tuple[int, int]:
        """Start and end on the reference, 0-based half-open."""
        return self._span[1]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.ops)

    @property
    def is_empty(self) -> bool:
        """Whether no residue is aligned to another."""
        return not len(self.pairs)

    def runs(self) -> list[tuple[int, str]]:
        """Return the CIGAR as (length, operation), with = and X."""
        if not len(self.ops):
            return []
        corner = [0, *(np.flatnonzero(np.diff(self.ops)) + 1).tolist(), len(self.ops)]
        return [(b - a, _OPS[self.ops[a]]) for a, b in pairwise(corner)]

    @property
    def cigar(self) -> str:
        """CIGAR of the alignment with = and X, without clips."""
        return "".join(f"{n}{op}" for n, op in self.runs())

    def count(self, *ops: int) -> int:
        """Return the number of columns of the given kinds (``MATCH``, ``MISMATCH``, ...)."""
        return int(np.isin(self.ops, ops).sum())

    @property
    def identity(self) -> float:
        """Fraction of all columns, gaps included, with equal letters (BLAST's identity)."""
        return self.count(MATCH) / len(self.ops) if len(self.ops) else 0.0

    @property
    def mean_posterior(self) -> float:
        """Mean posterior of the columns."""
        return float(self.posteriors.mean()) if len(self.posteriors) else 0.0

    @property
    def mapq(self) -> int:
        """-10 log10 P(the placement is wrong), 0 to 60.

        A placement is right if strand and place are, and the pair is homologous (at even prior odds).
        """
        related = 1 / (1 + 2.0 ** -min(max(self.bits, -1000), 1000))
        wrong = 1 - self.placement * related
        if wrong <= 10 ** (-MAX_MAPQ / 10):
            return MAX_MAPQ
        return int(min(MAX_MAPQ, max(0, math.floor(-10 * math.log10(wrong)))))

    def sure_bases(self) -> tuple[int, int]:
        """Return how many letters of query and reference stand for a single base."""
        query, reference = self.masks
        return sure_bases(query), sure_bases(reference)

    @property
    def place_bits(self) -> float:
        """Score if the place were known, which is ``bits`` without the prior of the mode's places.

        Comparable between references of any length, where ``bits`` charges more in longer ones.
        """
        return self.bits + math.log2(placements(self.n_query, self.n_reference, self.mode))

    @property
    def query_text(self) -> str:
        """Letters of the query as given."""
        return _text(self.sequences[1])

    @property
    def reference_text(self) -> str:
        """Letters of the reference as given."""
        return _text(self.sequences[0])

    def rows(self) -> tuple[str, str]:
        """Return the aligned text of reference and query, gaps as ``-``, case kept."""
        query = _text(self.sequences[1])
        if self.strand == "-":
            from genolstm.sequences.alphabet import reverse_complement_text

            query = reverse_complement_text(query)
        reference = _text(self.sequences[0])
        return _gapped(reference, self.column_reference), _gapped(query, self.column_query)

    def confidence(self) -> str:
        """Return one character per column, as in HMMER: 0 to 9 in tenths, ``*`` from .95 on."""
        return confidence_signs(self.posteriors)

    def text(self, width: int = 80) -> str:
        """Return the alignment as text, with a line of confidence under every block.

        Parameters
        ----------
        width
            Number of columns per line.

        Notes
        -----
        Positions are 1-based, on the plus strand; those of a query on the minus strand decrease.
        The characters are those of :meth:`confidence`.
        """
        reference, query = self.rows()
        marks = "".join("|" if op == MATCH else "." if op == MISMATCH else " " for op in self.ops)
        signs = self.confidence()
        names = (shown(self.reference_name), shown(self.query_name), "confidence")
        pad = max(map(len, names))
        digits = len(str(max(self.n_query, self.n_reference)))
        lines = [self._summary()]
        for a in range(0, len(self.ops), width):
            part = slice(a, a + width)
            empty = " " * (pad + digits + 2)
            lines.append("")
            for name, row, ends in (
                (names[0], reference, self._ends(self.column_reference[part], "+")),
                ("", marks, None),
                (names[1], query, self._ends(self.column_query[part], self.strand)),
                (names[2], signs, None),
            ):
                if ends is None:
                    lines.append((f"{name:<{pad}}{empty[pad:]}" + row[part]).rstrip())
                else:
                    line = f"{name:<{pad}} {ends[0]:>{digits}} {row[part]} {ends[1]}"
                    lines.append(line.rstrip())
        return "\n".join(lines) + "\n"

    def _ends(self, positions: npt.NDArray[np.int64], strand: str) -> tuple[str, str]:
        """Return the first and last position (1-based, plus strand) of a line, "" if all gaps."""
        there = positions[positions >= 0]
        if not len(there):
            return "", ""
        first, last = (self.n_query - p if strand == "-" else p + 1 for p in there[[0, -1]])
        return str(first), str(last)

    def to_skbio(self) -> Any:
        """Return the aligned rows as a ``skbio.alignment.TabularMSA`` of DNA.

        The reference comes first; the posteriors are the positional metadata ``posterior``.

        Raises
        ------
        MissingExtraError
            scikit-bio is not installed.
        """
        try:
            skbio = import_module("skbio")
        except ImportError as error:
            raise MissingExtraError("scikit-bio", "skbio") from error
        names = (self.reference_name, self.query_name)
        rows = [
            skbio.DNA(row.upper().replace("U", "T"), metadata={"id": name})
            for row, name in zip(self.rows(), names, strict=True)
        ]
        return skbio.TabularMSA(rows, index=names, positional_metadata={"posterior": self.posteriors})

    def to_dict(self) -> dict[str, Any]:
        """Return everything except the sequences, ready for JSON."""
        return {
            "query": self.query_name,
            "query_length": self.n_query,
            "query_start": self.query_span[0],
            "query_end": self.query_span[1],
            "strand": self.strand,
            "reference": self.reference_name,
            "reference_length": self.n_reference,
            "reference_start": self.reference_span[0],
            "reference_end": self.reference_span[1],
            "mode": self.mode,
            "bits": round(self.bits, 3),
            "evalue": self.evalue,
            "p_homolog": self.p_homolog,
            "mapq": self.mapq,
            "secondary": self.is_secondary,
            "identity": round(self.identity, 6),
            "mean_posterior": round(self.mean_posterior, 6),
            "divergence": self.divergence and round(self.divergence, 6),
            "model": self.model,
            "context_bits": round(self.context_bits, 3),
            "cigar": self.cigar,
            "posteriors": [round(float(p), 4) for p in self.posteriors],
        }

    def __repr__(self) -> str:
        names = [shown(name) for name in (self.query_name, self.reference_name)]
        if self.is_empty:
            return f"<{type(self).__name__} of {names[0]} with {names[1]}: nothing aligned, {self.bits:.1f} bits>"
        evalue = "not calibrated" if self.evalue is None else f"{self.evalue:.2g}"
        (q0, q1), (r0, r1) = self.query_span, self.reference_span
        return (
            f"<{type(self).__name__} of {names[0]}[{q0}:{q1}] ({self.strand}) with {names[1]}[{r0}:{r1}]: "
            f"{len(self.ops)} columns, identity {self.identity:.3f}, mean posterior {self.mean_posterior:.3f}, "
            f"{self.bits:.1f} bits, E-value {evalue}>"
        )

    def _repr_html_(self) -> str:
        """Show the alignment in a notebook, every column coloured by its posterior."""
        level = np.clip((self.posteriors * 10).astype(int), 0, 9)
        names = [html.escape(shown(x)) for x in (self.reference_name, self.query_name)]
        pad = max(map(len, names))
        digits = len(str(max(self.n_query, self.n_reference)))
        columns = (self.column_reference, self.column_query)
        lines = []
        size = min(len(level), MAX_SHOWN)
        for a in range(0, size, 80):
            b = min(a + 80, size)
            for name, row, at, strand in zip(names, self.rows(), columns, ("+", self.strand), strict=True):
                cells, start = [], a
                for k in range(a + 1, b + 1):
                    if k == b or level[k] != level[start]:
                        cells.append(_coloured(row[start:k], level[start]))
                        start = k
                first, last = self._ends(at[a:b], strand)
                lines.append(f"{name:<{pad}}  {first:>{digits}} {''.join(cells)} {last}")
            lines.append("")
        if size < len(level):
            lines += [f"... and {len(level) - size:,} columns more", ""]
        key = "".join(_coloured(f" {k / 10:.1f} ", k) for k in range(10))
        body = "\n".join([*lines, f"posterior {key}"])
        return f"<div>{self._summary()}<pre>{body}</pre></div>"

    def _summary(self) -> str:
        return f"{self.bits:.1f} bits, mean posterior {self.mean_posterior:.3f}, strand {self.strand}, {self.mode}"


def confidence_signs(posteriors: npt.NDArray[np.float32]) -> str:
    """Return one character per posterior, as in HMMER: 0 to 9 in tenths, ``*`` from .95 on."""
    digits = np.frombuffer(b"0123456789*", dtype=np.uint8)
    level = np.clip(np.floor(posteriors * 10 + 0.5), 0, 10).astype(np.int64)
    return digits[level].tobytes().decode("ascii")


def rank_references(
    alignments: Sequence_[PosteriorAlignment], elsewhere: float = -math.inf, holds: npt.NDArray[np.bool_] | None = None
) -> None:
    """Mark the best of one query's alignments with several references; the rest are secondary.

    Each placement becomes P(this reference and place), with places of all references equally
    likely a priori.

    Parameters
    ----------
    elsewhere
        ``place_bits`` of all places outside these references.
    holds
        Where references are windows that overlap: whether the one of the first index holds the place of
        the second, bool (k, k). What is found in both is counted once. By default none does.
    """
    if not alignments:
        return
    weights = np.array([a.place_bits for a in alignments])
    top = max(weights.max(), elsewhere)
    share = np.exp2(weights - top)
    own = share * [a.placement for a in alignments]
    rest = share - own  # other places in the same reference
    if holds is not None:
        rest = np.maximum(rest - holds @ own, 0.0)
    own = own / (own.sum() + rest.sum() + 2.0 ** (elsewhere - top))
    best = int(own.argmax())
    for k, alignment in enumerate(alignments):
        alignment.placement = float(own[k])
        alignment.is_secondary = k != best


def _coloured(text: str, level: int) -> str:
    return f'<span style="background:{_COLOURS[level]};color:#111">{text}</span>'


def _name(sequence: Sequence, default: str) -> str:
    name = getattr(sequence, "id", None)
    return name if name and name != "<unknown id>" else default


def _text(sequence: Sequence) -> str:
    return str(sequence.seq if isinstance(sequence, SeqRecord) else sequence)


def _gapped(text: str, columns: npt.NDArray[np.int64]) -> str:
    letters = np.frombuffer(text.encode("ascii") + b"-", dtype=np.uint8)
    return letters[columns].tobytes().decode("ascii")
