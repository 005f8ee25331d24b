"""One pass over the records of a source, whatever its format: the arrays that are filled, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from genolstm.errors import InputError
from genolstm.introgression.variants.block import FAR, CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.records import (
    BAD_END,
    BIG_ALLELE,
    FILTERED,
    INVARIANT,
    LIMIT,
    LOW,
    MANY_ALLELES,
    MAX_ALLELES,
    MERGED,
    N_COUNTS,
    N_STATE,
    NOT_SNV,
    ODD,
    OUTSIDE,
    PLOIDY,
    POSITION,
    RECORDS,
    ROWS,
    STRETCHES,
    UNPHASED,
    UNPHASED_HETS,
    UNSORTED,
    VALUE,
    Choice,
    Output,
    Span,
    merge_rows,
)

#: Alleles that are held before they are passed on; affects memory use, not results.
ROOM = 8_000_000
#: Where the compiled loops count what :class:`~.block.SourceCounts` tells.
_COUNTS = {
    "records": RECORDS,
    "not_snv": NOT_SNV,
    "filtered": FILTERED,
    "merged": MERGED,
    "unphased": UNPHASED_HETS,
    "low_quality": LOW,
    "invariant": INVARIANT,
    "odd_position": ODD,
}
SORT = "sort the file (bcftools sort)"


def for_each(samples: Sequence[str], settings: CallSettings | Sequence[CallSettings]) -> list[CallSettings]:
    """Return the settings of each sample."""
    each = [settings] * len(samples) if isinstance(settings, CallSettings) else list(settings)
    if len(each) != len(samples) or not samples:
        raise ValueError("one sample at least, and one setting for each")
    return each


def chosen_columns(samples: Sequence[str], inside: Sequence[str], path: str) -> np.ndarray:
    """Return the place of each sample of a source among the chosen ones; -1 for one that is not chosen.

    Raises
    ------
    InputError
        The source lacks a chosen sample.
    """
    place = {name: i for i, name in enumerate(inside)}
    absent = [name for name in samples if name not in place]
    if absent:
        shown = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
        number = f"{len(absent)} of {len(samples)} named samples are missing"
        raise InputError(f"has no sample {shown} ({number})", path=path)
    column_of = np.full(len(inside), -1, dtype=np.int64)
    for column, name in enumerate(samples):
        column_of[place[name]] = column
    return column_of


class Reading:
    """The arrays that the compiled loops fill while they read a source, and what they stand for.

    Parameters
    ----------
    path, contigs, counts
        Of the source; what was read is added to ``counts``.
    settings
        Of each chosen sample.
    column_of
        For each sample that a record has, its place among the chosen ones, or -1.
    room
        Alleles that are held.
    """

    #: What states the length of a chromosome.
    lengths_from = "the header"

    def __init__(
        self,
        path: str,
        contigs: Mapping[str, int | None],
        counts: SourceCounts,
        settings: Sequence[CallSettings],
        column_of: np.ndarray,
        room: int,
    ) -> None:
        self.path, self.contigs, self.told = path, contigs, counts
        width = 2 * len(settings)
        capacity = min(max(room // width, 256), 1 << 16)
        self.choice = Choice(
            column_of,
            np.array([s.need_phase for s in settings], dtype=np.bool_),
            np.array([s.allow_unphased for s in settings], dtype=np.bool_),
            np.array([s.min_gq for s in settings], dtype=np.int64),
            np.array([s.min_dp for s in settings], dtype=np.int64),
            np.zeros(len(settings), dtype=np.int64),
        )
        self.out = Output(
            np.empty(capacity, dtype=np.int64),
            np.empty(capacity, dtype=np.int8),
            np.empty(capacity, dtype=np.int8),
            np.empty((capacity, width), dtype=np.int8),
            np.empty((1 << 16, 2), dtype=np.int64),
            np.zeros(N_STATE, dtype=np.int64),
            np.zeros(N_COUNTS, dtype=np.int64),
        )
        self.state = self.out.state

    def begin(self, chrom: str) -> None:
        """Begin a chromosome."""
        self.chrom = chrom
        self.choice.ploidy[:] = 0
        self.state[ROWS] = self.state[STRETCHES] = 0
        self.state[POSITION] = -1

    def aim(self, stretch: Stretch | None) -> None:
        """Say what is read of the chromosome that was begun; None for nothing."""
        self.skip = stretch is None
        length = self.contigs[self.chrom]
        self.span = Span(
            np.int64(stretch.start if stretch else 0),
            np.int64(FAR if stretch is None or stretch.end is None else stretch.end),
            np.int64(-1 if length is None else length),
        )

    def taken(self, *, last: bool = False) -> SiteRows:
        """Return the rows so far, and begin anew with those whose position may go on."""
        out, state = self.out, self.state
        done, tail = merge_rows(not last, out)
        if state[VALUE] >= 0:
            raise self._contradiction(int(state[VALUE]))
        end = int(out.positions[done]) if tail else int(state[POSITION])
        if last:
            end = int(self.span.high) if self.span.high < FAR else self.contigs[self.chrom] or int(state[POSITION]) + 1
        taken = SiteRows(
            self.chrom,
            out.positions[:done].copy(),
            out.references[:done].copy(),
            out.rows[:done].copy(),
            out.known[: state[STRETCHES]].copy(),
            end,
            last,
        )
        if tail == len(out.rows):
            raise InputError(
                f"has more than {tail - 1} records at one position",
                path=self.path,
                record=self._record(int(out.positions[done])),
            )
        if tail:
            for array in (out.positions, out.references, out.kinds, out.rows):
                array[:tail] = array[done : done + tail]
        state[ROWS], state[STRETCHES] = tail, 0
        for name, at in _COUNTS.items():
            setattr(self.told, name, getattr(self.told, name) + int(out.counts[at]))
        out.counts[:] = 0
        return taken

    # --- errors -----------------------------------------------------------------------------

    def _record(self, position: int) -> str:
        return f"{self.chrom}:{position + 1}"

    def error(self, reason: str, record: str | None = None, hint: str | None = None) -> InputError:
        """Return the error of a record."""
        return InputError(reason, path=self.path, record=record, hint=hint)

    def _contradiction(self, row: int) -> InputError:
        here, before = ("ACGT"[int(self.out.references[i])] for i in (row, row - 1))
        return InputError(
            f"REF is {here} here and {before} in the previous record",
            path=self.path,
            record=self._record(int(self.out.positions[row])),
            hint="a position has only one reference base",
        )

    def reason(self, why: int, position: str, sample: str) -> tuple[str, str | None] | None:
        """Return what is wrong with a record and what to do; None if that depends on the format.

        Parameters
        ----------
        why
            What the loop says.
        position, sample
            As messages show them; ``state`` has the rest.
        """
        value, limit = int(self.state[VALUE]), int(self.state[LIMIT])
        if why == UNSORTED:
            return f"position {position} comes after {value + 1}", SORT
        if why == OUTSIDE:
            return f"lies beyond the length stated in {self.lengths_from} ({self.span.length} bp)", None
        if why == UNPHASED:
            return (
                f"sample {sample} is heterozygous and unphased",
                "phase the file, or use --allow-unphased (see the documentation)",
            )
        if why == BIG_ALLELE:
            told = f"allele {value}" if value < 1 << 40 else "an allele beyond any number"
            return f"a genotype of {sample} names {told}, but the record has {limit} alleles", None
        if why == PLOIDY:
            return f"the genotype of {sample} has {value} alleles; only 1 or 2 are supported", None
        if why == MANY_ALLELES:
            return f"the site has more than {MAX_ALLELES} alternative alleles", None
        if why == BAD_END:
            return "has an END that lies before its position", None
        return None
