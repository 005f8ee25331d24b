import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from support.lstm import CONFIGS, onnx_of, random_input, random_weights

from genolstm.cli import main
from genolstm.errors import InputError, ModelError, SettingError
from genolstm.introgression.doors.blocks import TrackBlock
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.gates import find_haplotype, haplotype_gates, haplotype_posterior, step_posteriors
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, save_bundle
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.cell import trace
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.gates import PARTS, inspect_gates, write_gates
from genolstm.report.gates import plot_gates, save_gates

EXAMPLE = "example_data/"
TEXT = LSTMConfig(
    input="embedding", vocabulary=6, input_units=3, units=4, layers=2, bidirectional=False, head="next", n_outputs=5
)
DNA = LSTMConfig(
    n_features=4, units=3, layers=1, bidirectional=False, head="classify", n_outputs=1, activation="sigmoid"
)


def make(path, config, kind, **metadata):
    members = {"model.onnx": onnx_of(config)}
    return save_bundle(path, kind=kind, members=members, config=config, metadata=metadata)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "rhyme.genolstm"
    make(path, TEXT, "text", alphabet="\n abc", symbols="text", mode="stream", window=4)
    return path


@pytest.fixture
def dna(tmp_path):
    path = tmp_path / "lstm-1.genolstm"
    make(path, DNA, "comparison", architecture="lstm", alphabet="ACGT", classes=["a", "b"], length=5)
    return path


@pytest.fixture(scope="module")
def shipped():
    return IntrogressionClassifier.load("archaic", threads=1)


@pytest.fixture(scope="module")
def example(request):
    return request.config.rootpath / "example_data"


@pytest.fixture(scope="module")
def track(shipped, example):
    vcf, target, outgroup, archaic = (
        example / name for name in ("region.vcf.gz", "target.txt", "outgroup.txt", "archaic.txt")
    )
    return find_haplotype(VcfDoor(vcf, target, outgroup, archaic).tracks(shipped.settings), "CEU1#1")


def call(*args):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args)])
    return stop.value.code


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("#")), delimiter="\t"))


# --- the table ----------------------------------------------------------------------------------


def test_gates_are_those_of_the_reference(tmp_path):
    config = CONFIGS["lstm-tag"]
    bundle = make(tmp_path / "m.genolstm", config, "x")
    x = random_input(config, 1, 9)[0]
    found = inspect_gates(bundle, x, layer=2, direction="backward", units=[5, 0])
    expected = trace(config, read_weights(bundle), x[None], layer=2, direction="backward")
    for part in PARTS:
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part)[0][:, [5, 0]], err_msg=part)
    table = found.table()
    assert len(table) == 18
    row = table[(table["start"] == 4) & (table["unit"] == 0)].iloc[0]
    assert row["forget"] == expected.forget[0, 4, 0]
    assert row["end"] == 5


def test_the_units_that_vary_most_come_first(tmp_path):
    config = CONFIGS["lstm-tag"]
    bundle = make(tmp_path / "m.genolstm", config, "x")
    x = random_input(config, 1, 30)[0]
    found = inspect_gates(bundle, x, top=3, shown=slice(5, 20))
    # Of the last layer, unless another is named.
    cell = trace(config, read_weights(bundle), x[None], layer=2).cell[0, 5:20]
    assert list(found.units) == np.argsort(-np.tanh(cell).std(axis=0))[:3].tolist()
    assert found.starts.tolist() == list(range(5, 20))


def test_half_life_of_a_constant_gate(tmp_path):
    config = LSTMConfig(n_features=1, units=2, layers=1, bidirectional=False)
    weights = {name: np.zeros(shape, np.float32) for name, shape in config.weight_shapes.items()}
    # Forget gates of 0.9 and 0.5, whatever is read.
    weights["lstm1/forward/bias"][2:4] = [np.log(9), 0]
    from genolstm.lstm.bundle.export import write_onnx

    bundle = save_bundle(
        tmp_path / "m.genolstm", kind="x", members={"model.onnx": write_onnx(config, weights)}, config=config
    )
    x = np.ones((20, 1))
    found = inspect_gates(bundle, x, units=[0, 1], starts=np.arange(20) * 1000, ends=np.arange(1, 21) * 1000)
    np.testing.assert_allclose(found.half_lives(), [np.log(0.5) / np.log(0.9), 1.0], rtol=1e-6)
    assert found.half_life_table()["half_life"].tolist() == pytest.approx([6578.8, 1000], rel=1e-4)
    assert "<table" in found._repr_html_()


