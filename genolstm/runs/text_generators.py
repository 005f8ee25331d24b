"""``text generators``: FASTA in, how much what generators make is like real sequence out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.comparison.two_sample import TwoSampleSettings, two_sample_test
from genolstm.errors import GenolstmError, InputError, SettingError
from genolstm.fields import Fields, strict_json
from genolstm.files import Outputs, PathLike, atomic_text, check_folder, check_own_name, check_paths
from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.provenance import record
from genolstm.sequences.alphabet import decode
from genolstm.sequences.fasta import read_codes
from genolstm.text.corpus import Corpus, read_corpus
from genolstm.text.generators import INDEPENDENT, MAKERS, REAL, Made, Wanted, make_independent
from genolstm.text.judges import MixtureJudge, copied_share, divergences
from genolstm.text.parts import Parts, Windows, deal, divide
from genolstm.text.settings import GanSettings, GeneratorsSettings

if TYPE_CHECKING:
    import pandas as pd

#: What judges say, in the order of the tables.
MEASURES = ("jsd_2", "jsd_4", "jsd_6", "jsd_8", "accuracy", "auc", "copied", "bits", "cpu_seconds")
_BOUNDED = ("accuracy", "auc")
#: Columns of a run.
RUN_COLUMNS = (
    *("generator", "seed", "windows", "bases"),
    *("jsd_2", "jsd_4", "jsd_6", "jsd_8"),
    *("accuracy", "accuracy_low", "accuracy_high", "auc", "auc_low", "auc_high", "tested"),
    *("copied", "bits", "parameters", "bases_read", "cpu_seconds", "chosen"),
)
#: Settings that only some generators depend on.
_OWN = {"lstm": ("passes", "units"), "markov": ("max_order",), "gan": ("passes", "gan")}
_VERSION = 1
_SUFFIXES = (".tsv", ".txt")
_LARGE = 1 << 53


def account_path(output: PathLike) -> Path:
    """Return where the account of a comparison lies: ``X.json`` beside ``X.tsv``."""
    path = Path(output)
    return path.with_suffix(".json") if path.suffix in _SUFFIXES else Path(f"{output}.json")


@dataclass(frozen=True, repr=False, eq=False)
class Generators:
    """The results of a comparison of generators.

    Attributes
    ----------
    runs
        One row per generator and seed.
    account
        Settings, seeds, parts and versions.
    """

    runs: pd.DataFrame
    account: dict[str, Any]

    def summary(self) -> pd.DataFrame:
        """Return mean and range of each measure over the seeds, one row per generator.

        The bounds of accuracy and area are the lowest and the highest of the seeds' intervals.
        """
        import pandas as pd

        rows = []
        for generator, group in self.runs.groupby("generator", sort=False):
            row: dict[str, Any] = {"generator": generator, "seeds": len(group)}
            for name in MEASURES:
                row[name] = group[name].mean(skipna=False)
                row[f"{name}_min"], row[f"{name}_max"] = group[name].min(), group[name].max()
                if name in _BOUNDED:
                    row[f"{name}_low"], row[f"{name}_high"] = group[f"{name}_low"].min(), group[f"{name}_high"].max()
            for name in ("parameters", "bases_read"):
                row[name] = group[name].iloc[0]
            rows.append(row)
        return pd.DataFrame(rows)


def run(
    files: Sequence[PathLike],
    output: PathLike,
    settings: GeneratorsSettings | None = None,
    gan: GanSettings | None = None,
    *,
    judge: TwoSampleSettings | None = None,
    runs: PathLike | None = None,
    figure: PathLike | None = None,
    checkpoints: PathLike | None = None,
    force: bool = False,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> Generators:
    """Train generators on the same sequence, judge what they make alike, and write tables and a figure.

    Parameters
    ----------
    files
        FASTA.
    output
        Table of means and ranges; an account of settings, seeds and parts lies beside it, as ``.json``.
    judge
        The classifier of the two-sample test.
    runs
        Table with one row per generator and seed.
    figure
        Where to draw the comparison.
    checkpoints
        Folder of what is done, ``OUTPUT.training`` by default: a rerun goes on from there.
    progress
        Called with the row of each generator and seed as soon as it is available.

    Raises
    ------
    InputError
        A file is missing or malformed, or the sequence is too short to be divided.
    SettingError
        Settings do not fit the sequence, or the checkpoint is of another run.
    OutputError
        An output exists and ``force`` is false.
    MissingExtraError
        TensorFlow is not installed.
    """
    settings, gan, judge = settings or GeneratorsSettings(), gan or GanSettings(), judge or TwoSampleSettings()
    check_own_name(output, "a table")
    folder = Path(f"{output}.training" if checkpoints is None else checkpoints)
    account_file = account_path(output)
    names = (REAL, *settings.generators, INDEPENDENT)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    kept = [folder / f"{name}-{seed}{end}" for name in names for seed in seeds for end in (".json", ".fa")]
    kept += [folder / f"{name}-{seed}" / FILE_NAME for name in settings.generators for seed in seeds]
    check_paths(files, [output, account_file, runs, figure], force=force, kept=kept)
    check_folder(folder)
    if figure is not None:
        from genolstm.report.style import check_figure

        check_figure(figure, force=force)
    _need_tensorflow()
    corpus = read_corpus(files, "fasta")
    parts = divide(corpus, settings)
    # All that could be wrong with the sequence is found before the first generator is trained.
    dealt = {seed: deal(parts, settings, seed) for seed in seeds}
    done = _Done(folder, _fingerprint(corpus, settings, gan, judge))
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    comparison = _Comparison(parts, settings, gan, judge, done)
    for seed, (reference, real) in dealt.items():
        for name in names:
            row = comparison.row(name, seed, reference, real)
            rows.append(row)
            if progress is not None:
                progress(row)
    result = _result(rows, parts, files, settings, gan, judge)
    with Outputs(force=force) as written:
        if figure is not None:
            from genolstm.report.generators import save_generators

            save_generators(result.runs, figure, into=written)
        if runs is not None:
            written.text(runs).write(_tsv(result.runs))
        written.text(account_file).write(json.dumps(result.account, indent=2) + "\n")
        # Last, so that if the table is there, everything is.
        written.text(output).write(_tsv(result.summary()))
    return result


def _need_tensorflow() -> None:
    """Refuse at once what would fail after the first judge."""
    from genolstm.lstm.train.network import load_tensorflow

    load_tensorflow()


def _fingerprint(
    corpus: Corpus, settings: GeneratorsSettings, gan: GanSettings, judge: TwoSampleSettings
) -> dict[str, Any]:
    """Return what results depend on, so that a rerun may ask for more seeds or other generators."""
    digest = hashlib.sha256()
    for one in corpus.records:
        digest.update(f">{one.name}\n".encode())
        digest.update(one.codes.astype(np.uint8).tobytes())
    chosen = settings.to_dict()
    for free in ("generators", "seeds"):
        del chosen[free]
    return {"sequence": digest.hexdigest(), **chosen, "gan": gan.to_dict(), "judge": judge.to_dict()}


@dataclass(frozen=True)
class _Done:
    """What lies in the folder of a comparison, one generator and seed a time."""

    folder: Path
    fingerprint: dict[str, Any]

    def load(self, name: str, seed: int) -> Fields | None:
        """Return what was written of a generator and seed; None if nothing was."""
        path = self.folder / f"{name}-{seed}.json"
        if not path.exists():
            return None
        try:
            found = Fields(strict_json(path.read_bytes(), "it"), path=path)
            version, told = found.whole("version", 0, _LARGE), found.table("fingerprint")
        except (GenolstmError, OSError) as error:
            raise _damaged(path) from error
        wanted = json.loads(json.dumps(self._of(name)))
        of = dict(told.values)
        if version != _VERSION or of != wanted:
            other = sorted(key for key in {*of, *wanted} if of.get(key) != wanted.get(key)) or ["version"]
            raise SettingError(
                f"the checkpoint is of another run, which differs in: {', '.join(other)}",
                path=path,
                hint="name another folder with --checkpoints, or remove this one to start over",
            )
        return found

    def _of(self, name: str) -> dict[str, Any]:
        """Return what the result of one generator depends on: the settings of others may change."""
        others = {key for own, keys in _OWN.items() if own != name for key in keys} - set(_OWN.get(name, ()))
        return {key: value for key, value in self.fingerprint.items() if key not in others}

    def save(self, name: str, seed: int, content: Mapping[str, Any]) -> None:
        with atomic_text(self.folder / f"{name}-{seed}.json", force=True) as stream:
            whole = {"version": _VERSION, "fingerprint": self._of(name), **content}
            stream.write(json.dumps(whole, indent=2) + "\n")

    def save_windows(self, name: str, seed: int, windows: Windows) -> None:
        with atomic_text(self.folder / f"{name}-{seed}.fa", force=True) as stream:
            for number, codes in enumerate(windows.codes, start=1):
                stream.write(f">{name}-{seed}-{number}\n{decode(codes)}\n")

    def load_windows(self, name: str, seed: int, wanted: Wanted, window: int) -> Windows:
        path = self.folder / f"{name}-{seed}.fa"
        codes = [codes for _, codes in read_codes(path)] if path.exists() else []
        if len(codes) != wanted.windows or any(len(one) != window or one.max() > 3 for one in codes):
            raise _damaged(path)
        return Windows(np.stack(codes), np.arange(len(codes)) // wanted.per_sample)


def _damaged(path: Path) -> InputError:
    return InputError("the checkpoint is damaged", path=path, hint="remove the folder to start over")


@dataclass
class _Comparison:
    """Makes, judges and keeps, or takes what was kept."""

    parts: Parts
    settings: GeneratorsSettings
    gan: GanSettings
    judge: TwoSampleSettings
    done: _Done
    _mixture: MixtureJudge | None = None

    def row(self, name: str, seed: int, reference: Windows, real: Windows) -> dict[str, Any]:
        """Return the row of a generator and seed."""
        found = self.done.load(name, seed)
        if found is not None and "row" in found:
            return _read_row(found.table("row"), name, seed)
        made = self._made(name, seed, found, real)
        row = {
            "generator": name,
            "seed": seed,
            "windows": len(made.windows),
            "bases": int(made.windows.codes.size),
            **self._judged(made.windows, reference, seed),
            "parameters": made.parameters,
            "bases_read": made.bases_read,
            "cpu_seconds": None if made.cpu_seconds is None else round(made.cpu_seconds, 1),
            "chosen": made.chosen,
        }
        self.done.save(name, seed, {"row": row})
        return row

    def _made(self, name: str, seed: int, found: Fields | None, real: Windows) -> Made:
        if name == REAL:
            return Made(real)
        wanted = Wanted(len(real), len(np.unique(real.groups)), seed)
        if name == INDEPENDENT:
            return make_independent(self.parts, self.settings, wanted)
        if found is not None and "made" in found:
            told = found.table("made")
            return Made(
                self.done.load_windows(name, seed, wanted, self.settings.window),
                parameters=told.whole("parameters", 0, _LARGE),
                bases_read=told.whole("bases_read", 0, _LARGE),
                cpu_seconds=told.number("cpu_seconds", 0, 1e12) if "cpu_seconds" in told else None,
                chosen=told.word("chosen"),
            )
        folder = self.done.folder / f"{name}-{seed}"
        made = MAKERS[name](self.parts, self.settings, self.gan, wanted, folder)
        self.done.save_windows(name, seed, made.windows)
        account = {key: getattr(made, key) for key in ("parameters", "bases_read", "cpu_seconds", "chosen")}
        self.done.save(name, seed, {"made": account})
        return made

    def _judged(self, windows: Windows, reference: Windows, seed: int) -> dict[str, Any]:
        if self._mixture is None:
            self._mixture = MixtureJudge(self.parts.training)
        both = self.settings.reverse_complement
        spectra = divergences(windows.codes, self.parts.training, canonical=both)
        test = two_sample_test(
            (reference.codes, reference.groups), (windows.codes, windows.groups), seed=seed, settings=self.judge
        )
        return {
            **{f"jsd_{k}": value for k, value in spectra.items()},
            **test._asdict(),
            "copied": copied_share(windows.codes, self.parts.training),
            "bits": self._mixture.bits(windows, seed),
        }


def _read_row(fields: Fields, name: str, seed: int) -> dict[str, Any]:
    """Return a row as it was written, if it is one."""
    row: dict[str, Any] = {"generator": name, "seed": seed}
    try:
        for column in RUN_COLUMNS[2:]:
            if column == "chosen":
                row[column] = fields.word(column, "")
            elif column in ("windows", "bases", "tested"):
                row[column] = fields.whole(column, 1, _LARGE)
            elif column in ("parameters", "bases_read"):
                row[column] = fields.whole(column, 0, _LARGE) if column in fields else None
            else:
                row[column] = fields.number(column, 0, 1e12) if column != "cpu_seconds" or column in fields else None
    except GenolstmError as error:
        raise _damaged(Path(str(fields.path))) from error
    return row


def _result(
    rows: list[dict[str, Any]],
    parts: Parts,
    files: Sequence[PathLike],
    settings: GeneratorsSettings,
    gan: GanSettings,
    judge: TwoSampleSettings,
) -> Generators:
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    for column in ("parameters", "bases_read"):
        table[column] = table[column].astype("Int64")
    table["cpu_seconds"] = table["cpu_seconds"].astype(float)
    chosen = settings.to_dict()
    account = {
        **record(
            settings={"generators": chosen, "gan": gan.to_dict(), "judge": judge.to_dict()},
            inputs={str(i): path for i, path in enumerate(files, start=1)},
            seeds={"generators": list(range(settings.seed, settings.seed + settings.seeds)), "division": settings.seed},
        ),
        "parts": {
            "block": parts.block,
            "training_bases": parts.training.n_symbols,
            "validation_bases": parts.validation.n_symbols,
            "held_out_bases": replace(parts.training, records=parts.held_out).n_symbols,
            "held_out_groups": len(parts.held_out),
            "left_out_bases": parts.dropped,
        },
        "runs": rows,
    }
    return Generators(table, account)


def _tsv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(sep="\t", index=False, float_format="%.6g", na_rep="NA", lineterminator="\n")
    return "#" + text
