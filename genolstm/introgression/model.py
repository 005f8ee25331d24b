"""The introgression classifier: load or train a model, scan haplotypes."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import ModelError, SettingError, shown
from genolstm.files import PathLike
from genolstm.introgression.channels import CLASSES, SLOTS
from genolstm.introgression.doors.blocks import Door, Predictor, Stages, Totals, TrackBlock, posterior_blocks, prefetch
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.likeness import Comparison, Likeness, Profile
from genolstm.introgression.metadata import read_metadata
from genolstm.introgression.segments import PosteriorBlock, Segment, SegmentDecoder
from genolstm.introgression.settings import DEFAULT_MODEL, UNKNOWN_SOURCE, UNNAMED, DecodeSettings, ScanSettings
from genolstm.introgression.threshold import Expected, Levels
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.held import Held, Turned
from genolstm.lstm.bundle.runtime import PART_STEPS, Runtime
from genolstm.lstm.calibration import apply_calibration
from genolstm.threads import count_threads

if TYPE_CHECKING:
    import pandas as pd

    from genolstm.introgression.doors.fasta import Panels
    from genolstm.introgression.variants.join import VariantReader
    from genolstm.sequences.panel.panel import KmerPanel

BASELINES = ("hmm",)


class NetworkPredictor:
    """The calibrated LSTM."""

    def __init__(self, runtime: Runtime, calibration: Mapping[str, Any] | None) -> None:
        self.runtime = runtime
        self.calibration = calibration

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the calibrated probabilities of the classes, shape (rows, bins, classes)."""
        for output in self.runtime.predict_stream(blocks):
            yield apply_calibration(output, self.calibration)


