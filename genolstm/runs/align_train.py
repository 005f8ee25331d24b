"""``align train``: fits an aligner to a user's own pairs and writes its bundle."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from Bio.SeqRecord import SeqRecord
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genolstm import provenance
from genolstm.alignment.context.estimation import fit_family
from genolstm.alignment.context.model import AlignerParts, aligner_metadata, read_aligner
from genolstm.alignment.context.train import (
    LONGEST,
    MIXTURES,
    LabelledPair,
    PairData,
    checkpoint_files,
    cut_pair,
    pack_pairs,
    simulate_mixture,
    train_network,
)
from genolstm.alignment.formats.pairs import read_pairs
from genolstm.alignment.metadata import KIND
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.settings import FINE_TUNING, AlignTrainSettings, FamilySettings
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_own_name, display_name
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.saving import load_network, save_network
from genolstm.runs.align_train_families import fitted_significance, learn
from genolstm.runs.inputs import check_paths, in_order, listed, records, true_alignments
from genolstm.sequences.masks import encode_masks

_CODES = np.full(16, 4, np.uint8)
_CODES[[1, 2, 4, 8]] = [0, 1, 2, 3]


@dataclass(frozen=True)
class _Named:
    """A training pair and the names that must not be on both sides of the split."""

    pair: LabelledPair
    names: tuple[str, str]


def run(
    query: PathLike | None,
    reference: PathLike | None,
    output: PathLike,
    *,
    model: PathLike = "dna",
    pairs: PathLike | None = None,
    one_to_one: bool = False,
    truth: PathLike | None = None,
    families: Sequence[PathLike] = (),
    context: bool = False,
    learning: FamilySettings | None = None,
    settings: AlignTrainSettings = FINE_TUNING,
    evalues: bool = True,
    table: PathLike | None = None,
    figure: PathLike | None = None,
    checkpoints: PathLike | None = None,
    threads: int = 0,
    force: bool = False,
    progress: bool = True,
) -> Bundle:
    """Fit an aligner to pairs of sequences, or to aligned families, and write its bundle.

    The family of classical parameters is fitted to the pairs by maximum likelihood (EM). Training of
    the network of ``model`` continues on the true alignments if given, otherwise by likelihood.
    What is learned from aligned families is told in :func:`genolstm.runs.align_train_families.learn`.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-`` for standard input. None with families.
    output
        Bundle to write.
    model
        Model to start from; the new network has the same shape as its network.
    pairs
        List of pairs (:func:`genolstm.alignment.formats.pairs.read_pairs`); not allowed with
        ``truth``, which names its pairs.
    one_to_one
        Pair the first query with the first reference, and so on.
    truth
        True alignments: PAF with the tag cg:Z.
    families
        Aligned families instead of pairs; ``context``, ``learning``, ``table`` and ``figure`` are for these only.
    evalues
        Whether to fit E-values to the new model.
    checkpoints
        Folder for checkpoints, by default ``output`` with ``.training`` appended; a run that was
        killed resumes from there.
    threads
        Threads to use; 0 means all cores.
    progress
        Report progress on stderr.

    Raises
    ------
    GenolstmError
        An input is wrong or the output is in the way; nothing is written.
    """
    if families:
        if any(x is not None for x in (query, reference, pairs, truth)) or one_to_one:
            raise SettingError("families hold their pairs, give no others")
        return learn(
            families,
            output,
            model=model,
            context=context,
            learning=learning,
            settings=settings,
            evalues=evalues,
            table=table,
            figure=figure,
            checkpoints=checkpoints,
            threads=threads,
            force=force,
            progress=progress,
        )
    if query is None or reference is None:
        raise SettingError("there is nothing to learn from", hint="give query and reference, or families")
    inputs = [query, reference, *(x for x in (pairs, truth) if x is not None)]
    check_own_name(output, "a model")
    folder = Path(f"{os.fspath(output)}.training") if checkpoints is None else Path(checkpoints)
    check_paths(inputs, [output, table, figure], model=model, force=force, kept=checkpoint_files(folder))
    if context or learning is not None or table is not None or figure is not None:
        raise SettingError(
            "context, table and figure are for families", hint="pairs always train the network, and hold out no F1"
        )
    found = list(_examples(query, reference, pairs, one_to_one, truth))
    sides = [[found[k].pair for k in rows] for rows in _split([one.names for one in found], settings)]
    base, bundle = _start(model)
    if progress:
        print(f"{len(sides[0])} training pairs, {len(sides[1])} held out", file=sys.stderr)
    share = settings.simulated if truth is not None else 0.0
    family, (data, held_out) = _prepare(sides, base.family, share, settings.seed, threads)
    network, history = train_network(
        data,
        held_out,
        settings,
        labelled=truth is not None,
        folder=folder,
        config=bundle.config,
        initial_weights=load_network(bundle).get_weights(),
        threads=threads,
        progress=progress,
    )
    significance = None
    if evalues:
        significance = fitted_significance(
            family, settings.seed, threads, lambda text: print(text, file=sys.stderr) if progress else None
        )
    best = {"pairs": len(sides[1]), "loss": float(min(row["val_loss"] for row in history))}
    return save_network(
        output,
        network,
        bundle.config,
        kind=KIND,
        metadata=aligner_metadata(family, mode=base.mode, damage=base.damage, significance=significance)
        | {"held_out": best},
        provenance=_provenance(settings, bundle.name, inputs),
        card=_card(bundle.name, len(found), truth is not None, family, evalues),
        force=force,
    )


def _start(model: PathLike) -> tuple[AlignerParts, Bundle]:
    base, bundle = read_aligner(model), Bundle.open(find_bundle(model))
    if base.contextual is None:
        raise SettingError(f"{model} has no network to train on", hint="start from dna or coding")
    return base, bundle


def _prepare(
    sides: Sequence[Sequence[LabelledPair]], start: ParameterFamily, simulated: float, seed: int, threads: int
) -> tuple[ParameterFamily, list[PairData]]:
    """Fit the family to the first side, and lay out each side with its share of simulated pairs."""
    family = fit_family([(pair.query, pair.reference) for pair in sides[0]], start, threads=threads).parameters
    assert isinstance(family, ParameterFamily)
    packed = []
    for own, pairs in enumerate(sides, seed):
        n = round(len(pairs) * simulated / (1 - simulated))
        mixed = simulate_mixture(MIXTURES["dna"], n, seed=own) if n else []
        packed.append(pack_pairs([*pairs, *mixed], family, threads=threads))
    return family, packed


def _codes(record: SeqRecord) -> np.ndarray:
    return _CODES[encode_masks(str(record.seq), record=record.id)]


def _examples(
    query: PathLike, reference: PathLike, pairs: PathLike | None, one_to_one: bool, truth: PathLike | None
) -> Iterator[_Named]:
    if truth is None:
        return _without(query, reference, pairs, one_to_one)
    if pairs is not None or one_to_one:
        raise SettingError("true alignments already name their pairs, give no other pairs")
    return _with_truth(query, reference, truth)


def _without(query: PathLike, reference: PathLike, pairs: PathLike | None, one_to_one: bool) -> Iterator[_Named]:
    references = list(records(reference))
    if pairs is not None:
        plan = listed(query, reference, references, pairs)
    elif one_to_one:
        plan = in_order(query, reference, references)
    else:
        raise SettingError(
            "it is not stated which sequences belong together",
            hint="give a list of pairs, a truth, or sequences in the same order (one to one)",
        )
    for a, b in plan:
        long = max(len(a), len(b))
        if long > LONGEST:
            raise InputError(
                f"the pair with {b.id} is {long} bp long; without a true alignment, the limit is {LONGEST} bp",
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
    for (q0, q1), (r0, r1), truth in cut_pair(pairs):
        yield LabelledPair(query[q0:q1], reference[r0:r1], truth)


def _split(names: Sequence[tuple[str, str]], settings: AlignTrainSettings) -> tuple[list[int], list[int]]:
    """Split pairs so that no sequence is on both sides: connected groups are kept together."""
    if not names:
        raise InputError("there are no training pairs")
    # A graph of pairs (the first nodes) and their sequences: connected pairs stay together.
    nodes: dict[tuple[int, str], int] = {}
    links = [
        (k, nodes.setdefault(key, len(names) + len(nodes))) for k, pair in enumerate(names) for key in enumerate(pair)
    ]
    size = len(names) + len(nodes)
    labels = connected_components(coo_array((np.ones(len(links)), tuple(zip(*links, strict=True))), (size, size)))[1]
    members: dict[int, list[int]] = {}
    for k, label in enumerate(labels[: len(names)].tolist()):
        members.setdefault(label, []).append(k)
    groups = list(members.values())
    if len(groups) < 2:
        raise InputError(
            "all pairs are connected by shared sequences, none can be held out",
            hint="give pairs of at least two unrelated groups of sequences",
        )
    order = np.random.default_rng([settings.seed, 0x5917]).permutation(len(groups))
    held: list[int] = []
    left = list(order)
    while len(left) > 1 and len(held) < max(1, settings.validation * len(names)):
        held += groups[left.pop()]
    return sorted(k for g in left for k in groups[g]), sorted(held)


def _provenance(settings: AlignTrainSettings, start: str, inputs: Sequence[PathLike]) -> dict[str, Any]:
    return provenance.record(
        settings=settings.to_dict() | {"start": start},
        inputs={Path(os.fspath(x)).name: x for x in inputs if os.fspath(x) != "-"},
        seeds={"training": settings.seed},
    )


def _card(start: str, n: int, labelled: bool, family: ParameterFamily, evalues: bool) -> str:
    how = "their true alignments" if labelled else "the pairs' likelihood, no alignments known"
    return (
        f"# An aligner trained on a user's pairs\n\nTrained on from `{start}` with {n} pairs, by "
        f"{how}.\n\nKappa {family.kappa:.2f}, gaps per substitution {family.gap_rate:.3f}. "
        f"{'E-values were fitted.' if evalues else 'Significance of scores has not been fitted: no E-values.'}\n"
    )
