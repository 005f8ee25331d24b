"""The introgression classifier: load or train a model, scan haplotypes."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import ModelError, SettingError, shown
from genolstm.files import PathLike
from genolstm.introgression.channels import CLASSES, SLOTS
from genolstm.introgression.doors.blocks import (
    SPAN,
    Door,
    Predictor,
    Stages,
    Totals,
    TrackBlock,
    posterior_blocks,
    prefetch,
)
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.likeness import Comparison, Likeness, Profile
from genolstm.introgression.metadata import read_metadata
from genolstm.introgression.segments import PosteriorBlock, Segment, SegmentDecoder
from genolstm.introgression.settings import (
    DEFAULT_MODEL,
    LABELLING,
    NETWORK,
    SCAN,
    TRACKS,
    TRAINING,
    UNKNOWN_SOURCE,
    UNNAMED,
    VARIANTS,
    Baseline,
    DecodeSettings,
    IntrogressionTraining,
    ScanSettings,
    TrackSettings,
    VariantSettings,
)
from genolstm.introgression.threshold import Expected, Levels
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.held import Held, Turned
from genolstm.lstm.bundle.runtime import PART_STEPS, Runtime
from genolstm.lstm.calibration import apply_calibration
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.sequences.panel.settings import MEMORY
from genolstm.threads import count_threads

if TYPE_CHECKING:
    import pandas as pd

    from genolstm.introgression.doors.fasta import Panels
    from genolstm.introgression.doors.vcf import Files, Masks, Names, Paths, Region
    from genolstm.introgression.result import IntrogressionResult
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
    totals: Totals = dataclass_field(default_factory=Totals)
    levels: Levels = dataclass_field(default_factory=Levels)
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
    """A trained model that finds archaic segments in modern haplotypes.

    It is what a bundle of kind ``introgression`` says, ready to scan; nothing about it changes after it is
    loaded. It is no scikit-learn estimator: :class:`~genolstm.introgression.estimator.TrackClassifier` is one.

    Parameters
    ----------
    bundle
        A model of kind ``introgression``.
    threads
        Threads to use; 0 means all cores.

    Examples
    --------
    >>> model = IntrogressionClassifier.load("archaic")        # doctest: +SKIP
    >>> found = model.scan("query.fa.gz", archaic="nea.panel", outgroup="yri.panel")  # doctest: +SKIP
    >>> found.segments, found.expected, found.summary()  # doctest: +SKIP
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
        haplotypes: str = "record",
        sharing: bool | None = None,
        skip_short: bool = False,
        memory: int | None = MEMORY,
        threshold: float | None = None,
        fdr: float | None = None,
        min_length: int = ScanSettings.min_length,
        bridge: int = ScanSettings.bridge,
        baseline: Baseline | None = None,
        posteriors: bool = False,
        evidence: bool = False,
        progress: Callable[[TrackBlock], None] | None = None,
    ) -> IntrogressionResult:
        """Scan query FASTA.

        Parameters
        ----------
        query
            FASTA file, or a list of them.
        archaic
            Panel or file of the archaic; several of them by the names of their sources; None for no archaic.
        outgroup
            Panel of the outgroup, or its file.
        haplotypes, sharing, skip_short, memory
            As in :class:`~genolstm.introgression.doors.fasta.FastaDoor`.
        threshold, fdr, min_length, bridge
            How segments are cut, as in :meth:`decode_settings`.
        baseline
            Name of the baseline to use instead of the network.
        posteriors, evidence
            Keep the posteriors of all bins, or the sites of all segments, so that the result need not scan
            again when it is asked for them. Without, memory does not grow with the number of bins.
        progress
            Called with each block after it is read.

        Returns
        -------
        IntrogressionResult
            Its ``segments`` are a DataFrame with the columns of the BED output; positions are 0-based half-open,
            in the query's own coordinates.
        """
        from genolstm.introgression.doors.fasta import FastaDoor

        paths = [query] if isinstance(query, str | os.PathLike) else list(query)
        return self.scan_door(
            FastaDoor(paths, archaic, outgroup, haplotypes, sharing, skip_short, memory),
            ScanSettings(baseline, threshold, fdr, min_length, bridge),
            posteriors=posteriors,
            evidence=evidence,
            progress=progress,
        )

    def scan_vcf(
        self,
        vcf: Files | VariantReader,
        *,
        target: Names = (),
        outgroup: Names = (),
        archaic: Names | Mapping[str, Names] | None = (),
        chrom: str | Sequence[str] | None = None,
        allow_unphased: bool = False,
        callable_mask: Masks = None,
        exclude_mask: Masks = None,
        span: int = SPAN,
        archaic_vcf: Files | Mapping[str, Files] = (),
        outgroup_vcf: Files = (),
        outgroup_frequencies: Paths = (),
        field: str | None = None,
        samples: PathLike | None = None,
        region: Sequence[Region] = (),
        regions: Paths = (),
        target_callable: Masks = None,
        target_exclude: Masks = None,
        outgroup_callable: Masks = None,
        outgroup_exclude: Masks = None,
        archaic_callable: Masks = None,
        archaic_exclude: Masks = None,
        settings: VariantSettings = VARIANTS,
        threshold: float | None = None,
        fdr: float | None = None,
        min_length: int = ScanSettings.min_length,
        bridge: int = ScanSettings.bridge,
        baseline: Baseline | None = None,
        posteriors: bool = False,
        evidence: bool = False,
        progress: Callable[[TrackBlock], None] | None = None,
    ) -> IntrogressionResult:
        """Scan samples of VCF, BCF or VCF Zarr.

        Parameters
        ----------
        vcf, target, outgroup, archaic, chrom, allow_unphased, callable_mask, exclude_mask, span, archaic_vcf
            As in :class:`~genolstm.introgression.doors.vcf.VcfDoor`, like all up to ``settings``.
        threshold, fdr, min_length, bridge, baseline, posteriors, evidence, progress
            As in :meth:`scan`.
        """
        from genolstm.introgression.doors.vcf import VcfDoor

        door = VcfDoor(
            vcf,
            target=target,
            outgroup=outgroup,
            archaic=archaic,
            chrom=chrom,
            allow_unphased=allow_unphased,
            callable_mask=callable_mask,
            exclude_mask=exclude_mask,
            span=span,
            archaic_vcf=archaic_vcf,
            outgroup_vcf=outgroup_vcf,
            outgroup_frequencies=outgroup_frequencies,
            field=field,
            samples=samples,
            region=region,
            regions=regions,
            target_callable=target_callable,
            target_exclude=target_exclude,
            outgroup_callable=outgroup_callable,
            outgroup_exclude=outgroup_exclude,
            archaic_callable=archaic_callable,
            archaic_exclude=archaic_exclude,
            settings=settings,
        )
        return self.scan_door(
            door,
            ScanSettings(baseline, threshold, fdr, min_length, bridge),
            posteriors=posteriors,
            evidence=evidence,
            progress=progress,
        )

    def scan_door(
        self,
        door: Door,
        settings: ScanSettings = SCAN,
        *,
        posteriors: bool = False,
        evidence: bool = False,
        progress: Callable[[TrackBlock], None] | None = None,
    ) -> IntrogressionResult:
        """Scan an input of any kind; :meth:`scan` and :meth:`scan_vcf` are this for the two there are.

        Parameters
        ----------
        door
            As in :meth:`open`.
        settings
            Which predictor to use, and how to cut segments.
        posteriors, evidence, progress
            As in :meth:`scan`.
        """
        from genolstm.introgression.exports import Lengths
        from genolstm.introgression.result import IntrogressionResult, alone, doubts

        decode = self.decode_settings(**asdict(settings))
        scan = self.open(door, decode=decode, baseline=settings.baseline, progress=progress)
        scan.decoder.keep_sites = evidence
        found: list[Segment] = []
        frames: list[pd.DataFrame] = []
        lengths = Lengths(self.settings.bin)
        for block in scan.blocks:
            lengths.add(block)
            found += scan.decoder.add(block)
            if posteriors:
                frames += self._frames(block)
        more, expected = scan.decide()
        found = sorted(found + more)
        comparison = scan.compare()
        return IntrogressionResult(
            model=self,
            door=door,
            settings=settings,
            sources=self.sources(door),
            threshold=expected.threshold,
            # The baseline's posteriors are not calibrated.
            expected=expected if settings.baseline is None else None,
            totals=scan.totals,
            lengths=lengths.of,
            warnings=[*doubts(scan.totals), *comparison.warnings(), *door.warnings()],
            left_out=[*alone(door), *door.left_out()],
            comparison=comparison,
            found=found,
            _kept={"posteriors": _joined(frames)} if posteriors else {},
            _sites=scan.decoder.evidence if evidence else {},
        )

    def posteriors(self, result: ScanResult) -> pd.DataFrame:
        """Run a prepared scan and return the posterior of every bin as a table.

        ``callable`` is the share of a bin's k-mers that could be compared: where it is below
        :data:`~genolstm.introgression.settings.LEAST_CALLABLE`, the posterior is the prior.
        """
        return _joined([frame for block in result.blocks for frame in self._frames(block)])

    def _frames(self, block: PosteriorBlock) -> Iterator[pd.DataFrame]:
        """Yield the posteriors of each haplotype of a block as a table."""
        import pandas as pd

        from genolstm.introgression.formats import source_columns

        size = self.settings.bin
        bins = np.arange(block.posterior.shape[1]) + block.first_bin
        ends = (bins + 1) * size
        if block.length is not None:
            ends = np.minimum(ends, block.length)
        known = np.ones_like(block.posterior) if block.callable is None else block.callable
        names = source_columns(block.sources)
        for h, (sample, haplotype) in enumerate(block.haplotypes):
            yield pd.DataFrame(
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

    # --- training ---------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        regions: Sequence[PathLike],
        *,
        output: PathLike,
        network: LSTMConfig = NETWORK,
        settings: TrainingSettings = TRAINING,
        options: IntrogressionTraining = LABELLING,
        tracks: TrackSettings = TRACKS,
        folder: PathLike | None = None,
        log_csv: PathLike | None = None,
        progress: bool = True,
        force: bool = False,
        threads: int = 0,
    ) -> IntrogressionClassifier:
        """Train on labelled regions and save the model.

        This is a constructor, and not the ``fit`` of a scikit-learn estimator, which
        :class:`~genolstm.introgression.estimator.TrackClassifier` has. All arguments but ``threads`` are those of
        :func:`genolstm.introgression.train.train_model`.
        """
        from genolstm.introgression.train import train_model

        bundle = train_model(
            regions,
            output=output,
            network=network,
            settings=settings,
            options=options,
            tracks=tracks,
            folder=folder,
            log_csv=log_csv,
            progress=progress,
            force=force,
        )
        return cls(bundle, threads=threads)

    def save(self, path: PathLike, *, force: bool = False) -> None:
        """Copy the model's file, byte for byte."""
        from genolstm.files import atomic_path

        if self.bundle.path is None:
            raise ModelError("this model was not read from a file")
        content = Path(self.bundle.path).read_bytes()
        with atomic_path(path, force=force) as temporary:
            temporary.write_bytes(content)

    def _facts(self) -> list[tuple[str, str]]:
        """Return what a person should know at a glance."""
        bundle = self.bundle
        return [
            ("model", f"{shown(bundle.name)} (sha256 {bundle.digest[:12]})"),
            ("label", shown(self.label)),
            ("k", str(self.settings.k)),
            ("bin", f"{self.settings.bin} bp"),
            ("size", f"{len(bundle.onnx) / 1e6:.2f} MB"),
            ("baselines", ", ".join(BASELINES) if self.metadata.hmm is not None else "none"),
            ("threads", str(self.threads)),
        ]

    def __repr__(self) -> str:
        return f"<IntrogressionClassifier {', '.join(f'{name}: {value}' for name, value in self._facts())}>"

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in self._facts())
        return f"<b>IntrogressionClassifier</b><table>{cells}</table>"


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
