"""``align train --families``: learns from aligned families and says what was gained on others."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm import provenance
from genolstm.alignment.calibrate import fit_significance
from genolstm.alignment.context.estimation import fit_aligned
from genolstm.alignment.context.model import AlignerParts, aligner_metadata, read_aligner
from genolstm.alignment.context.terms import NetworkContext
from genolstm.alignment.context.train import (
    LONGEST,
    MIXTURES,
    LabelledPair,
    checkpoint_files,
    cut_pair,
    pack_pairs,
    simulate_mixture,
    train_network,
)
from genolstm.alignment.evaluate import bootstrap_mean
from genolstm.alignment.formats.aligned import AlignedFamily, files_of, read_families
from genolstm.alignment.learning import (
    ENOUGH,
    PER_BIN,
    Example,
    GainRow,
    align,
    by_family,
    draw_pairs,
    f1_of,
    gain,
    search_family,
    split_families,
    thin,
)
from genolstm.alignment.metadata import KIND
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import FINE_TUNING, AlignTrainSettings, FamilySettings
from genolstm.errors import InputError, SettingError
from genolstm.files import Outputs, PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, pack
from genolstm.lstm.config import LSTMConfig
from genolstm.numbers import duration
from genolstm.report.families import save_gain
from genolstm.report.style import check_figure
from genolstm.runs.inputs import check_paths

CONTEXT_FROM = "dna"
"""Whose network goes on learning, if the model to start from has none."""
ALWAYS = -1e6
"""Margin in bits with which context is always used."""
MARGINS = (0.0, 4.0, 8.0, 16.0, 32.0)
EVALUE_PAIRS = 1000
"""Unrelated pairs per node of the calibration; the shipped models have 6,000."""


@dataclass(frozen=True)
class _Candidate:
    """What may become the model.

    Attributes
    ----------
    name
        What it is, in words.
    members, config
        Those of the bundle of its network; none without one.
    margin
        Bits by which a pair has to be likelier in context.
    f1
        F1 of every pair that chooses.
    """

    name: str
    family: ParameterFamily
    members: dict[str, bytes]
    config: LSTMConfig | None
    margin: float
    f1: np.ndarray

    def scorer(self, name: str) -> AlignmentScorer:
        """Return the aligner."""
        onnx = self.members.get("model.onnx")
        context = None if onnx is None else NetworkContext(onnx, name, self.margin)
        return AlignmentScorer(self.family, contextual=context)


class _Learning:
    """One run of learning from families: its pairs, its settings, and what it says."""

    def __init__(
        self,
        families: Sequence[AlignedFamily],
        learning: FamilySettings,
        settings: AlignTrainSettings,
        threads: int,
        progress: bool,
    ) -> None:
        self.learning, self.settings, self.threads, self.progress = learning, settings, threads, progress
        self.parts = split_families(families, learning.held_out, settings.seed)
        own, choosing, reporting = self.parts
        counts = (learning.per_family, min(2, learning.per_family), min(2, learning.per_family))
        self.fitted, self.choosing, self.reporting = (
            _cut(draw_pairs(families, part, n, settings.seed + k))
            for k, (part, n) in enumerate(zip(self.parts, counts, strict=True))
        )
        self.say(
            f"split by seed {settings.seed}: {len(own):,} families to learn from, {len(choosing):,} to choose by, "
            f"{len(reporting):,} to report"
        )
        for what, part, pairs in zip(
            ("learn from", "choose by", "report"), self.parts, (self.fitted, self.choosing, self.reporting), strict=True
        ):
            used = len({x.family for x in pairs})
            if not used:
                raise InputError(
                    f"none of the {len(part)} families to {what} has two different sequences with 20 aligned "
                    "residues or more, a fifth of them equal",
                    hint="give more families",
                )
            if used < len(part):
                self.say(f"{len(part) - used:,} of those to {what} have no pair that can be used")
        used = len({x.family for x in self.reporting})
        if used < ENOUGH:
            print(
                f"warning: what is gained is measured on {used} {'family' if used == 1 else 'families'}: "
                f"{ENOUGH} or more are needed to tell",
                file=sys.stderr,
            )

    def say(self, text: str) -> None:
        if self.progress:
            print(text, file=sys.stderr, flush=True)

    # ------------------------------------------------------------------ parameters

    def parameters(self, start: ParameterFamily) -> list[tuple[str, ParameterFamily]]:
        """Return the parameters fitted by likelihood and those found by the search."""
        number = Counter(x.family for x in self.fitted)
        weights = np.array([1.0 / number[x.family] for x in self.fitted])
        begun = time.monotonic()
        likeliest = fit_aligned([(*x.codes, x.truth) for x in self.fitted], weights, start)
        self.say(
            f"fitted by likelihood to {len(self.fitted):,} pairs of {len(number):,} families "
            f"({duration(time.monotonic() - begun)})"
        )
        found = [("the fit by likelihood", likeliest)]
        if self.learning.search:
            # Near pairs are aligned well by anything: so many of them would hide what the others gain.
            pairs = thin(self.fitted, PER_BIN, self.settings.seed)
            begun = told = time.monotonic()

            def tell(done: int, top: float) -> None:
                nonlocal told
                now = time.monotonic()
                if now - told > 20:
                    told = now
                    left = (now - begun) / done * (self.learning.search - done)
                    self.say(
                        f"search: {done} of {self.learning.search} sets tried, F1 {top:.4f}, "
                        f"{duration(left)} left at most"
                    )

            best = search_family(
                [start, likeliest],
                pairs,
                self.learning.search,
                seed=self.settings.seed,
                threads=self.threads,
                progress=tell,
            )
            self.say(f"searched for the highest F1 of {len(pairs):,} pairs ({duration(time.monotonic() - begun)})")
            found.append(("the search for the highest F1", best))
        return found

    def candidate(
        self,
        name: str,
        family: ParameterFamily,
        members: dict[str, bytes] | None = None,
        config: LSTMConfig | None = None,
        margin: float = 0.0,
    ) -> _Candidate:
        """Return a candidate, measured on the pairs that choose."""
        raw = _Candidate(name, family, members or {}, config, margin, np.empty(0))
        return replace(raw, f1=f1_of(align(raw.scorer(name), self.choosing, self.threads), self.choosing))

    def best(self, candidates: Sequence[_Candidate]) -> _Candidate:
        """Return the candidate with the highest F1 on the families that choose; the first of equal ones."""
        return max(candidates, key=self.mean)

    def mean(self, one: _Candidate) -> float:
        """Return the mean F1 of a candidate over the families that choose."""
        return float(by_family(one.f1, self.choosing).mean())

    # ------------------------------------------------------------------ context

    def network(self, family: ParameterFamily, start: Bundle, folder: Path) -> dict[str, bytes]:
        """Train the network of ``start`` on with the families' pairs; return the members of its bundle."""
        from genolstm.lstm.bundle.saving import export_members, load_network

        data = []
        for own, examples in enumerate((self.fitted, self.choosing), self.settings.seed):
            pairs: list[Any] = [LabelledPair(*x.codes, x.truth) for x in examples]
            share = self.settings.simulated
            pairs += simulate_mixture(MIXTURES["dna"], round(len(pairs) * share / (1 - share)), seed=own)
            data.append(pack_pairs(pairs, family, threads=self.threads))
        network, _ = train_network(
            data[0],
            data[1],
            self.settings,
            folder=folder,
            config=start.config,
            initial_weights=load_network(start).get_weights(),
            threads=self.threads,
            progress=self.progress,
        )
        return export_members(network, start.config)

    def in_context(self, plain: _Candidate, name: str, members: dict[str, bytes], config: Any) -> _Candidate | None:
        """Return a candidate with a network and the best margin, or None if the gain is not clear of 0."""
        always = _Candidate(name, plain.family, members, config, ALWAYS, np.empty(0))
        found = align(always.scorer(name), self.choosing, self.threads)
        f1, bits = f1_of(found, self.choosing), np.array([a.context_bits for a in found])
        tried = [replace(always, margin=m, f1=np.where(bits > m, f1, plain.f1)) for m in (ALWAYS, *MARGINS)]
        best = max(tried, key=lambda one: float(by_family(one.f1, self.choosing).mean()))
        gained = bootstrap_mean(by_family(best.f1 - plain.f1, self.choosing), seed=self.settings.seed)
        told = f"{name}: F1 {gained} on the families to choose by"
        if gained.low <= 0:
            self.say(f"{told}: not clear of 0, left out")
            return None
        self.say(told)
        return best