class BaselinePredictor:
    """The supervised HMM; it holds the tracks of a whole sequence (packed) because it reads them twice."""

    def __init__(self, hmm: SupervisedHMM, n_sources: int = 1) -> None:
        self.hmm = hmm
        # It tells archaic from modern; which source it is, it tells only if there is one.
        self._class = CLASSES.index(SLOTS[0] if n_sources == 1 else "unknown")

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the probabilities of the classes, shape (rows, bins, classes)."""
        for posterior in self._posteriors(blocks):
            classes = np.zeros((*posterior.shape, len(CLASSES)), np.float32)
            classes[:, :, 0], classes[:, :, self._class] = 1 - posterior, posterior
            yield classes

    def _posteriors(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        held, n = Held(), 0
        for block in blocks:
            held.append(block)
            n = len(block)
        if not held.stop:
            return
        rows = max(PART_STEPS // max(held.stop, 1), 1)
        if rows >= n:
            yield self.hmm.posterior(held.read(0, held.stop))
            return
        turned = Turned((n, held.stop, 1))
        for first in range(0, n, rows):
            posterior = self.hmm.posterior(held.read(0, held.stop, slice(first, first + rows)))
            turned.write(first, posterior[:, :, None])
        for piece in turned.pieces():
            yield piece[:, :, 0]


@dataclass
class ScanResult:
    """A scan in progress: iterate over ``blocks`` once, pass each block to ``decoder``, and then :meth:`decide`.

    Attributes
    ----------
    blocks
        Posteriors, in order.
    decoder
        Turns each block into finished segments, as far as there is a threshold.
    totals
        How much has been scanned so far.
    levels
        What the posteriors have been so far.
    profile
        Statistics of the tracks so far.
    likeness
        What the model's training data were like, if it says so.
    names
        What the archaic sources are called.
    """

    blocks: Iterator[PosteriorBlock]
    decoder: SegmentDecoder
    totals: Totals = field(default_factory=Totals)
    levels: Levels = field(default_factory=Levels)
    profile: Profile | None = None
    likeness: Likeness | None = None
    names: tuple[str, ...] = ()

    def compare(self) -> Comparison:
        """Return how the data compare with those that the model was trained on, once all blocks are there."""
        measured = self.profile.measured() if self.profile is not None else None
        if self.likeness is None:
            return Comparison(None, "the model does not state what it was trained on", {})
        return self.likeness.compare(measured, self.names)

    def decide(self) -> tuple[list[Segment], Expected]:
        """Return the segments that waited for a threshold, and what is expected at it, once all blocks are there."""
        settings = self.decoder.settings
        if settings.threshold is not None:
            return [], self.levels.expected(settings.threshold)
        expected = self.levels.best() if settings.fdr is None else self.levels.with_fdr(settings.fdr)
        return self.decoder.decide(expected.threshold), expected

    def segments(self) -> list[Segment]:
        """Run the scan and return the segments, sorted by position within each sequence."""
        found = [segment for block in self.blocks for segment in self.decoder.add(block)]
        return found + self.decide()[0]


def _counted(
    blocks: Iterator[PosteriorBlock], totals: Totals, levels: Levels, bin_size: int
) -> Iterator[PosteriorBlock]:
    for block in blocks:
        totals.add(block, bin_size)
        levels.add(block)
        yield block


class IntrogressionClassifier:
    """Labels bins of modern haplotypes as archaic or modern.

    Parameters
    ----------
    bundle
        A model of kind ``introgression``.
    threads
        Threads to use; 0 means all cores.

    Examples
    --------
    >>> model = IntrogressionClassifier.load("archaic")        # doctest: +SKIP
    >>> model.scan("query.fa.gz", archaic="nea.panel", outgroup="yri.panel")  # doctest: +SKIP
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.bundle = bundle
        self.threads = count_threads(threads)
        self.metadata = read_metadata(bundle)
        self.settings = self.metadata.settings
        self.label = self.metadata.label
        self.prior = self.metadata.prior
        self._runtime: Runtime | None = None

    @classmethod
    def load(cls, model: PathLike = DEFAULT_MODEL, *, threads: int = 0) -> IntrogressionClassifier:
        """Open a shipped model by name, or any model by path.

        Raises
        ------
        ModelError
            The file is damaged, of another kind, or made for other tracks.
        """
        return cls(Bundle.open(find_bundle(model)), threads=threads)

    @property
    def runtime(self) -> Runtime:
        """The network, opened when first needed."""
        if self._runtime is None:
            self._runtime = Runtime(self.bundle, threads=self.threads)
        return self._runtime

    def predictor(self, baseline: str | None = None, *, n_sources: int = 1) -> Predictor:
        """Return the network, or the baseline that was trained along with it.

        Raises
        ------
        SettingError
            There is no such baseline, or no archaic that it could compare with.
        ModelError
            The model holds none.
        """
        if baseline is None:
            return NetworkPredictor(self.runtime, self.metadata.calibration)
        if baseline not in BASELINES:
            raise SettingError(f"there is no baseline {baseline}; known: {', '.join(BASELINES)}")
        if self.metadata.hmm is None:
            raise ModelError("holds no HMM baseline", path=self.bundle.path)
        if not n_sources:
            raise SettingError(f"the baseline {baseline} compares with an archaic, and none is given")
        return BaselinePredictor(SupervisedHMM(**vars(self.metadata.hmm)), n_sources)

    def decode_settings(
        self,
        *,
        threshold: float | None = None,
        fdr: float | None = None,
        min_length: int = 0,
        bridge: int = DecodeSettings.bridge,
        baseline: str | None = None,
    ) -> DecodeSettings:
        """Return the settings by which segments are cut.

        Parameters
        ----------
        threshold
            Minimum posterior of the bins in a segment; by default the one with the best F1 that is
            expected on the data at hand.
        fdr
            Share of called base pairs that may be wrong, expected on the data at hand; sets the
            threshold.
        min_length
            Minimum length of a segment in bp.
        bridge
            Longest stretch in bp that a segment may span although nothing is known of it.
        baseline
            Name of the baseline, if the threshold is for its posteriors.

        Raises
        ------
        SettingError
            A value is out of range, or threshold and fdr are both given.
        ModelError
            The model holds no baseline.
        """
        ScanSettings(baseline, threshold, fdr, min_length, bridge)  # type: ignore[arg-type]
        if threshold is None and baseline is not None:
            threshold = self.metadata.hmm_threshold
            if threshold is None:
                raise ModelError("holds no HMM baseline", path=self.bundle.path)
        return DecodeSettings(threshold, min_length, bridge, fdr)

    def sources(self, door: Door) -> tuple[str, ...]:
        """Return what the output calls the archaic sources of a door, and an archaic unlike them all."""
        return (*(self.label if name == UNNAMED else name for name in door.sources()), UNKNOWN_SOURCE)

    # --- scans ------------------------------------------------------------------------------

    def open(
        self,
        door: Door,
        *,
        decode: DecodeSettings | None = None,
        baseline: str | None = None,
        stages: Stages | None = None,
        progress: Callable[[TrackBlock], None] | None = None,
    ) -> ScanResult:
        """Prepare a scan.

        Parameters
        ----------
        door
            The input: a :class:`~genolstm.introgression.doors.fasta.FastaDoor` or a
            :class:`~genolstm.introgression.doors.vcf.VcfDoor`.
        decode
            How segments are cut; by default the result of :meth:`decode_settings`.
        baseline
            Name of the baseline to use instead of the network.
        stages
            Collects the time that each stage takes.
        progress
            Called with each block after it is read.
        """
        decode = decode or self.decode_settings(baseline=baseline)
        blocks = prefetch(door.tracks(self.settings, threads=self.threads, stages=stages))
        size = self.settings.bin
        profile = Profile(len(door.sources()), size)

        def passed(block: TrackBlock) -> None:
            profile.add(block.tracks, block.haplotypes, first_bin=block.first_bin, exists=block.exists)
            if progress is not None:
                progress(block)

        posteriors = posterior_blocks(
            blocks,
            self.predictor(baseline, n_sources=len(door.sources())),
            bridge=decode.bridge // size,
            prior=self.prior,
            sources=self.sources(door),
            stride=self.bundle.config.stride if self.bundle.config is not None and baseline is None else 1,
            stages=stages,
            progress=passed,
        )
        totals, levels = Totals(), Levels()
        counted = _counted(posteriors, totals, levels, size)
        names = self.sources(door)[:-1]
        return ScanResult(counted, SegmentDecoder(decode, size), totals, levels, profile, self.metadata.likeness, names)

    def scan(
        self,
        query: PathLike | Sequence[PathLike],
        *,
        archaic: Panels | Mapping[str, Panels] | None,
        outgroup: PathLike | KmerPanel,
        decode: DecodeSettings | None = None,
        baseline: str | None = None,
        **door: Any,
    ) -> pd.DataFrame:
        """Scan query FASTA and return the segments as a table.

        Parameters
        ----------
        query
            FASTA file, or a list of them.
        archaic
            Panel or file of the archaic; several of them by the names of their sources; None for no archaic.
        outgroup
            Panel of the outgroup, or its file.
        decode, baseline
            As in :meth:`open`.
        **door
            Further arguments of :class:`~genolstm.introgression.doors.fasta.FastaDoor`.

        Returns
        -------
        pandas.DataFrame
            The columns of the BED output; positions 0-based half-open in the query's own
            coordinates.
        """
        from genolstm.introgression.doors.fasta import FastaDoor

        paths = [query] if isinstance(query, str | os.PathLike) else list(query)
        return self._segments(FastaDoor(paths, archaic, outgroup, **door), decode, baseline)

    def scan_vcf(
        self,
        vcf: PathLike | VariantReader,
        *,
        decode: DecodeSettings | None = None,
        baseline: str | None = None,
        **door: Any,
    ) -> pd.DataFrame:
        """Scan samples of a VCF and return the segments as a table.

        Parameters
        ----------
        vcf
            VCF or BCF file.
        decode, baseline
            As in :meth:`open`.
        **door
            ``target``, ``outgroup``, ``archaic`` and further arguments of
            :class:`~genolstm.introgression.doors.vcf.VcfDoor`.
        """
        from genolstm.introgression.doors.vcf import VcfDoor

        return self._segments(VcfDoor(vcf, **door), decode, baseline)

    def _segments(self, door: Door, decode: DecodeSettings | None, baseline: str | None) -> pd.DataFrame:
        from genolstm.introgression.formats import segments_frame

        found = self.open(door, decode=decode, baseline=baseline).segments()
        return segments_frame(found, self.sources(door))

    def posteriors(self, result: ScanResult) -> pd.DataFrame:
        """Run a prepared scan and return the posterior of every bin as a table.

        ``callable`` is the share of a bin's k-mers that could be compared: where it is below
        :data:`~genolstm.introgression.settings.LEAST_CALLABLE`, the posterior is the prior.
        """
        import pandas as pd

        from genolstm.introgression.formats import source_columns

        size = self.settings.bin
        frames = []
        for block in result.blocks:
            bins = np.arange(block.posterior.shape[1]) + block.first_bin
            ends = (bins + 1) * size
            if block.length is not None:
                ends = np.minimum(ends, block.length)
            known = np.ones_like(block.posterior) if block.callable is None else block.callable
            names = source_columns(block.sources)
            for h, (sample, haplotype) in enumerate(block.haplotypes):
                frames.append(
                    pd.DataFrame(
                        {
                            "chrom": block.chrom,
                            "start": bins * size,
                            "end": ends,
                            "sample": sample,
                            "haplotype": haplotype,
                            "posterior": block.posterior[h],
                            **({} if block.shares is None else dict(zip(names, block.shares[h].T, strict=True))),
                            "callable": known[h],
                        }
                    ).dropna(subset="posterior")
                )
        return pd.concat(frames, ignore_index=True)

    # --- training ---------------------------------------------------------------------------

    @classmethod
    def fit(cls, regions: Sequence[PathLike], *, output: PathLike, **options: Any) -> IntrogressionClassifier:
        """Train on labelled regions and save the model.

        See :func:`genolstm.introgression.train.train_model` for the options.
        """
        from genolstm.introgression.train import train_model

        return cls(train_model(regions, output=output, **options))

    def save(self, path: PathLike, *, force: bool = False) -> None:
        """Copy the model's file, byte for byte."""
        from genolstm.files import atomic_path

        if self.bundle.path is None:
            raise ModelError("this model was not read from a file")
        content = Path(self.bundle.path).read_bytes()
        with atomic_path(path, force=force) as temporary:
            temporary.write_bytes(content)

    def _repr_html_(self) -> str:
        rows = {"label": html.escape(shown(self.label)), "k": self.settings.k, "bin": f"{self.settings.bin} bp"}
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows.items())
        return f"<b>IntrogressionClassifier</b><table>{cells}</table>"
