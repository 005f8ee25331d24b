"""What is no file on disk: pipes as inputs, what is open already as outputs; marks and line ends of text."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from support import EXAMPLE

from genolstm.cli import main
from genolstm.errors import InputError, OutputError
from genolstm.files import (
    Meter,
    Outputs,
    atomic_path,
    atomic_text,
    check_inputs,
    check_output,
    check_outputs,
    is_file_output,
    is_regular,
    open_input,
    read_block,
    read_lines,
)
from genolstm.provenance import describe_input, record
from genolstm.sequences.fasta import read_records

MARK = b"\xef\xbb\xbf"


class Dribble(io.RawIOBase):
    """Gives one byte at a time, as a slow pipe does."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer, /) -> int:
        piece = self.data.read(min(1, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator:
    """A named pipe into which something is written once."""
    writers = []

    def make(content: bytes, name: str = "pipe") -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        writers.append(threading.Thread(target=path.write_bytes, args=(content,), daemon=True))
        writers[-1].start()
        return path

    yield make
    for writer in writers:
        writer.join(5)
        assert not writer.is_alive()


# --- inputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("given", "found"),
    [(MARK + b"a\n", b"a\n"), (b"a\n", b"a\n"), (MARK, b""), (b"", b""), (MARK[:2], MARK[:2]), (MARK * 2, MARK)],
)
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, fifo, monkeypatch, pack, given, found) -> None:
    (tmp_path / "x").write_bytes(pack(given))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(given))))
    for path in (tmp_path / "x", fifo(pack(given)), "-"):
        with open_input(path) as stream:
            assert stream.read() == found
    with open_input(tmp_path / "x", keep_mark=True) as stream:
        assert stream.read() == given


def test_a_pipe_that_gives_one_byte_at_a_time(monkeypatch) -> None:
    for content in (gzip.compress(MARK + b"ab\ncd"), MARK + b"ab\ncd"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Dribble(content), 1)))
        assert list(read_lines("-")) == [(1, "ab"), (2, "cd")]


def test_standard_input_is_read_once(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x\n")))
    assert list(read_lines("-")) == [(1, "x")]
    with pytest.raises(InputError, match="<stdin>: can be read only once"):
        open_input("-")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="<stdin>: is closed"):
        open_input("-")


def test_what_cannot_be_read_twice_is_given_once(tmp_path: Path, fifo) -> None:
    pipe = fifo(b"")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(pipe)
    check_inputs([tmp_path / "file", tmp_path / "file", pipe, "-", None, tmp_path / "none", os.devnull, os.devnull])
    for paths in (["-", "-"], [pipe, pipe], [pipe, tmp_path / "link"]):
        with pytest.raises(InputError, match="is given for two inputs, and can be read only once"):
            check_inputs(paths)
    assert (is_regular(tmp_path / "file"), is_regular(pipe), is_regular("-")) == (True, False, False)
    open_input(pipe).close()