def test_symbols_are_escaped(text):
    from genolstm.text.gates import sequence_gates

    found = sequence_gates(Bundle.open(text), "a\nb", units=[0], layer=1)
    stream = io.StringIO()
    write_gates(stream, [found])
    rows = rows_of(stream.getvalue())
    assert [row["symbol"] for row in rows] == ["a", "\\n", "b"]
    assert [row["start"] for row in rows] == ["0", "1", "2"]


def test_what_cannot_be_shown(tmp_path):
    config = CONFIGS["lstm-tag"]
    bundle = make(tmp_path / "m.genolstm", config, "x")
    x = random_input(config, 1, 9)[0]
    with pytest.raises(SettingError, match="no unit 7, the layer has units 0 to 6"):
        inspect_gates(bundle, x, units=[0, 7])
    with pytest.raises(SettingError, match="layers 1 to 2"):
        inspect_gates(bundle, x, layer=3)
    with pytest.raises(SettingError, match="no step to show"):
        inspect_gates(bundle, x, shown=slice(9, 9))
    with pytest.raises(ModelError, match="4 features, the network 5"):
        inspect_gates(bundle, x[:, :4])
    codes = make(tmp_path / "n.genolstm", TEXT, "x")
    with pytest.raises(ModelError, match="codes from 0 to 5"):
        inspect_gates(codes, np.array([0, 6]))
    other = save_bundle(tmp_path / "o.genolstm", kind="x", members={"model.onnx": onnx_of(config)})
    with pytest.raises(ModelError, match="custom network"):
        inspect_gates(other, x)
    gru = make(tmp_path / "g.genolstm", CONFIGS["gru-tag"], "x")
    with pytest.raises(SettingError, match="only an LSTM"):
        inspect_gates(gru, x)


# --- text and DNA -------------------------------------------------------------------------------


def test_a_stream_begins_with_a_boundary_that_is_not_shown(text):
    from genolstm.text.gates import sequence_gates

    bundle = Bundle.open(text)
    found = sequence_gates(bundle, "abca", layer=2, units=[0, 1, 2, 3])
    codes = np.array([[5, 2, 3, 4, 2]])
    expected = trace(TEXT, read_weights(bundle), codes, layer=2)
    np.testing.assert_array_equal(found.cell, expected.cell[0, 1:])
    part = sequence_gates(bundle, "abca", layer=2, units=[0, 1, 2, 3], shown=slice(2, 4))
    np.testing.assert_array_equal(part.cell, expected.cell[0, 3:])
    assert part.symbols == ("c", "a")
    assert part.starts.tolist() == [2, 3]


def test_a_genome_s_gates_keep_their_positions_behind_unknown_bases(tmp_path, capsys):
    path, fasta = tmp_path / "g.genolstm", tmp_path / "x.fa"
    config = replace(TEXT, vocabulary=5, n_outputs=4, layers=1)
    make(path, config, "text", alphabet="ACGT", symbols="dna", mode="stream", window=4)
    fasta.write_text(">one\nNNacNNNgt\n")
    main(["model", "gates", str(path), str(fasta), "--units", "2", "-q"])
    rows = rows_of(capsys.readouterr().out)
    assert [(row["start"], row["end"], row["symbol"]) for row in rows] == [
        ("2", "3", "A"),
        ("3", "4", "C"),
        ("4", "7", "N"),
        ("7", "8", "G"),
        ("8", "9", "T"),
    ]
    # What is read: boundaries for the beginning and for the gap.
    expected = trace(config, read_weights(Bundle.open(path)), np.array([[4, 0, 1, 4, 2, 3]]))
    cells = [float(row["cell"]) for row in rows]
    assert cells == pytest.approx(expected.cell[0, 1:, 2].tolist(), rel=1e-5)
    main(["model", "gates", str(path), str(fasta), "--units", "2", "--region", "6-8", "-q"])
    part = rows_of(capsys.readouterr().out)
    assert part == rows[3:4]
    assert call("model", "gates", path, "missing.fa") == 1
    assert "'missing.fa' is neither a file nor DNA" in capsys.readouterr().err


