"""``genolstm align train``: on true alignments, by likelihood, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genolstm.alignment.context.model import aligner_metadata, read_aligner
from genolstm.alignment.context.terms import network_config
from genolstm.alignment.context.train import LONGEST, checkpoint_files
from genolstm.alignment.metadata import KIND
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.settings import AlignTrainSettings
from genolstm.alignment.simulate.pairs import SimulatedPair, SimulationSettings, simulate_pairs
from genolstm.errors import InputError
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.lstm.bundle.export import write_onnx
from genolstm.runs.align_train import _pieces, _split

pytestmark = [pytest.mark.usefixtures("folder"), pytest.mark.xdist_group("tensorflow")]
PAIRS = list(simulate_pairs(SimulationSettings(length=(50, 70), divergence=(0.1, 0.6)), 14, seed=77))


def cigar(pair: SimulatedPair) -> str:
    """The truth as PAF spells it, from the first to the last aligned column."""
    out, last = [], pair.pairs[0] - 1
    for i, j in pair.pairs:
        dq, dr = i - last[0] - 1, j - last[1] - 1
        out += [f"{dq}I"] * bool(dq) + [f"{dr}D"] * bool(dr)
        out.append("1=" if pair.query[i] == pair.reference[j] else "1X")
        last = np.array([i, j])
    return "".join(out)


def paf(k: int, pair: SimulatedPair) -> str:
    (q0, r0), (q1, r1) = pair.pairs[0], pair.pairs[-1] + 1
    n, m, size = len(pair.query), len(pair.reference), len(pair.pairs)
    fields = [f"q{k}", n, q0, q1, "+", f"r{k}", m, r0, r1, size, size, 60, f"cg:Z:{cigar(pair)}"]
    return "\t".join(map(str, fields)) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, side in (("q.fa", 0), ("r.fa", 1)):
        Path(name).write_text("".join(f">{name[0]}{k}\n{p.texts[side]}\n" for k, p in enumerate(PAIRS)))
    Path("truth.paf").write_text("".join(paf(k, p) for k, p in enumerate(PAIRS)))
    Path("pairs.tsv").write_text("".join(f"q{k}\tr{k}\n" for k in range(len(PAIRS))))
    config, rng = network_config(units=4, filters=4, kernel_size=3), np.random.default_rng(2)
    weights = {n: rng.normal(0, 0.1, s).astype(np.float32) for n, s in config.weight_shapes.items()}
    save_bundle(
        "start.genolstm",
        kind=KIND,
        members={"model.onnx": write_onnx(config, weights)},
        config=config,
        metadata=aligner_metadata(ParameterFamily()),
    )


ARGUMENTS = (
    "align",
    "train",
    "q.fa",
    "r.fa",
    "-o",
    "mine.genolstm",
    "--model",
    "start.genolstm",
    "--epochs",
    1,
    "--simulated",
    0.2,
    "--no-evalues",
    "-t",
    1,
    "-q",
)


@pytest.mark.parametrize("how", [("--truth", "truth.paf"), ("--pairs", "pairs.tsv")])
def test_a_model_of_ones_own_aligns(cli, how: tuple[str, ...]) -> None:
    got = cli(*ARGUMENTS, *how)
    assert (got.code, got.err) == (0, "")
    bundle = Bundle.open("mine.genolstm")
    assert bundle.metadata["held_out"]["pairs"] >= 1
    before = Bundle.open("start.genolstm")
    assert bundle.onnx != before.onnx
    assert bundle.provenance["inputs"]["q.fa"]["sha256"]
    assert read_aligner("mine.genolstm").family != ParameterFamily()
    got = cli("align", "score", "q.fa", "r.fa", "--one-to-one", "--model", "mine.genolstm")
    assert got.code == 0
    assert len(got.out.splitlines()) == len(PAIRS)
    if how[0] == "--truth":
        # A second run with the same seed, which knows nothing of the first, gives the same model.
        assert cli(*ARGUMENTS, *how, "--checkpoints", "b", "--force").code == 0
        assert Bundle.open("mine.genolstm").onnx == bundle.onnx


def test_a_network_is_trained_on_families(cli) -> None:
    rows = [gapped(pair) for pair in PAIRS]
    Path("f.sto").write_text(
        "".join(f"# STOCKHOLM 1.0\n#=GF ID f{k}\na {a}\nb {b}\n//\n" for k, (a, b) in enumerate(rows))
    )
    start = ("align", "train", "--families", "f.sto", "--context", "--model", "start.genolstm", "--epochs", 1)
    rest = ("--search", 0, "--no-evalues", "--simulated", 0, "-t", 1, "--force")
    got = cli(*start, *rest, "-o", "mine.genolstm")
    assert got.code == 0, got.err
    assert "phase 1 of 2: alignments" in got.err
    assert "the network trained on: F1 " in got.err
    first, kept = Bundle.open("mine.genolstm"), checkpoint_files("mine.genolstm.training")[1]
    written = kept.stat().st_mtime_ns
    # Where the training had ended, it goes on.
    assert cli(*start, *rest, "-o", "mine.genolstm").code == 0
    assert kept.stat().st_mtime_ns == written
    assert Bundle.open("mine.genolstm").metadata == first.metadata


def gapped(pair: SimulatedPair) -> tuple[str, str]:
    """The truth as two rows."""
    first, second, at = "", "", np.array([0, 0])
    for i, j in [*pair.pairs.tolist(), [len(pair.query), len(pair.reference)]]:
        q, r = pair.texts[0][at[0] : i], pair.texts[1][at[1] : j]
        first += q + "-" * len(r) + pair.texts[0][i : i + 1]
        second += "-" * len(q) + r + pair.texts[1][j : j + 1]
        at = np.array([i + 1, j + 1])
    return first, second


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.replace("=", "X", 1), "does not match the sequences"),
        (lambda t: t.replace("\tr3\t", "\trx\t"), "has no sequence of this name"),
        (lambda t: t.replace("cg:Z:", "xx:Z:"), "needs a CIGAR"),
        (lambda t: t.replace("\t+\t", "\t?\t"), "strand"),
        (lambda t: "", "holds no pairs"),
    ],
)
def test_a_wrong_truth_is_refused(cli, change, reason: str) -> None:
    Path("truth.paf").write_text(change(Path("truth.paf").read_text()))
    got = cli(*ARGUMENTS, "--truth", "truth.paf")
    assert got.code == 1
    assert reason in got.err
    assert got.err.count("\n") <= 2
    assert not Path("mine.genolstm").exists()


def test_pairs_that_all_share_a_sequence_cannot_be_split(cli) -> None:
    Path("pairs.tsv").write_text("".join(f"q{k}\tr0\n" for k in range(5)))
    got = cli(*ARGUMENTS, "--pairs", "pairs.tsv")
    assert got.code == 1
    assert "none can be held out" in got.err


def test_how_sequences_pair_has_to_be_said_once(cli) -> None:
    assert cli(*ARGUMENTS).code == 2
    assert cli(*ARGUMENTS, "--one-to-one", "--truth", "truth.paf").code == 2


def test_the_split_keeps_connected_pairs_together() -> None:
    names = [("a", "x"), ("b", "y"), ("a", "y"), ("c", "z"), ("d", "w"), ("c", "v")]
    for seed in range(8):
        train, held = _split(names, AlignTrainSettings(validation=0.3, seed=seed))
        assert sorted(train + held) == list(range(6))
        for side in (0, 1):
            assert not {names[k][side] for k in train} & {names[k][side] for k in held}
    with pytest.raises(InputError, match="no training pairs"):
        _split([], AlignTrainSettings())


def test_long_alignments_are_cut_at_aligned_residues() -> None:
    rng = np.random.default_rng(4)
    n = 3 * LONGEST
    query, reference = (rng.integers(0, 4, n, dtype=np.uint8) for _ in range(2))
    rows = np.setdiff1d(np.arange(n - 40), np.arange(500, 520))
    pairs = np.stack([rows, rows + (rows > 900) * 30], axis=1)
    pieces = list(_pieces(query, reference, pairs))
    assert sum(len(p.pairs) for p in pieces) == len(pairs)
    for piece in pieces:
        assert max(len(piece.query), len(piece.reference)) <= LONGEST
        assert tuple(piece.pairs[0]) == (0, 0)
        assert tuple(piece.pairs[-1] + 1) == (len(piece.query), len(piece.reference))
