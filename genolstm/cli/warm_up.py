"""``genolstm warm-up``: compile ahead what the first commands would compile."""

from __future__ import annotations

import click

from genolstm.cli import options


@click.command(cls=options.Command, name="warm-up")
@click.argument(
    "parts", metavar="[align|introgression|text]...", nargs=-1, type=click.Choice(["align", "introgression", "text"])
)
@options.threads
@options.quiet
def warm_up(parts: tuple[str, ...], threads: int, quiet: bool) -> None:
    """Compile ahead what the first commands after installing would compile.

    For images, clusters and shared installations: run it once, as somebody who can write the package's
    folder, or with NUMBA_CACHE_DIR set to a folder that all can read. Compiles for the processor that it
    runs on; by default, for all commands.
    """
    from genolstm.runs import warm_up

    def told(done: warm_up.Warmed) -> None:
        options.say(f"{done.part}: compiled in {done.seconds:.0f} s, kept in {done.folder}", quiet=quiet)

    warm_up.run(tuple(dict.fromkeys(parts)), threads=threads, progress=told)