def test_the_command_on_text(text, tmp_path, capsys):
    half_lives, figure = tmp_path / "h.tsv", tmp_path / "g.svg"
    main(
        [
            "model",
            "gates",
            str(text),
            "ab ba",
            "--units",
            "3,1",
            "--layer",
            "1",
            "--half-lives",
            str(half_lives),
            "--figure",
            str(figure),
        ]
    )
    captured = capsys.readouterr()
    rows = rows_of(captured.out)
    assert [row["unit"] for row in rows] == ["3", "1"] * 5
    assert "".join(row["symbol"] for row in rows[::2]) == "ab ba"
    assert captured.err.count("half-life") == 2
    assert [row["unit"] for row in rows_of(half_lives.read_text())] == ["3", "1"]
    assert b"<svg" in figure.read_bytes()


def test_the_command_on_dna_reads_fasta_and_letters(dna, tmp_path, capsys):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">one\nACGTN\n>two\nGG\n")
    main(["model", "gates", str(dna), str(fasta), "ttaa", "--top", "1", "-q"])
    captured = capsys.readouterr()
    rows = rows_of(captured.out)
    assert [row["sequence"] for row in rows] == ["one"] * 5 + ["two"] * 2 + ["sequence2"] * 4
    assert "".join(row["symbol"] for row in rows) == "ACGTNGGTTAA"
    assert captured.err == ""
    bundle = Bundle.open(dna)
    x = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]], float)
    expected = trace(DNA, read_weights(bundle), x[None])
    unit = int(rows[-1]["unit"])
    assert float(rows[-1]["cell"]) == pytest.approx(expected.cell[0, 3, unit], rel=1e-5)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["xyz"], 1, "the model never saw 'x' 'y' 'z'\n"),
        (["abc", "--units", "9"], 1, "there is no unit 9, the layer has units 0 to 3"),
        (["abc", "--direction", "backward"], 1, "direction is 'backward'"),
        (["abc", "--region", "1-9"], 1, "the region ends at 9, sequence1 has 3 symbols"),
        (["abc", "--region", "elsewhere:1-2"], 1, "there is no sequence elsewhere"),
        (["abc", "--units", "x"], 2, "not a list of numbers"),
        (["abc", "--region", "5-2"], 2, "not a region such as"),
        (["abc", "--archaic", "x"], 2, "--archaic goes with models of introgression"),
        ([], 2, "name a SEQUENCE"),
        (["abc", "a", "--figure", "{}/f.svg"], 2, "a figure shows one sequence, not 2"),
        (["abc", "--figure", "{}/f.jpg"], 1, "a figure's name must end in"),
    ],
)
def test_bad_input_writes_nothing(text, tmp_path, capsys, args, code, message):
    before = sorted(tmp_path.iterdir())
    args = [arg.format(tmp_path) for arg in args]
    assert call("model", "gates", text, *args, "-o", tmp_path / "o.tsv") == code
    error = capsys.readouterr().err
    assert message in error
    assert code == 2 or error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_dna_that_is_neither_file_nor_dna(dna, capsys):
    assert call("model", "gates", dna, "missing.fa") == 1
    assert "'missing.fa' is neither a file nor DNA" in capsys.readouterr().err


# --- introgression ------------------------------------------------------------------------------


def test_both_doors_show_the_same(shipped, example, track):
    door = FastaDoor([example / "query.fa.gz"], example / "archaic.panel", example / "outgroup.panel")
    other = find_haplotype(door.tracks(shipped.settings), "CEU1#1", "chr21")
    assert other.name == track.name == "CEU1#1#chr21"
    assert other.length == track.length == 600_000
    # 31-mers that occur twice in the region tell the doors apart in a few bins only.
    assert (other.tracks != track.tracks).any(axis=1).mean() < 0.05