def test_a_meter_counts_what_lies_on_disk(tmp_path: Path) -> None:
    packed = gzip.compress(b"line\n" * 10_000)
    (tmp_path / "x.gz").write_bytes(packed)
    (tmp_path / "x").write_bytes(MARK + b"line\n")
    meter = Meter()
    with open_input(tmp_path / "x.gz", meter=meter) as stream:
        assert len(stream.read()) == 50_000
    assert meter.done == len(packed)
    with open_input(tmp_path / "x", meter=meter) as stream:
        stream.read()
    assert meter.done == len(packed) + 5


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\rb\rc\r", ["a", "b", "c"]),
        (b"a\rb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\rb\r\rc\n", ["a", "", "b", "", "c"]),
        (b"\r\n\r\n", ["", ""]),
        (MARK + b"a\r", ["a"]),
    ],
)
def test_line_ends_of_any_kind(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    (tmp_path / "x").write_bytes(content)
    assert list(read_lines(tmp_path / "x")) == list(enumerate(lines, start=1))


def test_the_line_of_what_is_no_text_counts_all_line_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\rb\r\xff\r")
    with pytest.raises(InputError, match="is not text") as error:
        list(read_lines(tmp_path / "x"))
    assert error.value.line == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_blocks_have_line_feeds(size: int) -> None:
    stream = io.BytesIO(b"ab\r\ncd\ref\n\r\r\ng\r")
    blocks = list(iter(lambda: read_block(stream, size), b""))
    assert b"".join(blocks) == b"ab\ncd\nef\n\n\ng\n"
    assert all(blocks)


def test_a_pipe_has_no_digest(tmp_path: Path, fifo) -> None:
    (tmp_path / "x").write_text("x\n")
    (tmp_path / "store" / "deep").mkdir(parents=True)
    (tmp_path / "store" / "deep" / "part").write_text("12345")
    os.utime(tmp_path / "store" / "deep" / "part", (86400, 86400))
    os.utime(tmp_path / "x", (0, 0))
    pipe = fifo(b"")
    digest = "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac"
    assert describe_input(tmp_path / "x") == {"file": "x", "sha256": digest}
    assert describe_input(tmp_path / "x", large=2) == {"file": "x", "sha256": digest}
    sized = {"file": "x", "bytes": 2, "modified": "1970-01-01T00:00:00+00:00"}
    assert describe_input(tmp_path / "x", large=1) == sized
    assert describe_input(pipe) == {"file": "<pipe>"}
    assert describe_input("-") == {"file": "<stdin>"}
    stored = {"file": "store", "files": 1, "bytes": 5, "modified": "1970-01-02T00:00:00+00:00"}
    assert describe_input(tmp_path / "store") == stored
    assert record(inputs={"a": tmp_path / "x", "b": "-"}, large=1)["inputs"] == {"a": sized, "b": {"file": "<stdin>"}}
    open_input(pipe).close()


def test_the_command_names_no_folder(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/genolstm", "--vcf=/home/me/x.vcf", "/a/b.fa", "k=/no/option", "--k=3"])
    assert record()["command"] == ["genolstm", "--vcf=x.vcf", "b.fa", "k=/no/option", "--k=3"]


# --- outputs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_what_is_open_is_written_to_as_it_is(tmp_path: Path, form: str) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    path = tmp_path / "x"
    path.write_text("KEPT\n")
    with path.open("a") as stream:
        place = form.format(stream.fileno())
        if form == "link":
            place = str(tmp_path / "link")
            Path(place).symlink_to(f"/dev/fd/{stream.fileno()}")
        assert not is_file_output(place)
        check_output(place, force=False)
        with atomic_text(place) as out:
            out.write("text\n")
        with atomic_path(place) as temporary:
            temporary.write_bytes(b"bytes\n")
        with pytest.raises(FileNotFoundError), atomic_path(place) as temporary:
            temporary.unlink()  # as if a writer failed: nothing is copied
        assert not temporary.exists()
        with pytest.raises(OutputError, match="is given for two outputs"):
            check_outputs([place, f"/dev/fd/{stream.fileno()}"], force=True)
    assert path.read_text() == "KEPT\ntext\nbytes\n"


def test_what_is_not_open_for_writing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("kept")
    with (tmp_path / "x").open() as stream:
        place = f"/dev/fd/{stream.fileno()}"
        with pytest.raises(OutputError, match=f"{place}: is open for reading, not for writing"):
            check_output(place, force=True)
    with pytest.raises(OutputError, match=f"{place}: is not open"):
        check_output(place, force=True)
    assert (tmp_path / "x").read_text() == "kept"


def test_standard_output_has_two_names(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("-", "/dev/stdout"):
        check_output(path, force=False)
        with atomic_text(path) as stream:
            stream.write("text ")
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"bytes")
        assert capsys.readouterr().out == "text bytes"
    with atomic_text("/dev/stderr") as stream:
        stream.write("said")
    assert capsys.readouterr() == ("", "said")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="/dev/stdout: is given for two outputs"):
        check_outputs(["-", "/dev/stdout"], force=True)


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "none" / "x")
    for write in (check_output, lambda path, force: atomic_text(path, force=force).__enter__()):
        with pytest.raises(OutputError, match=f"{tmp_path}/none: the output folder does not exist"):
            write(link, force=True)
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OutputError, match="a: cannot be written"):
        check_output(tmp_path / "a", force=True)


