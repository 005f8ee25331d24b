"""What a scan tells of its segments on request: evidence, and the input with the segments written into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike
from genolstm.introgression.annotate import annotate, check_annotatable
from genolstm.introgression.evidence import Evidence, Weights, write_evidence
from genolstm.introgression.weights import check_weighable, weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genolstm.introgression.doors.blocks import Door
    from genolstm.introgression.model import IntrogressionClassifier, ScanResult
    from genolstm.introgression.segments import Segment


#: Sites that are kept for a page that shows those of a few segments (33 bytes each, twice for those in segments): a
#: thousand people's haplotypes of one chromosome have fewer.
MOST_FOR_A_PAGE = 2_000_000


@dataclass
class Told:
    """What is asked for; nothing by default.

    ``page`` is whether a page is to show sites, which it does without evidence as long as they are few. ``found`` and
    ``weighed`` are the sites of each segment and their weights, once they are written.
    """

    evidence: PathLike | None = None
    annotated: PathLike | None = None
    weights: bool = False
    page: bool = False
    found: Evidence | None = field(default=None, init=False)
    weighed: Weights | None = field(default=None, init=False)

    def paths(self) -> list[PathLike | None]:
        """Return the files that will be written."""
        return [self.evidence, self.annotated]

    def check(self, door: Door, baseline: str | None) -> None:
        """Refuse before the scan what could not be told after it.

        Raises
        ------
        SettingError
            The input cannot be read again, or is no VCF; weights without evidence, or of the baseline.
        """
        if self.weights:
            if self.evidence is None:
                raise SettingError("weights are a column of the evidence: say where to write it")
            if baseline is not None:
                raise SettingError("only the network weighs sites, not the baseline")
            check_weighable(door)
        if self.annotated is not None:
            check_annotatable(door, self.annotated)

    def begin(self, result: ScanResult) -> None:
        """Let a scan keep what is needed."""
        result.decoder.keep_sites = self.page or self.evidence is not None
        result.decoder.most_sites = MOST_FOR_A_PAGE if self.evidence is None else None

    def write(
        self,
        outputs: Outputs,
        model: IntrogressionClassifier,
        door: Door,
        segments: Sequence[Segment],
        result: ScanResult,
        stamp: str,
    ) -> list[str]:
        """Write what was asked for; return a line on each."""
        said = []
        sources = model.sources(door)
        if result.decoder.keep_sites:
            self.found = result.decoder.evidence
        if self.evidence is not None:
            found = result.decoder.evidence
            self.weighed = weigh(model, door, segments, found) if self.weights else None
            n = write_evidence(outputs.text(self.evidence), segments, sources, found, self.weighed, stamp=stamp)
            said.append(f"{n:,} sites are the evidence of the segments")
        if self.annotated is not None:
            n = annotate(
                check_annotatable(door, self.annotated), outputs.text(self.annotated), segments, sources, stamp=stamp
            )
            said.append(f"{n:,} records lie in segments")
        return said
