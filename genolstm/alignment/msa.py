"""Alignments of small families: consistent posteriors, joined for maximum expected accuracy.

Every pair is aligned under each of the models, and their mean posteriors are kept as one sparse matrix
over all residues. Squaring it lets all other sequences vote on every pair (probabilistic consistency); a
guide tree from expected accuracies sets the order in which sequences are joined; columns are joined if
their posterior, a mean in which pairs that are aligned well count more, exceeds the gain. At last, if the
gain is 0, the family is split at every edge of the tree in turn, and the two parts are joined anew: this
finds more true pairs and columns of real families.

References
----------
Do, Mahabhashyam, Brudno & Batzoglou 2005, Genome Res 15:330 (ProbCons); Schwartz & Pachter 2007
(the gain of leaving residues unaligned); Edgar 2022, Nat Commun 13:6968 (ensembles of parameters).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from Bio.Align import Alignment
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.pairhmm.decode import heaviest_chain
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import MsaSettings
from genolstm.errors import InputError, MissingExtraError
from genolstm.sequences.masks import encode_masks

try:
    from scipy import sparse
except ImportError as error:
    raise MissingExtraError("SciPy", "msa") from error

LIMIT = 64
"""Maximum number of sequences: time grows with its square, with consistency nearly with its cube."""
CUTOFF = 0.01
"""Posteriors below this are left out of the consistency."""
TRUST = 2.0
"""Pairs of sequences count by this power of their expected accuracy when columns are joined: the far pairs of a
family are many, and what they err in would else outvote the near ones, which are right."""
LEAST = 0.05
"""Expected accuracy below which a pair counts no less."""

Columns = npt.NDArray[np.int32]
"""Residue of every sequence (rows) in every column, -1 for a gap."""


class FamilyAlignment(Alignment):
    """A multiple alignment with a confidence for each of its columns.

    Attributes
    ----------
    columns
        Residue of every sequence in every column, int32 (sequences, columns), -1 for a gap.
    confidence
        float32 (columns,): mean over the pairs of sequences with a residue in the column of
        P(these residues are aligned) or P(the residue is aligned to nothing in the other); also
        ``column_annotations["confidence"]``.
    tree
        Guide tree in Newick format.
    """

    def __init__(
        self, sequences: list[SeqRecord], columns: Columns, confidence: npt.NDArray[np.float32], tree: str
    ) -> None:
        steps = (columns >= 0).astype(np.int64)
        change = np.flatnonzero((np.diff(steps, axis=1) != 0).any(axis=0)) + 1
        corner = np.concatenate([[0], change, [columns.shape[1]]])
        total = np.concatenate([np.zeros((len(steps), 1), int), np.cumsum(steps, axis=1)], axis=1)
        super().__init__(sequences, total[:, corner])
        self.columns = columns
        self.confidence = confidence
        self.tree = tree
        self.column_annotations = {"confidence": confidence.tolist()}

    def rows(self) -> list[str]:
        """Return the aligned text of every sequence, gaps as ``-``, case kept."""
        out = []
        for record, places in zip(self.sequences, self.columns, strict=True):
            letters = np.frombuffer(str(record.seq).encode("ascii") + b"-", dtype=np.uint8)
            out.append(letters[places].tobytes().decode("ascii"))
        return out

    def pairs(self, a: int, b: int) -> npt.NDArray[np.int32]:
        """Return the residues of sequences ``a`` and ``b`` that share a column, (k, 2)."""
        both = (self.columns[a] >= 0) & (self.columns[b] >= 0)
        return np.stack([self.columns[a][both], self.columns[b][both]], axis=1)


def align_family(
    sequences: Sequence[SeqRecord],
    scorer: AlignmentScorer | Sequence[AlignmentScorer],
    settings: MsaSettings | None = None,
    *,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **alignment: Any,
) -> FamilyAlignment:
    """Align a family of sequences, all on the same strand, from end to end.

    Parameters
    ----------
    sequences
        2 to ``LIMIT`` sequences, with different names.
    scorer
        Scorer that aligns the pairs, or several, whose posteriors are averaged; one that is given twice
        counts twice.
    threads
        Number of threads; 0 means all cores.
    progress
        Called with the number of pairs aligned so far, once under each scorer, and the total.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`, except mode and strand.

    Raises
    ------
    InputError
        There are too few or too many sequences, a name occurs twice, or one is empty or not DNA.
    """
    settings = settings or MsaSettings()
    family = list(sequences)
    _check(family)
    scorers = [scorer] if isinstance(scorer, AlignmentScorer) else list(scorer)
    if not scorers:
        raise InputError("there is no model to align the pairs with")
    # The same one, given again, counts again, but aligns once.
    shares = {id(one): sum(one is x for x in scorers) / len(scorers) for one in scorers}
    scorers = [one for k, one in enumerate(scorers) if all(one is not x for x in scorers[:k])]
    lengths = np.array([len(r) for r in family])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    couples = list(combinations(range(len(family)), 2))
    rows, columns, values = [], [], []
    accuracy = np.eye(len(family))
    done = 0
    for one in scorers:
        share = shares[id(one)]
        aligner = copy.copy(one)
        aligner.significance = None  # nobody asks for E-values here
        found = aligner.align_many(
            ((family[a], family[b]) for a, b in couples),
            threads=threads,
            **(alignment | {"mode": "global", "strand": "plus"}),
        )
        for (a, b), pair in zip(couples, found, strict=True):
            p = pair.posterior
            keep = p.probability >= CUTOFF * share
            rows.append(p.query[keep] + starts[a])
            columns.append(p.reference[keep] + starts[b])
            values.append(p.probability[keep] * np.float32(share))
            accuracy[a, b] += share * float(p.of_pairs(pair.pairs).sum()) / max(1, min(lengths[a], lengths[b]))
            accuracy[b, a] = accuracy[a, b]
            done += 1
            if progress is not None:
                progress(done, len(couples) * len(scorers))
    size = int(starts[-1])
    i, j, v = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
    half = sparse.csr_array((v, (i, j)), shape=(size, size), dtype=np.float32)
    plain = sparse.csr_array(half + half.T)
    owner = np.repeat(np.arange(len(family)), lengths)
    # Against a gain, votes count whole: halved, they no longer lift what is likely over it.
    posterior = _consistent(plain, owner, settings.consistency, 0.0 if settings.gain else 0.5)
    merges = guide_tree(accuracy)
    votes = _weighed(posterior, starts, accuracy)
    layout = _progressive(votes, lengths, merges, settings.gain)
    if not settings.gain:
        # With a gain, what one part leaves unaligned moves with every split: less was right then.
        layout = _refined(layout, votes, merges)
    confidence = column_confidence(layout, plain, starts)
    names = [str(r.id) for r in family]
    return FamilyAlignment(family, layout, confidence, _newick(merges, names))


def _check(family: list[SeqRecord]) -> None:
    if len(family) < 2:
        raise InputError(f"there is {'one sequence' if family else 'no sequence'}, a family needs at least two")
    if len(family) > LIMIT:
        raise InputError(
            f"there are {len(family)} sequences ({len(family) * (len(family) - 1) // 2:,} pairs), "
            f"at most {LIMIT} can be aligned at once",
            hint="align a part of them",
        )
    seen: set[str] = set()
    for record in family:
        if record.id in seen:
            raise InputError("the name occurs twice", record=record.id, hint="rename one")
        seen.add(str(record.id))
        if not len(encode_masks(str(record.seq), record=record.id)):
            raise InputError("the sequence has no residues", record=record.id)


def _consistent(plain: Any, owner: npt.NDArray[np.int64], rounds: int, alone: float = 0.5) -> Any:
    """Return posteriors on which all other sequences have voted.

    P'(x, y) = 1/N sum over z of P(x, z) P(z, y), where P of a sequence with itself is 1: the square
    of the matrix of all residues with ones on the diagonal. ``alone`` is the weight of what the pair says
    by itself beside what comes of it.
    """
    n = int(owner[-1]) + 1
    own = plain
    before = _mass(plain, owner, n)
    one = sparse.eye_array(len(owner), dtype=np.float32, format="csr")
    for _ in range(rounds):
        whole = sparse.csr_array(plain + one)
        product = sparse.coo_array(whole @ whole / np.float32(n))
        keep = (product.data >= CUTOFF / 2) & (owner[product.row] != owner[product.col])
        plain = sparse.csr_array((product.data[keep], (product.row[keep], product.col[keep])), shape=plain.shape)
    if rounds:
        # Votes of distant sequences are weak: every pair gets its posterior mass back, so that
        # a gain means the same with and without them.
        scale = before / np.maximum(_mass(plain, owner, n), 1e-6)
        found = sparse.coo_array(plain)
        found.data = np.minimum(found.data * scale[owner[found.row], owner[found.col]], 1)
        voted = sparse.csr_array(found, dtype=np.float32)
        plain = sparse.csr_array(voted * np.float32(1 - alone) + own * np.float32(alone))
    return plain


def _mass(matrix: Any, owner: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.float64]:
    """Return the sum over the residues of each pair of sequences, (n, n)."""
    found = sparse.coo_array(matrix)
    place = owner[found.row] * n + owner[found.col]
    sums = np.bincount(place, weights=found.data, minlength=n * n).astype(np.float64)
    return sums.reshape(n, n)


def guide_tree(similarity: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the merges of a guide tree (UPGMA).

    Parameters
    ----------
    similarity
        Similarity of each pair of sequences, (n, n), symmetric.

    Returns
    -------
    list
        n - 1 pairs of nodes; sequences are nodes 0 to n - 1, merge k (from 0) makes node n + k.
    """
    # Not scipy's linkage: its order of merging ties, which families with duplicates are full of, is
    # its own.
    n = len(similarity)
    s = np.full((2 * n - 1, 2 * n - 1), -np.inf)
    s[:n, :n] = similarity
    np.fill_diagonal(s, -np.inf)
    size = np.ones(2 * n - 1)
    merges = []
    for k in range(n, 2 * n - 1):
        a, b = sorted(divmod(int(s.argmax()), len(s)))
        merges.append((a, b))
        s[k] = (size[a] * s[a] + size[b] * s[b]) / (size[a] + size[b])
        s[k, [a, b, k]] = -np.inf
        s[:, k] = s[k]
        s[[a, b]] = -np.inf
        s[:, [a, b]] = -np.inf
        size[k] = size[a] + size[b]
    return merges


def _newick(merges: list[tuple[int, int]], names: list[str]) -> str:
    nodes = ["'" + name.replace("'", "''") + "'" for name in names]
    for a, b in merges:
        nodes.append(f"({nodes[a]},{nodes[b]})")
    return nodes[-1] + ";"


class _Votes(NamedTuple):
    """What columns are joined by.

    Attributes
    ----------
    first, second, value
        Two residues, among those of all sequences, and their posterior times the weight of their pair of
        sequences; each pair of residues is there in both orders.
    weight
        Weight of each pair of sequences, (n, n).
    starts
        Where each sequence begins among the residues, (n + 1,).
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]


def _weighed(posterior: Any, starts: npt.NDArray[np.int64], accuracy: npt.NDArray[np.float64]) -> _Votes:
    """Return posteriors in which pairs of sequences count by their expected accuracy."""
    weight = np.maximum(accuracy, LEAST) ** TRUST
    owner = np.repeat(np.arange(len(accuracy)), np.diff(starts))
    found = sparse.coo_array(posterior)
    return _Votes(found.row, found.col, found.data * weight[owner[found.row], owner[found.col]], weight, starts)


def _columns_of(part: Columns, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the column of every residue of the family, -1 for those that are not in ``part``."""
    column = np.full(int(starts[-1]), -1)
    s, c = np.nonzero(part >= 0)
    column[starts[s] + part[s, c]] = c
    return column


def _join(first: Columns, second: Columns, votes: _Votes, gain: float) -> Columns:
    """Align two alignments of different sequences, (sequences, columns) each."""
    width = second.shape[1]
    # Not as a product of sparse matrices: making those takes longer than sorting a few thousand numbers.
    at, other = (_columns_of(part, votes.starts) for part in (first, second))
    row, col = at[votes.first], other[votes.second]
    inside = np.flatnonzero((row >= 0) & (col >= 0))
    key = row[inside] * width + col[inside]
    order = np.argsort(key, kind="stable")
    place, begin = np.unique(key[order], return_index=True)
    weight = np.add.reduceat(votes.value[inside[order]], begin) if len(begin) else np.empty(0)
    row, col = np.divmod(place, width)
    if gain:
        of_second = votes.weight @ (second >= 0)
        weight -= gain * np.einsum("sk,sk->k", (first >= 0)[:, row], of_second[:, col])
    keep = weight > 0
    row, col = row[keep].astype(np.int32), col[keep].astype(np.int32)
    chain, _ = heaviest_chain(row, col, weight[keep], width, 0.0)
    # Columns between two links: the first alignment's come before the second's.
    a = np.concatenate([row[chain], [first.shape[1]]])
    b = np.concatenate([col[chain], [second.shape[1]]])
    parts: list[Columns] = []
    i = j = 0
    for p, q in zip(a.tolist(), b.tolist(), strict=True):
        parts += [first[:, i:p], second[:, j:q]]
        if p < first.shape[1]:
            parts.append(np.maximum(first[:, p : p + 1], second[:, q : q + 1]))
        i, j = p + 1, q + 1
    return np.concatenate(parts, axis=1)


def _progressive(votes: _Votes, lengths: npt.NDArray[np.int64], merges: list[tuple[int, int]], gain: float) -> Columns:
    nodes: list[Columns] = []
    for k, n in enumerate(lengths):
        leaf = np.full((len(lengths), int(n)), -1, dtype=np.int32)
        leaf[k] = np.arange(n)
        nodes.append(leaf)
    for a, b in merges:
        nodes.append(_join(nodes[a], nodes[b], votes, gain))
    return nodes[-1]


def _refined(layout: Columns, votes: _Votes, merges: list[tuple[int, int]]) -> Columns:
    """Split an alignment at every edge of the guide tree in turn, and join the two parts anew."""
    n = len(layout)
    below = [frozenset([k]) for k in range(n)]
    for a, b in merges:
        below.append(below[a] | below[b])
    # Both edges at the root make the same split.
    for inside in (part for k, part in enumerate(below[:-1]) if k != merges[-1][1]):
        side = np.zeros((n, 1), dtype=bool)
        side[list(inside)] = True
        first, second = np.where(side, layout, -1), np.where(side, -1, layout)
        first, second = (part[:, (part >= 0).any(axis=0)] for part in (first, second))
        layout = _join(first, second, votes, 0.0)
    return layout


def column_confidence(columns: Columns, posterior: Any, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the mean posterior of every column over the pairs of sequences with a residue in it.

    Parameters
    ----------
    columns
        Residue per sequence and column, -1 for a gap.
    posterior
        Sparse matrix over the residues of all sequences, concatenated; sequence k begins at
        ``starts[k]``.
    """
    n, width = columns.shape
    owner = np.repeat(np.arange(n), np.diff(starts))
    total = np.zeros(width)
    pairs = np.zeros(width)
    # P(a residue is aligned to any residue of another sequence), (residues, sequences).
    other = sparse.csr_array((np.ones(len(owner), np.float32), (np.arange(len(owner)), owner)), (len(owner), n))
    matched = np.minimum(sparse.csr_array(posterior @ other).toarray(), 1.0)
    for a, b in combinations(range(n), 2):
        in_a, in_b = columns[a] >= 0, columns[b] >= 0
        both = np.flatnonzero(in_a & in_b)
        if len(both):
            at = posterior[starts[a] + columns[a, both], starts[b] + columns[b, both]]
            total[both] += np.asarray(at).ravel()
        for one, two, only in ((a, b, in_a & ~in_b), (b, a, in_b & ~in_a)):
            at = np.flatnonzero(only)
            total[at] += 1 - matched[starts[one] + columns[one, at], two]
        pairs[in_a | in_b] += 1
    return (total / np.maximum(pairs, 1)).astype(np.float32)
