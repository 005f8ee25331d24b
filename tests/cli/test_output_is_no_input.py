"""No command writes over what it reads, nor to one place twice, whatever --force says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import click
import pytest

from genolstm.cli import cli as commands
from genolstm.errors import OutputError
from genolstm.files import check_paths
from genolstm.introgression.regions import REGION_FILES

# What a parameter of this name is: a file to write, or a name of something that is no file. All other
# texts and paths are files to read.
WRITTEN = {
    *("output", "table", "bedgraph", "unknown", "report", "runs", "gradients", "figure", "models", "onnx", "keras"),
    *("half_lives", "positions", "checkpoints", "log", "annotate"),
    *("track", "bigwig", "bigwig_haplotypes", "summary", "multiqc", "repeats"),
}
NO_FILE = {
    *(
        "query_name",
        "reference_name",
        "architectures",
        "generators",
        "chrom",
        "haplotype",
        "field",
        "label",
        "prompt",
        "filters",
    ),
    *(
        "archaics",
        "donors",
        "named",
        "former_model",
        "segment",
        "sample",
        "state",
        "min_score",
        "min_length",
        "population",
    ),
}
# Of one name, but not of one kind.
SPECIAL = {
    ("align score", "posteriors"): True,
    ("introgression scan", "posteriors"): True,
    ("introgression scan", "evidence"): True,
    ("text score", "weights"): True,
    ("introgression simulate", "target"): None,
    ("introgression simulate", "outgroup"): None,
    ("example", "folder"): None,  # there is nothing that it reads
    ("text generate", "files"): None,  # the model's former place
}

# Every command that writes: words that begin with @ are inputs. Two lines where inputs exclude each other.
LINES = [
    "align gather @parts @other",
    "align msa @family --model @model",
    "align plot @query @reference --model @model",
    "align reliability @query @reference --truth @truth --model @model",
    "align score @query @reference --pairs @pairs --model @model",
    "align search @query @reference --model @model",
    "align train @query @reference --pairs @pairs --model @model",
    "align train @query @reference --truth @truth --model @model",
    "align train --families @families --context --model @model",
    "compare @fasta --labels @labels",
    "encode kmers @fasta",
    "encode onehot @fasta",
    "introgression compare @ours @others --truth @truth --maps @maps --callable @callable_mask --samples @samples",
    "introgression compare @ours @others --maps @maps --genome @genome",
    "introgression evaluate @segments @truth --posteriors @posteriors",
    "introgression gather @parts @other",
    "introgression plot @segments --truth @truth --posteriors @posteriors --genome @genome",
    "introgression plot @segments --view frequency --samples @samples --manifest @manifest",
    "introgression report @segments --posteriors @posteriors --samples @samples --truth @truth --manifest @manifest"
    " --evidence @evidence",
    "introgression scan @query @other --archaic @archaic --outgroup @outgroup --model @model",
    "introgression scan --vcf @vcf --target @target --archaic @archaic --outgroup @outgroup --samples @samples"
    " --archaic-vcf @archaic_vcf --outgroup-vcf @outgroup_vcf --model @model --regions @regions"
    " --callable @callable_mask --exclude @exclude_mask --target-callable @target_callable"
    " --target-exclude @target_exclude --outgroup-callable @outgroup_callable --outgroup-exclude @outgroup_exclude"
    " --archaic-callable @archaic_callable --archaic-exclude @archaic_exclude",
    "introgression scan --vcf @vcf --target a --archaic b --outgroup-frequencies @outgroup_frequencies --field AF",
    "introgression summary @segments --samples @samples --manifest @manifest",
    "introgression score @query --model @model",
    "introgression train @regions",
    "introgression train --mode sequence @regions --labels @labels",
    "model export @model",
    "model gates @model @sequences",
    "model gates @model --vcf @vcf --archaic @archaic --outgroup @outgroup --target @target --haplotype a#1",
    "panel build @fasta @other",
    "text generate --model @model",
    "text generators @files @other",
    "text score @files @other --model @model --mix --history @history --held-out @held_out",
    "text train @files --held-out @held_out",
]
# Folders: which of the files in them a run writes.
FOLDERS = {"models": "lstm-1.genolstm", "checkpoints": "checkpoint.npz", "bigwig_haplotypes": "S.1.bw"}
#: Folders within those, by command.
WITHIN = {"align train": "phase0", "text generators": "gan-1"}


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for own in command.list_commands(context):
        found = command.get_command(context, own)
        assert found is not None
        yield from leaves(found, f"{name} {own}".strip())


ALL = dict(leaves(commands))


def writes(name: str, parameter: click.Parameter) -> bool | None:
    """Return whether a parameter is a file to write; None if it is no file at all."""
    assert parameter.name is not None
    if (name, parameter.name) in SPECIAL:
        return SPECIAL[name, parameter.name]
    if not isinstance(parameter.type, click.Path | click.types.StringParamType) or parameter.name in NO_FILE:
        return None
    return parameter.name in WRITTEN


def outputs(name: str) -> dict[str, str]:
    """Return the options of a command that name files to write, by the parameter's name."""
    return {str(one.name): one.opts[-1] for one in ALL[name].params if writes(name, one)}


