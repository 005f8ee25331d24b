"""Training an aligner on a user's own pairs: from files to a bundle."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Bio.SeqRecord import SeqRecord

from genolstm import provenance
from genolstm.alignment.context.estimation import fit_family
from genolstm.alignment.context.model import KIND, aligner_metadata, read_aligner
from genolstm.alignment.context.train import (
    MIXTURES,
    AlignTrainSettings,
    LabelledPair,
    PairData,
    pack_pairs,
    simulate_mixture,
    train_network,
)
from genolstm.alignment.formats.pairs import read_pairs
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_output, display_name
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.runs.align import check_apart, in_order, listed, records, true_alignments
from genolstm.sequences.masks import encode_masks

LONGEST = 1200
"""Longer training pairs with a truth are cut at aligned residues; without one, refused."""
_CODES = np.full(16, 4, np.uint8)
_CODES[[1, 2, 4, 8]] = [0, 1, 2, 3]


@dataclass(frozen=True)
class _Named:
    """A training pair and the names that must not lie on both sides of the split."""

    pair: LabelledPair
    names: tuple[str, str]


def train_aligner(
    query: PathLike,
    reference: PathLike,
    output: PathLike,
    *,
    pairs: PathLike | None = None,
    one_to_one: bool = False,
    truth: PathLike | None = None,
    start: PathLike = "dna",
    simulated: float = 0.5,
    validation: float = 0.1,
    settings: AlignTrainSettings | None = None,
    folder: PathLike | None = None,
    threads: int = 0,
    force: bool = False,
    progress: bool = True,
) -> Bundle:
    """Fit an aligner to pairs of sequences and write its bundle.

    The family of classical parameters is fitted to the pairs by likelihood (EM). The network is
    trained on from ``start``: on true alignments if there are any, else by likelihood.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ.
    pairs
        List of pairs (:func:`genolstm.alignment.formats.pairs.read_pairs`); not needed with truth.
    one_to_one
        Pair the first with the first, and so on.
    truth
        True alignments: PAF with the tag cg:Z.
    start
        A model to start from.
    simulated
        Share of simulated pairs of every kind mixed in, so that what the model knew is not lost.
    validation
        Share of the pairs held out; no sequence is on both sides.
    settings
        The network's shape is that of ``start``.
    folder
        Where checkpoints are kept; a run that was killed goes on from there.

    Raises
    ------
    GenolstmError
        An input is wrong or the output is in the way; nothing is written.
    """
    chosen = settings or AlignTrainSettings(epochs=4, learning_rate=5e-4, likelihood=0.0)
    if not 0 <= simulated < 1:
        raise SettingError(f"simulated is {simulated}, it has to be at least 0 and below 1")
    if not 0 < validation < 1:
        raise SettingError(f"validation is {validation}, it has to lie between 0 and 1")
    check_output(output, force=force)
    inputs = [query, reference, *(x for x in (pairs, truth) if x is not None)]
    check_apart(inputs, [output])
    if truth is not None and (pairs is not None or one_to_one):
        raise SettingError("true alignments name their pairs: give no others")
    found = list(
        _with_truth(query, reference, truth) if truth is not None else _without(query, reference, pairs, one_to_one)
    )
    train_rows, held_rows = _split([one.names for one in found], validation, chosen.seed)
    base = read_aligner(start)
    if base.contextual is None:
        raise SettingError(f"{start} has no network to train on", hint="start from dna or coding")
    own = [(found[k].pair.query, found[k].pair.reference) for k in train_rows]
    family = fit_family(own, base.family, threads=threads).parameters
    assert isinstance(family, ParameterFamily)
    if progress:
        message = f"{len(train_rows)} pairs to learn from, {len(held_rows)} held out"
        print(message, file=sys.stderr)
    sides: list[PairData] = []
    for rows, seed in ((train_rows, chosen.seed), (held_rows, chosen.seed + 1)):
        n = round(len(rows) * simulated / (1 - simulated))
        mixed = simulate_mixture(MIXTURES["dna"], n, seed=seed) if truth is not None and n else []
        sides.append(pack_pairs([*(found[k].pair for k in rows), *mixed], family, threads=threads))
    bundle = Bundle.open(find_bundle(start))
    assert bundle.config is not None
    from genolstm.lstm.bundle.saving import load_network, save_network

    network, history = train_network(
        sides[0],
        sides[1],
        chosen,
        labelled=truth is not None,
        folder=folder,
        config=bundle.config,
        initial_weights=load_network(bundle).get_weights(),
        threads=threads,
        progress=progress,
    )
    metadata = aligner_metadata(family, mode=base.mode, damage=base.damage)
    best = min(history, key=lambda row: row["val_loss"])
    return save_network(
        output,
        network,
        bundle.config,
        kind=KIND,
        metadata=metadata | {"held_out": {"pairs": len(held_rows), "loss": float(best["val_loss"])}},
        provenance=provenance.record(
            settings=chosen.to_dict() | {"start": bundle.name, "simulated": simulated},
            inputs={Path(os.fspath(x)).name: x for x in inputs if os.fspath(x) != "-"},
            seeds={"training": chosen.seed},
        ),
        card=_card(bundle.name, len(found), truth is not None, family),
        force=force,
    )


def _codes(record: SeqRecord) -> np.ndarray:
    return _CODES[encode_masks(str(record.seq), record=record.id)]


def _without(query: PathLike, reference: PathLike, pairs: PathLike | None, one_to_one: bool) -> Iterator[_Named]:
    references = list(records(reference))
    if pairs is not None:
        plan = listed(query, reference, references, pairs)
    elif one_to_one:
        plan = list(in_order(query, reference, references))
    else:
        raise SettingError(
            "which sequences belong together is not said",
            hint="give a list of pairs, a truth, or sequences in the same order (one to one)",
        )
    for a, b in plan:
        long = max(len(a), len(b))
        if long > LONGEST:
            raise InputError(
                f"the pair with {b.id} is {long} bp long, without a true alignment at most "
                f"{LONGEST} can be learned from",
                path=display_name(query),
                record=a.id,
                hint="cut it, or leave it out",
            )
        yield _Named(LabelledPair(_codes(a), _codes(b), np.empty((0, 2), np.int32)), (a.id, b.id))


def _with_truth(query: PathLike, reference: PathLike, truth: PathLike) -> Iterator[_Named]:
    lines = list(read_pairs(truth))
    for _, (a, b), (first, second), pairs in true_alignments(query, reference, lines, truth):
        for piece in _pieces(_CODES[first], _CODES[second], pairs):
            yield _Named(piece, (a.id, b.id))


def _pieces(query: np.ndarray, reference: np.ndarray, pairs: np.ndarray) -> Iterator[LabelledPair]:
    """Cut an alignment at aligned residues into pieces of at most LONGEST bp; ends fall off."""
    at = 0
    while at < len(pairs):
        q0, r0 = pairs[at]
        # The longest piece that fits; a gap longer than that leaves a piece of one column out.
        reach = np.maximum(pairs[at:, 0] - q0, pairs[at:, 1] - r0) < LONGEST
        end = at + int(reach.sum())
        q1, r1 = pairs[end - 1] + 1
        if end - at >= 16:
            yield LabelledPair(query[q0:q1], reference[r0:r1], (pairs[at:end] - pairs[at]).astype(np.int32))
        at = end


def _split(names: Sequence[tuple[str, str]], validation: float, seed: int) -> tuple[list[int], list[int]]:
    """Split pairs so that no sequence is on both sides: whole connected groups go together."""
    if not names:
        raise InputError("no pairs to learn from")
    group: dict[tuple[int, str], int] = {}
    members: dict[int, list[int]] = {}
    for k, (a, b) in enumerate(names):
        keys = ((0, a), (1, b))
        known = sorted({group[key] for key in keys if key in group})
        target = known[0] if known else k
        rows = members.setdefault(target, [])
        for other in known[1:]:
            rows += members.pop(other)
            group = {key: target if g == other else g for key, g in group.items()}
        rows.append(k)
        for key in keys:
            group[key] = target
    groups = list(members.values())
    if len(groups) < 2:
        raise InputError(
            "all pairs share sequences, none can be held out",
            hint="give pairs of at least two unrelated groups of sequences",
        )
    order = np.random.default_rng([seed, 0x5917]).permutation(len(groups))
    held: list[int] = []
    left = list(order)
    while len(left) > 1 and len(held) < max(1, validation * len(names)):
        held += groups[left.pop()]
    return sorted(k for g in left for k in groups[g]), sorted(held)


def _card(start: str, n: int, labelled: bool, family: ParameterFamily) -> str:
    how = "their true alignments" if labelled else "the pairs' likelihood, no alignments known"
    return (
        f"# An aligner trained on a user's pairs\n\nTrained on from `{start}` with {n} pairs, by "
        f"{how}.\n\nKappa {family.kappa:.2f}, gaps per substitution {family.gap_rate:.3f}. "
        "Significance of scores has not been fitted: no E-values.\n"
    )
