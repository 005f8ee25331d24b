"""The command line: parses, calls one function, prints."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from genolstm.errors import GenolstmError, shown

_COMMANDS = {
    "align": "genolstm.cli.align:align",
    "compare": "genolstm.cli.compare:compare",
    "encode": "genolstm.cli.encode:encode",
    "introgression": "genolstm.cli.introgression:introgression",
    "model": "genolstm.cli.model:model",
    "panel": "genolstm.cli.panel:panel",
    "text": "genolstm.cli.text:text",
}
_SUMMARIES = {
    "align": "Align sequences, with a posterior for every column.",
    "compare": "Compare MLP, CNN, RNN, GRU and LSTM on labelled sequences.",
    "encode": "Turn FASTA into k-mer counts or one-hot windows.",
    "introgression": "Find archaic segments in modern haplotypes.",
    "model": "Inspect, verify and export model bundles.",
    "panel": "Build and inspect k-mer panels.",
    "text": "Train on text or genomes, generate and score.",
}


class LazyGroup(click.Group):
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
    """Run the command line; exit 0, 1 (bad input), 2 (usage) or 130 (interrupted)."""
    debug = "--debug" in (sys.argv if args is None else args)
    try:
        cli.main(args=args, prog_name="genolstm", standalone_mode=False)
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
        click.echo(str(error), err=True)
        _drop_stdout()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC or debug:
            raise
        click.echo(f"no space left on the device ({error.filename or 'stdout'})", err=True)
        _drop_stdout()
        sys.exit(1)


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
