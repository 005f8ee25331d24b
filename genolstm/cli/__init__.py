"""The command line: parses, calls one function, prints."""

from __future__ import annotations

import io
import os
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn, cast

import click

from genolstm import interrupts, program
from genolstm.cli.suggest import Suggesting
from genolstm.errors import GenolstmError, OutputError, cause, shown

_COMMANDS = {
    "align": "genolstm.cli.align:align",
    "cite": "genolstm.cli.cite:cite",
    "compare": "genolstm.cli.compare:compare",
    "encode": "genolstm.cli.encode:encode",
    "example": "genolstm.cli.example:example",
    "info": "genolstm.cli.info:info",
    "introgression": "genolstm.cli.introgression:introgression",
    "model": "genolstm.cli.model:model",
    "panel": "genolstm.cli.panel:panel",
    "text": "genolstm.cli.text:text",
    "warm-up": "genolstm.cli.warm_up:warm_up",
}
_SUMMARIES = {
    "align": "Align sequences, with a posterior for every column.",
    "cite": "Print how to cite GenoLSTM.",
    "compare": "Compare MLP, CNN, RNN, GRU and LSTM on labelled sequences.",
    "encode": "Turn FASTA into k-mer counts or one-hot windows.",
    "example": "Write example data and a script to begin with.",
    "info": "Print versions, models, threads and extras.",
    "introgression": "Find archaic segments in modern haplotypes.",
    "model": "Inspect, verify and export model bundles.",
    "panel": "Build and inspect k-mer panels.",
    "text": "Train on text or genomes, generate and score.",
    "warm-up": "Compile ahead what the first commands would compile.",
}


class LazyGroup(Suggesting):
    """Imports a command group only when it is called, so that ``--help`` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # a reader such as `head` has closed the pipe; click would exit 1
            _drop_stdout()
            raise click.exceptions.Exit(0) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The summaries are kept here so that listing the groups does not import them.
        with formatter.section("Commands"):
            formatter.write_dl([(name, _SUMMARIES[name]) for name in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("To begin with"):
            formatter.write_dl([("genolstm example DIR && sh DIR/run.sh", "a first scan, a page and an alignment")])


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from genolstm import __version__

        click.echo(f"genolstm {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version and exit.",
)
def cli(debug: bool) -> None:
    """Archaic introgression, alignment and sequence models on one LSTM core."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (bad input), 2 (usage), or 128 and the number of the signal that ended it.

    Without ``args`` it is the program itself, whose arguments, signals and streams it takes over.
    """
    if args is not None:
        _run(args)
        return
    program.begin()
    try:
        interrupts.install()
        _open_streams()
        _run(None)
    except BaseException:
        if interrupts.number() is None:
            interrupts.finish()
            raise
    interrupts.finish()
    # Also if the exception that a signal raised was lost on its way, or turned into another.
    number = interrupts.number()
    if number is not None:
        _drop_stdout()
        interrupts.clear()
        interrupts.say(number)
        sys.exit(128 + number)


def _run(args: list[str] | None) -> None:
    debug = "--debug" in (sys.argv if args is None else args)
    if debug:
        import logging

        logging.basicConfig(format="%(message)s")
        logging.getLogger("genolstm").setLevel(logging.INFO)
    try:
        cli.main(args=args, prog_name="genolstm", standalone_mode=False)
        _flush_stdout()
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.UsageError as error:
        _show(error)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        _show(error)
        sys.exit(1)
    except GenolstmError as error:
        if debug:
            traceback.print_exc()
        _fail(str(error))
    except OSError as error:
        # Whatever the code expects of a file is an error of its own; this is the system's word on the machine.
        if debug:
            raise
        _fail(f"{_place(error)}{cause(error)}")
    except UnicodeEncodeError as error:
        if debug:
            raise
        _fail(f"{error.object[error.start : error.end]!a} cannot be written in the encoding {error.encoding}")
    except MemoryError as error:
        if debug:
            raise
        _fail(f"out of memory{f' ({error})' if str(error) else ''}")
    except ImportError as error:
        if debug:
            raise
        _fail(f"a library cannot be loaded ({error}); see all of it with: genolstm --debug")


def _place(error: OSError) -> str:
    """Return the beginning of a message on what the system refused."""
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: "
    # Named files are errors of their own long before.
    return "standard output or a temporary file: "


def _fail(text: str) -> NoReturn:
    """Print a message as one line, and exit."""
    if interrupts.number() is None:  # or else it is only a consequence
        click.echo(shown(" ".join(text.split())), err=True)
    _drop_stdout()
    sys.exit(1)


class _Closed(io.TextIOBase):
    """A standard output that is closed: whoever writes to it is told so."""

    encoding, errors = "utf-8", "strict"

    def write(self, _text: str) -> int:
        raise OutputError("is closed", path="<stdout>")

    def flush(self) -> None: ...


def _open_streams() -> None:
    """Make the standard streams safe to use.

    Output that does not go to a terminal is UTF-8, as in files, whatever the locale; what a terminal cannot
    show is shown in another way.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (open to the end)
    if sys.stdout is None:
        sys.stdout = cast("Any", _Closed())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream is sys.stdout and not stream.isatty():
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
            else:
                stream.reconfigure(errors="backslashreplace")


def _flush_stdout() -> None:
    """Write what waits in Python's buffer: it is too late to complain about it at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
    except OSError as error:
        raise OutputError(f"cannot be written ({cause(error)})", path="<stdout>") from error


def _show(error: click.ClickException) -> None:
    """Print what click has to say; it repeats what the user, or a script, has given."""
    text = io.StringIO()
    error.show(text)
    click.echo(shown(text.getvalue().rstrip("\n"), keep="\n"), err=True)


def _drop_stdout() -> None:
    """Redirect stdout to nothing if its buffer cannot be written: Python would complain at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