def command_of(line: str) -> str:
    return next(name for name in sorted(ALL, key=len, reverse=True) if line.startswith(name))


def test_no_command_is_forgotten() -> None:
    missing = []
    for name, command in ALL.items():
        lines = " ".join(line for line in LINES if command_of(line) == name)
        if not outputs(name) or name == "introgression simulate":
            continue
        inputs = {str(one.name) for one in command.params if writes(name, one) is False}
        if name == "model gates":
            assert "model" in inputs
        missing += [f"{name}: {one}" for one in sorted(inputs) if f"@{one}" not in lines]
    assert not missing, "add these inputs to LINES, or say in NO_FILE or WRITTEN what they are"
    assert {name for name in ALL if outputs(name)} == {*map(command_of, LINES), "introgression simulate"}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arguments(line: str, folder: Path) -> tuple[list[str], dict[str, Path]]:
    """Return a line's words with its inputs made, and the file of each."""
    words, made = [], {}
    for word in line.split():
        if word.startswith("@"):
            path = folder / word[1:]
            if word == "@regions" and line.startswith("introgression train") and "--labels" not in line:
                path.mkdir(exist_ok=True)
                for name in REGION_FILES:
                    (path / name).write_text(name)
                made |= {f"{word}/{name}": path / name for name in REGION_FILES}
            else:
                path.write_text(f">{word}\nACGT\n")
                made[word] = path
            word = str(path)
        words.append(word)
    return words, made


def options(line: str, given: dict[str, Path]) -> list[str]:
    """Return the outputs of a command: those given, and the others that it needs."""
    name = command_of(line)
    words = []
    for parameter, option in outputs(name).items():
        needed = next(one for one in ALL[name].params if one.name == parameter).required
        if parameter in given:
            words += [option, str(given[parameter])]
        elif needed or (name == "model export" and parameter == "onnx" and not given):
            words += [option, "elsewhere.svg"]
    return [*words, "--force"]


@pytest.mark.parametrize("line", LINES)
def test_an_output_is_no_input(line: str, inputs: Path, cli) -> None:
    words, made = arguments(line, inputs)
    before = {name: path.read_bytes() for name, path in made.items()}
    tried = 0
    for parameter in outputs(command_of(line)):
        for name, path in made.items():
            target = path
            if parameter in FOLDERS:
                folder = inputs / f"folder{tried}"
                folder.mkdir()
                within = folder / WITHIN.get(command_of(line), ".")
                within.mkdir(exist_ok=True)
                os.link(path, within / FOLDERS[parameter])
                target = folder
            found = cli(*words, *options(line, {parameter: target}))
            said = (line, parameter, name, found)
            assert found.code == 1, said
            assert "is also an input; write elsewhere" in found.err, said
            assert found.err.count("\n") == 1, said
            tried += 1
    assert tried
    assert {name: path.read_bytes() for name, path in made.items()} == before


@pytest.mark.parametrize("line", LINES)
def test_two_outputs_are_two_files(line: str, inputs: Path, cli) -> None:
    words, _ = arguments(line, inputs)
    files = [parameter for parameter in outputs(command_of(line)) if parameter not in FOLDERS]
    for pair in combinations(files, 2):
        found = cli(*words, *options(line, dict.fromkeys(pair, inputs / "same.svg")))
        assert (found.code, found.err) == (1, f"{inputs / 'same.svg'}: is given for two outputs\n"), (line, pair)
    assert not (inputs / "same.svg").exists()


def test_what_lies_beside_an_output_is_one(inputs: Path, cli) -> None:
    line = "introgression scan @x.json @x.bed.gz.tbi --archaic @archaic --outgroup @outgroup"
    words, made = arguments(line, inputs)
    for output, clash in (("x.bed", "x.json"), ("x.bed.gz", "x.json")):
        found = cli(*words, "-o", output, "--force")
        assert (found.code, found.err) == (1, f"{clash}: is also an input; write elsewhere\n")
    (inputs / "x.json").unlink()
    words[2:4] = words[3:4]
    found = cli(*words, "-o", "x.bed.gz", "--index", "--force")
    assert (found.code, found.err) == (1, "x.bed.gz.tbi: is also an input; write elsewhere\n")
    assert made["@x.bed.gz.tbi"].read_bytes().startswith(b">")