def test_a_region_is_read_with_its_context(shipped, track):
    whole = haplotype_gates(shipped, track, layer=2, units=[6, 26])
    part = haplotype_gates(shipped, track, layer=2, units=[6, 26], region=(430_500, 600_000))
    # One step reads two bins.
    assert (part.starts[0], part.ends[-1], len(part)) == (430_000, 600_000, 85)
    assert len(whole) == 300
    for name in PARTS:
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[215:], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("first", [1000, 1001])
def test_a_region_far_from_the_start_is_read_in_the_same_steps(shipped, track, first):
    """Where the context does not reach the start of the sequence, the bins must still pair up as they do from there."""
    long = replace(track, tracks=np.tile(track.tracks, (3, 1))[:1501], length=1_500_500)
    assert first > shipped.bundle.context
    whole = haplotype_gates(shipped, long, layer=1, units=[0, 1, 2])
    part = haplotype_gates(shipped, long, layer=1, units=[0, 1, 2], region=(first * 1000, first * 1000 + 20_000))
    step = int(np.flatnonzero(whole.starts == part.starts[0])[0])
    assert part.starts[0] <= first * 1000 < part.ends[0]
    assert part.ends[-1] >= first * 1000 + 20_000
    for name in PARTS:
        expected = getattr(whole, name)[step : step + len(part)]
        # Some of what a cell holds is older than the context.
        np.testing.assert_allclose(getattr(part, name), expected, rtol=0.01, atol=5e-3, err_msg=name)
    # The last step has one bin alone, and ends where the sequence does.
    assert (whole.starts[-1], whole.ends[-1], len(whole)) == (1_500_000, 1_500_500, 751)
    posterior = step_posteriors(shipped, long, whole)
    of_bins = haplotype_posterior(shipped, long)
    assert posterior[-1] == of_bins[-1]
    np.testing.assert_allclose(posterior[:-1], of_bins[:-1].reshape(-1, 2).mean(axis=1))


def test_gates_turn_at_the_edges_of_a_true_segment(shipped, track):
    # CEU1 haplotype 1 is archaic from 461,401 to 561,014.
    posterior = haplotype_posterior(shipped, track)
    assert posterior.shape == (600,)
    assert posterior[475:550].min() > 0.5 > posterior[400:450].max()
    gates = haplotype_gates(shipped, track, layer=2, units=range(32))
    cell = np.tanh(gates.cell)
    inside, outside = (cell[(gates.starts >= a) & (gates.ends <= b)].mean(axis=0) for a, b in (TRUE, BEFORE))
    assert np.abs(inside - outside).max() > 1.5
    # Some unit remembers for the length of a segment, most for a few bins.
    lives = gates.half_lives()
    assert lives.max() > 20
    assert np.median(lives) < 5


#: Stretches in a true segment, and before it.
TRUE, BEFORE = (475_000, 550_000), (400_000, 450_000)