def learn(
    families: Sequence[PathLike],
    output: PathLike,
    *,
    model: PathLike = "dna",
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
    """Learn from aligned families and write a model's bundle.

    Classical parameters are fitted by likelihood and then searched for the highest F1, without
    TensorFlow; with ``context``, the network is trained on, too. Families that nothing was fitted to
    choose what is written, the model that was begun with included; others give the figures.

    Parameters
    ----------
    families
        Stockholm, aligned FASTA or A2M, or folders of them; see
        :func:`genolstm.alignment.formats.aligned.read_families`.
    output
        Bundle to write.
    model
        Model to start from, and to be compared with.
    context
        Whether to train a network: that of ``model``, or of ``dna`` if it has none.
    evalues
        Whether to fit E-values.
    table
        Where to write the F1 by bin of identity as TSV; its figure goes to ``figure``.
    checkpoints
        Folder for the checkpoints of the network, by default ``output`` with ``.training`` appended.

    The other parameters are those of :func:`genolstm.runs.align_train.run`.

    Raises
    ------
    GenolstmError
        An input is wrong, there are too few families, or an output is in the way; nothing is written.
    """
    learning = learning or FamilySettings()
    folder = Path(f"{os.fspath(output)}.training") if checkpoints is None else Path(checkpoints)
    sources = files_of(families)
    check_paths(
        [*families, *(x for x in sources if x not in families)],
        [output, table, figure],
        model=model,
        force=force,
        kept=checkpoint_files(folder),
    )
    if figure is not None:
        check_figure(figure, force=force)
    base, bundle = read_aligner(model), Bundle.open(find_bundle(model))
    if base.damage is not None:
        raise SettingError(
            f"{model} is for damaged reads, of which families say nothing", hint="start from dna, coding or rna"
        )
    start = bundle if base.contextual is not None else Bundle.open(find_bundle(CONTEXT_FROM))
    if context:
        from genolstm.lstm.train.network import load_tensorflow

        load_tensorflow()  # missing, it is missed before any work
    read, handled = read_families(sources)
    if progress:
        print(handled, file=sys.stderr)
    run = _Learning(read, learning, settings, threads, progress)
    chosen = _choose(run, base, bundle, start, context, folder)
    rows, new = _report(run, base, chosen)
    significance = base.significance.to_dict() if base.significance is not None else None
    if new:
        significance = None
        if evalues:
            significance = fitted_significance(chosen.family, settings.seed, threads, run.say)
    held_out = _held_out(rows, base.name, chosen.name)
    with Outputs(force=force) as outputs:
        content = pack(
            kind=KIND,
            members={**chosen.members, "card.md": _card(base, chosen, run, rows, significance is not None).encode()},
            config=chosen.config,
            metadata=aligner_metadata(chosen.family, mode=base.mode, significance=significance, margin=chosen.margin)
            | {"held_out": held_out},
            provenance=provenance.record(
                settings=settings.to_dict() | vars(learning) | {"start": base.name, "context": context},
                inputs={Path(os.fspath(x)).name: x for x in families if os.fspath(x) != "-"},
                seeds={"training": settings.seed},
            ),
        )
        made = Bundle.from_bytes(content, path=output)
        outputs.path(output).write_bytes(content)
        if table is not None:
            outputs.text(table).write(gain_table(rows))
        if figure is not None:
            save_gain(figure, rows, before=base.name, after=Path(os.fspath(output)).stem, into=outputs)
    run.say(gain_lines(rows, base.name))
    return made


def _choose(
    run: _Learning, base: AlignerParts, bundle: Bundle, start: Bundle, context: bool, folder: Path
) -> _Candidate:
    """Return the best of the model that was begun with and what was learned."""
    own = {name: content for name, content in bundle.members.items() if name != "card.md"}
    margin = 0.0 if base.contextual is None else base.contextual.margin
    begun = run.candidate(f"{base.name}, as it is", base.family, own, bundle.config, margin)
    fitted = [run.candidate(name, family) for name, family in run.parameters(base.family)]
    best = run.best(fitted)
    candidates = [begun, *fitted]
    if base.contextual is not None:
        kept = run.in_context(best, f"the network of {base.name}", own, bundle.config)
        candidates += [] if kept is None else [kept]
    if context:
        members = run.network(best.family, start, folder)
        trained = run.in_context(best, "the network trained on", members, start.config)
        candidates += [] if trained is None else [trained]
    chosen = run.best(candidates)
    run.say(f"F1 of {len({x.family for x in run.choosing}):,} families to choose by:")
    for one in candidates:
        run.say(f"  {run.mean(one):.4f} {one.name}{' (chosen)' if one is chosen else ''}")
    if chosen is begun:
        print(
            f"warning: nothing that was learned is better than {base.name} on the families to choose by; what is "
            f"written is {base.name}",
            file=sys.stderr,
        )
    return chosen


def _report(run: _Learning, base: AlignerParts, chosen: _Candidate) -> tuple[list[GainRow], bool]:
    """Return the table of what was gained on the families to report, and whether the model is a new one."""
    before = AlignmentScorer(base.family, contextual=base.contextual)
    one = f1_of(align(before, run.reporting, run.threads), run.reporting)
    if chosen.name.endswith(", as it is"):
        return gain(one, one, run.reporting, run.settings.seed), False
    two = f1_of(align(chosen.scorer(chosen.name), run.reporting, run.threads), run.reporting)
    return gain(one, two, run.reporting, run.settings.seed), True


def fitted_significance(family: ParameterFamily, seed: int, threads: int, say: Any) -> dict[str, Any]:
    """Return E-values and P(homolog) of a family's scores, fitted on unrelated simulated pairs."""
    begun = time.monotonic()
    found = fit_significance(AlignmentScorer(family), seed=seed, pairs=EVALUE_PAIRS, threads=threads).to_dict()
    say(f"E-values fitted ({duration(time.monotonic() - begun)})")
    return found


def _cut(examples: Sequence[Example]) -> list[Example]:
    """Return pairs, the long ones in pieces."""
    out = []
    for one in examples:
        if max(map(len, one.texts)) <= LONGEST:
            out.append(one)
            continue
        for (q0, q1), (r0, r1), truth in cut_pair(one.truth):
            texts = one.texts[0][q0:q1], one.texts[1][r0:r1]
            equal = [texts[0][i] == texts[1][j] for i, j in truth.tolist()]
            out.append(Example(one.family, texts, truth, float(np.mean(equal))))
    return out


_COLUMNS = (
    *("identity", "pairs", "families", "before", "before_low", "before_high", "after", "after_low", "after_high"),
    *("difference", "difference_low", "difference_high"),
)


def _identity(row: GainRow) -> str:
    return "all" if row.bin is None else f"{row.bin}-{min(row.bin + 9, 100) if row.bin < 90 else 100}"


def gain_table(rows: Sequence[GainRow]) -> str:
    """Return what was gained as TSV: F1 before and after, and their difference, with 95 % intervals."""
    lines = ["\t".join(_COLUMNS)]
    for row in rows:
        values = [x for one in (row.before, row.after, row.difference) for x in (one.mean, one.low, one.high)]
        told = ("." if np.isnan(x) else f"{x:.6f}" for x in values)
        lines.append("\t".join([_identity(row), str(row.pairs), str(row.families), *told]))
    return "\n".join(lines) + "\n"


def gain_lines(rows: Sequence[GainRow], base: str) -> str:
    """Return what was gained in words and columns."""
    lines = [f"F1 on families that nothing was fitted to or chosen by, before ({base}) and after:"]
    lines.append(f"{'identity':>10}{'pairs':>7}{'families':>10}{'before':>8}{'after':>8}  difference")
    lines += [
        f"{_identity(row):>10}{row.pairs:>7,}{row.families:>10,}{row.before.mean:>8.3f}{row.after.mean:>8.3f}  "
        f"{f'{row.difference.mean:+.4f}' if np.isnan(row.difference.low) else row.difference}"
        for row in rows
    ]
    return "\n".join(lines)


def _held_out(rows: Sequence[GainRow], base: str, chosen: str) -> dict[str, Any]:
    total = rows[-1]
    gained = total.difference
    return {
        "families": total.families,
        "pairs": total.pairs,
        "start": base,
        "chosen": chosen,
        "f1_before": total.before.mean,
        "f1_after": total.after.mean,
        "difference": [None if np.isnan(x) else x for x in (gained.mean, gained.low, gained.high)],
    }


def _card(base: AlignerParts, chosen: _Candidate, run: _Learning, rows: Sequence[GainRow], evalues: bool) -> str:
    own, choosing, reporting = map(len, run.parts)
    significance = "E-values were fitted." if evalues else "Significance of scores has not been fitted: no E-values."
    return (
        f"# An aligner learned from families\n\nBegun with `{base.name}`; {own:,} families to learn from, {choosing:,} "
        f"to choose by, {reporting:,} to report. Written is {chosen.name}"
        f"{', with a network for context' if chosen.members else ''}.\n\n"
        f"Kappa {chosen.family.kappa:.2f}, gaps per substitution {chosen.family.gap_rate:.3f}. {significance}\n\n"
        f"```\n{gain_lines(rows, base.name)}\n```\n"
    )