def test_a_simulation_does_not_write_over_its_demography(inputs: Path, cli) -> None:
    source = Path(__file__).parents[1] / "data" / "admixture.yaml"
    shutil.copy(source, inputs / "mine.yaml")
    (inputs / "out").mkdir()
    (inputs / "out" / "truth.bed").symlink_to(inputs / "mine.yaml")
    roles = ["--target", "target", "--outgroup", "outgroup", "--archaic", "archaic", "--archaic-time", "1500"]
    rates = ["--mutation-rate", "1e-8", "--recombination-rate", "1e-8", "--length", "10000"]
    found = cli("introgression", "simulate", "--demography", "mine.yaml", *roles, *rates, "-o", "out", "--force")
    assert (found.code, found.err) == (1, "out/truth.bed: is also an input; write elsewhere\n")
    assert (inputs / "mine.yaml").read_bytes() == source.read_bytes()


def test_a_model_that_comes_with_the_program_is_an_input(inputs: Path, cli, monkeypatch) -> None:
    from genolstm.lstm.bundle import bundle

    shipped = inputs / "shipped"
    shipped.mkdir()
    (shipped / "dna.genolstm").write_bytes((bundle._MODELS / "dna.genolstm").read_bytes())
    monkeypatch.setattr(bundle, "_MODELS", shipped)
    (inputs / "a.fa").write_text(">a\nACGT\n")
    found = cli("align", "score", "a.fa", "a.fa", "--model", "dna", "-o", "shipped/dna.genolstm", "--force")
    assert (found.code, found.err) == (1, "shipped/dna.genolstm: is also an input; write elsewhere\n")


# --- ways to name one file ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", ["same", "dot", "slashes", "up", "symlink", "chain", "folder", "hardlink", "fd", "proc"]
)
def test_every_way_to_name_an_input(inputs: Path, way: str) -> None:
    path = inputs / "x"
    path.write_text("x")
    (inputs / "sub").mkdir()
    with path.open("r+") as stream:
        if way == "symlink":
            (inputs / "link").symlink_to("x")
        elif way == "chain":
            (inputs / "sub" / "other").symlink_to("../x")
            (inputs / "link").symlink_to("sub/other")
        elif way == "folder":
            (inputs / "link").symlink_to(inputs)
        elif way == "hardlink":
            os.link(path, inputs / "link")
        name = {
            "same": path,
            "dot": "./x",
            "slashes": f"{inputs}//x",
            "up": "sub/../x",
            "folder": "link/x",
            "fd": f"/dev/fd/{stream.fileno()}",
            "proc": f"/proc/self/fd/{stream.fileno()}",
        }.get(way, "link")
        # In either place.
        for given, written in ((path, name), (name, path)):
            with pytest.raises(OutputError, match="is also an input"):
                check_paths([given], [written], force=True)
        check_paths([path, None], [inputs / "y", None, os.devnull], force=True)


def test_standard_streams_are_followed(inputs: Path) -> None:
    (inputs / "x").write_text("x")
    keep = os.dup(0)
    try:
        with (inputs / "x").open() as stream:
            os.dup2(stream.fileno(), 0)
        for name in ("-", "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"):
            with pytest.raises(OutputError, match="is also an input"):
                check_paths([name], [inputs / "x"], force=True)
    finally:
        os.dup2(keep, 0)
        os.close(keep)


def test_nothing_is_written_into_an_input_or_over_its_index(inputs: Path) -> None:
    (inputs / "store.vcz" / "call").mkdir(parents=True)
    (inputs / "x.vcf.gz").touch()
    for name in ("store.vcz/x", "store.vcz/call/x", "sub/../store.vcz/x"):
        (inputs / "sub").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="lies in an input"):
            check_paths([inputs / "store.vcz"], [name], force=True)
    check_paths([inputs / "store.vcz"], ["store.vcz.bed"], force=True)
    for suffix in (".tbi", ".csi", ".fai", ".gzi"):
        beside = Path(f"{inputs / 'x.vcf.gz'}{suffix}")
        check_paths([inputs / "x.vcf.gz"], [beside], force=True)  # there is none to be lost
        beside.touch()
        with pytest.raises(OutputError, match="is also an input"):
            check_paths([inputs / "x.vcf.gz"], [beside], force=True)


def test_pipes_and_hard_links_are_not_written_to_twice(inputs: Path) -> None:
    os.mkfifo("pipe")
    (inputs / "x").touch()
    os.link("x", "y")
    for pair in (["pipe", "pipe"], ["x", "y"]):
        with pytest.raises(OutputError, match="is given for two outputs"):
            check_paths([], pair, force=True)