def test_the_command_on_introgression(example, tmp_path, capsys):
    figure = tmp_path / "g.png"
    main(
        [
            "model",
            "gates",
            "archaic",
            "--vcf",
            str(example / "region.vcf.gz"),
            "--target",
            str(example / "target.txt"),
            "--outgroup",
            str(example / "outgroup.txt"),
            "--archaic",
            str(example / "archaic.txt"),
            "--haplotype",
            "CEU1#1",
            "--region",
            "chr21:455,001-470,000",
            "--figure",
            str(figure),
            "--top",
            "2",
        ]
    )
    captured = capsys.readouterr()
    rows = rows_of(captured.out)
    assert len(rows) == 16  # two units; eight steps of two bins, the first of which begins before the region
    assert rows[0]["sequence"] == "CEU1#1#chr21"
    assert (rows[0]["start"], rows[0]["end"], rows[0]["symbol"]) == ("454000", "456000", ".")
    assert (rows[-1]["start"], rows[-1]["end"]) == ("468000", "470000")
    assert " bp" in captured.err
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_which_haplotype():
    def blocks():
        yield TrackBlock("c1", [("x", "1"), ("x", "2")], 0, np.zeros((2, 3, 4)), None, False)
        yield TrackBlock("c1", [("x", "1"), ("x", "2")], 3, np.ones((2, 2, 4)), 4500, True)

    found = find_haplotype(blocks(), "x#2")
    assert found.tracks[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert found.length == 4500
    with pytest.raises(SettingError, match="no haplotype y#1; known: x#1, x#2"):
        find_haplotype(blocks(), "y#1")
    with pytest.raises(SettingError, match="there is no sequence c2; known: c1"):
        find_haplotype(blocks(), "x#1", "c2")
    with pytest.raises(SettingError, match="2 haplotypes match"):
        find_haplotype(blocks())


def test_a_region_beyond_the_end(shipped, track):
    with pytest.raises(InputError, match="beyond the end of the sequence"):
        haplotype_gates(shipped, track, region=(700_000, 800_000))


def test_introgression_needs_its_references(capsys):
    assert call("model", "gates", "archaic") == 2
    assert "give --vcf" in capsys.readouterr().err
    assert call("model", "gates", "archaic", "q.fa", "--archaic", "a.panel") == 2
    assert "need --outgroup" in capsys.readouterr().err


# --- Keras, figures -----------------------------------------------------------------------------


@pytest.mark.xdist_group("tensorflow")
def test_the_reference_agrees_with_keras_on_the_shipped_model(shipped, track):
    pytest.importorskip("tensorflow")
    from genolstm.lstm.bundle.saving import load_network
    from genolstm.lstm.cell import forward
    from genolstm.lstm.train.network import load_tensorflow

    _, keras = load_tensorflow()
    bundle = shipped.bundle
    model = load_network(bundle)
    x = track.tracks[None, 450:480]
    weights = read_weights(bundle)
    expected = forward(bundle.config, weights, x)
    assert np.abs(np.asarray(model(x)) - expected).max() <= 1e-6
    # The gates themselves: Keras' own cell, step by step, with the state that the trace has.
    for layer in (1, 2):
        wrapper = model.get_layer(f"lstm{layer}")
        below = keras.Model(model.inputs[0], wrapper.input)
        inputs = np.asarray(below(x))[0]
        for direction, one in (("forward", wrapper.forward_layer), ("backward", wrapper.backward_layer)):
            gates = trace(bundle.config, weights, x, layer=layer, direction=direction)
            steps = x.shape[1] // bundle.config.stride
            assert inputs.shape[0] == steps == 15
            order = range(steps) if direction == "forward" else range(steps - 1, -1, -1)
            h = c = np.zeros((1, bundle.config.units), np.float32)
            for t in order:
                _, (h, c) = one.cell(inputs[t : t + 1], [h, c])
                assert np.abs(np.asarray(c) - gates.cell[:, t]).max() <= 2e-6 * max(1, np.abs(gates.cell[:, t]).max())
                assert np.abs(np.asarray(h) - gates.hidden[:, t]).max() <= 1e-6


def test_figures(text, tmp_path):
    from genolstm.text.gates import sequence_gates

    found = sequence_gates(Bundle.open(text), "ab c\nba", layer=1)
    figure = plot_gates(found, curve=(found.starts, np.linspace(0, 1, 7), "p"), spans=[(2, 4)], title="a title")
    shown = [label.get_text() for label in figure.axes[5].get_xticklabels()]
    assert shown == list("ab␣c⏎ba")
    with pytest.raises(ValueError, match="no part 'peephole'"):
        plot_gates(found, parts=["peephole"])
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        save_gates(found, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    import matplotlib.pyplot as plt

    plt.close("all")


def test_no_tensorflow(text):
    import subprocess
    import sys

    code = (
        "import sys\nfrom genolstm.cli import main\n"
        f"main(['model', 'gates', {str(text)!r}, 'abc', '-q'])\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_shipped_models_have_gates_to_show():
    bundle = Bundle.open(find_bundle("archaic"))
    assert json.loads(json.dumps(bundle.config.to_dict()))["cell"] == "lstm"
    assert random_weights(bundle.config).keys() == read_weights(bundle).keys()