def test_outputs_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("old")

    def write(*, fail: bool) -> None:
        with Outputs(force=True) as outputs:
            for name in "abc":
                outputs.text(tmp_path / name).write(f"new {name}")
            assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == ["b"]
            if fail:
                raise KeyError

    with pytest.raises(KeyError):
        write(fail=True)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"b": "old"}
    write(fail=False)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: f"new {name}" for name in "abc"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_failure_of_one_output_takes_the_others_back(tmp_path: Path) -> None:
    def write() -> None:
        with Outputs() as outputs:
            for path in (tmp_path / "a", "/dev/full", tmp_path / "c"):
                outputs.text(path).write("x")

    with pytest.raises(OutputError, match="No space left"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["-", "/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("introgression train x", "a model"),
        ("introgression simulate", "a folder"),
        ("text train x", "a model"),
        ("align train x y --one-to-one", "a model"),
    ],
)
def test_what_is_more_than_one_file(tmp_path: Path, monkeypatch, capsys, command: str, what: str, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "-o", place])
    name = "<stdout>" if place == "-" else place
    assert (stop.value.code, capsys.readouterr()) == (1, ("", f"{name}: {what} needs a name of its own\n"))
    assert list(tmp_path.iterdir()) == []


# --- commands -----------------------------------------------------------------------------------


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    place = {
        "G": f"{sys.executable} -m genolstm",
        "EX": str(EXAMPLE),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, **place}, text=True, capture_output=True, timeout=60
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A folder with two haplotypes of 30 kb, and what a scan and a panel of them are."""
    folder = tmp_path_factory.mktemp("small")
    records = islice(read_records(EXAMPLE / "query.fa.gz"), 2)
    (folder / "q.fa").write_text("".join(f">{r.name}\n{r.sequence[:30_000].decode()}\n" for r in records))
    made = shell(
        "$G introgression scan q.fa --archaic $EX/archaic.panel --outgroup $EX/outgroup.panel -o x.bed -q"
        " && $G panel build q.fa -o q.panel -q",
        folder,
    )
    assert made.returncode == 0, made.stderr
    return folder


SCAN = "$G introgression scan {} --archaic $EX/archaic.panel --outgroup $EX/outgroup.panel -q -o {}"


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_a_query_from_a_pipe(small: Path) -> None:
    found = shell(SCAN.format("<(gzip -c q.fa)", "-"), small)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == (small / "x.bed").read_text()
    twice = shell(f"cat q.fa | {SCAN.format('- -', '-')}", small)
    assert (twice.returncode, twice.stdout) == (1, "")
    assert twice.stderr == "<stdin>: is given for two inputs, and can be read only once\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_standard_output_of_commands(small: Path) -> None:
    panel = "$G panel build q.fa -q -o {} | sha256sum"
    asked = {place: shell(panel.format(place), small).stdout for place in ("-", "/dev/stdout")}
    assert set(asked.values()) == {shell("sha256sum < q.panel", small).stdout}
    assert not (small / "-").exists()
    piped = shell("$G panel build <(cat q.fa) -q -o p.panel; $G panel info p.panel --json; rm p.panel", small)
    assert '"file": "<pipe>"' in piped.stdout
    assert "sha256" not in piped.stdout.split('"inputs"')[1].split("]")[0]
    arrays = shell("$G encode onehot q.fa -q -o - > a.npz; $G encode onehot q.fa -q -o b.npz; cmp a.npz b.npz", small)
    assert (arrays.returncode, arrays.stdout, arrays.stderr) == (0, "", "")
    kept = shell(f"echo KEPT > y; {SCAN.format('q.fa', '/dev/stdout')} >> y; cat y; rm y", small)
    assert kept.stdout == "KEPT\n" + (small / "x.bed").read_text()
    gone = shell(f"{SCAN.format('q.fa', '/dev/stdout')} | head -c 1", small)
    assert (gone.stdout, gone.stderr) == ("#", "")
