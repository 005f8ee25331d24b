"""Mutated model files: damaged, and resealed by somebody who knows the format."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.fuzz import corpus, counts, fuzz, mutate
from support.hostile import MAGIC, good_bundles, relisted, sealed, unzipped, zipped

from genolstm.alignment.context.model import read_aligner
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.comparison.gates import sequence_gates
from genolstm.introgression.channels import CHANNELS, CLASSES
from genolstm.introgression.metadata import SEQUENCE_ONLY
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.sequence_only.scorer import SequenceScorer
from genolstm.lstm.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from genolstm.runs.model import run_open, run_verify
from genolstm.sequences.alphabet import encode
from genolstm.text.generator import TextGenerator

WORDS = [
    *(b'"context"', b'"tile"', b'"config"', b"null", b"true", b'"units"', b"NaN", b"Infinity", b"1e999", b'"\\ud800"'),
    *(b"[[[[", b"LSTM", b"Loop", b"head/kernel", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", MAGIC),
]
Use = Callable[[Path], None]


def use_any(path: Path) -> None:
    """Opens a model and prints what `model info` and `card` print."""
    bundle = run_open(path)
    for name, value in bundle.summary():
        assert name.isprintable()
        assert value.isprintable()
    json.dumps(bundle.manifest(), allow_nan=False)
    assert isinstance(bundle.card if "card.md" in bundle.members else "", str)


def use_introgression(path: Path) -> None:
    use_any(path)
    model = IntrogressionClassifier.load(path, threads=1)
    tracks = np.ones((2, 30, len(CHANNELS)), np.float32)
    for baseline in (None, "hmm"):
        if baseline and model.metadata.hmm is None:
            continue
        model.decode_settings(baseline=baseline if model.metadata.hmm_threshold is not None else None)
        (found,) = model.predictor(baseline).stream([tracks])
        assert found.shape == (2, 30, len(CLASSES))
        assert ((found >= 0) & (found <= 1)).all()
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-4)


def use_alignment(path: Path) -> None:
    use_any(path)
    parts = read_aligner(path)
    assert parts.name
    scorer = AlignmentScorer.load(path)
    found = scorer.align("ACGTTGCAACGGTACA", "ACGTTGCATCGGTACA")
    assert math.isfinite(found.bits)
    assert np.isfinite(found.posteriors).all()


def use_text(path: Path) -> None:
    use_any(path)
    model = TextGenerator.load(path, threads=1)
    written = model.sample(n=5, seed=1)
    assert set(written) <= set(model.alphabet)
    assert np.isfinite(model.bits(model.alphabet)[1:]).all() if model.mode == "stream" else True


def use_comparison(path: Path) -> None:
    use_any(path)
    bundle = run_open(path)
    run_verify(path)
    if bundle.config is not None and bundle.config.cell == "lstm":
        assert np.isfinite(sequence_gates(bundle, "ACGTACGT", top=1).cell).all()


def use_sequence_only(path: Path) -> None:
    use_any(path)
    scorer = SequenceScorer.load(path, threads=1)
    for found in scorer.score(encode("ACGTTGCAACGNTACA" * 4)):
        assert ((found.probability >= 0) & (found.probability <= 1) | np.isnan(found.probability)).all()


USES: dict[str, Use] = {
    "introgression": use_introgression,
    "alignment": use_alignment,
    "text": use_text,
    "comparison": use_comparison,
    SEQUENCE_ONLY: use_sequence_only,
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return good_bundles(tmp_path_factory.mktemp("models"))


@counts(5000, 60)
@pytest.mark.parametrize("kind", USES)
def test_damaged_bundles(count: int, kind: str, good: dict[str, bytes], tmp_path: Path) -> None:
    """Bytes as they come: the digest finds every change."""
    fuzz(USES[kind], [good[kind]], count, tmp_path / "m.genolstm", words=WORDS)


def archived(data: bytes, random: np.random.Generator) -> bytes:
    """Changes the archive around the members and its directory, and seals it again."""
    body = data[:-64]
    parts = [place for mark in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06") for place in _places(body, mark)]
    at = parts[int(random.integers(len(parts)))]
    changed = body[:at] + mutate(body[at : at + 60], random, WORDS) + body[at + 60 :]
    if random.random() < 0.2:
        changed = mutate(body[: -len(MAGIC)], random, WORDS) + MAGIC
    return sealed(changed)


def _places(body: bytes, mark: bytes) -> list[int]:
    found, at = [], body.find(mark)
    while at >= 0:
        found.append(at)
        at = body.find(mark, at + 1)
    return found


@counts(5000, 60)
@pytest.mark.parametrize("kind", USES)
def test_resealed_archives(count: int, kind: str, good: dict[str, bytes], tmp_path: Path) -> None:
    fuzz(USES[kind], [good[kind], *corpus("bundles")], count, tmp_path / "m.genolstm", change=archived)


def remade(data: bytes, random: np.random.Generator) -> bytes:
    """Changes a member, and lists and seals it rightly; half of the time it is the manifest."""
    members = unzipped(data)
    name = "manifest.json"
    if random.random() < 0.5:
        name = sorted(members)[int(random.integers(len(members)))]
    if name != "manifest.json":
        return zipped(relisted({**members, name: mutate(members[name], random, WORDS)}))
    manifest = json.loads(members[name])
    part = ["metadata", "config", "provenance", "kind"][int(random.choice(4, p=[0.6, 0.3, 0.05, 0.05]))]
    text = json.dumps(manifest[part]).encode()
    whole = json.dumps({**manifest, part: "@"}).encode().replace(b'"@"', mutate(text, random, WORDS), 1)
    return zipped({**members, name: whole})


@counts(5000, 60)
@pytest.mark.parametrize("kind", USES)
def test_resealed_members(count: int, kind: str, good: dict[str, bytes], tmp_path: Path) -> None:
    fuzz(USES[kind], [good[kind], *corpus("bundles")], count, tmp_path / "m.genolstm", change=remade)


# --- checkpoints --------------------------------------------------------------------------------


def use_checkpoint(path: Path) -> None:
    found = load_checkpoint(path.parent, {"data": {"x": 1}})
    assert found is not None
    progress, variables, best = found
    assert progress.epoch == len(progress.history)
    assert sum(array.nbytes for array in [*variables, *best]) <= path.stat().st_size


@counts(5000)
@pytest.mark.parametrize("resealed", [False, True])
def test_checkpoints(count: int, resealed: bool, tmp_path: Path) -> None:
    history = [{"epoch": 1, "loss": 0.5, "metric": float("nan")}, {"epoch": 2, "loss": 0.25, "metric": 0.5}]
    save_checkpoint(
        tmp_path,
        progress=Progress(epoch=2, step=3, loss_sum=1.0, best_epoch=1, best_score=0.5, history=history),
        fingerprint={"data": {"x": 1}},
        variables=[np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7)],
        best=[np.ones(3, np.float32)],
    )
    path = tmp_path / "checkpoint.npz"
    progress, variables, best = load_checkpoint(tmp_path, {"data": {"x": 1}}) or (None, [], [])
    assert progress is not None
    assert math.isnan(progress.history[0]["metric"])
    assert progress.history[1] == history[1]
    assert [array.tolist() for array in variables] == [[[0, 1, 2], [3, 4, 5]], 7]
    assert best[0].tolist() == [1, 1, 1]
    seed = path.read_bytes()
    fuzz(
        use_checkpoint,
        [seed, *corpus("checkpoints")],
        count,
        path,
        words=WORDS,
        change=renumbered if resealed else None,
    )


def renumbered(data: bytes, random: np.random.Generator) -> bytes:
    """Changes an array or the state, with the right checksums."""
    members = unzipped(data)
    name = sorted(members)[int(random.integers(len(members)))] if random.random() < 0.5 else "state.npy"
    content = members[name]
    if name == "state.npy" and random.random() < 0.8:
        head, text = content[:128], content[128:]
        text = mutate(text, random, WORDS)
        head = head.replace(str(len(content) - 128).encode(), str(len(text)).encode().ljust(3)[:9], 1)
        content = head[:128].ljust(128) + text
    else:
        content = mutate(content, random, WORDS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for one, whole in members.items():
            target.writestr(one, content if one == name else whole)
    return packed.getvalue()
