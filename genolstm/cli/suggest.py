"""Groups that say which command was meant."""

from __future__ import annotations

import click


class Suggesting(click.Group):
    """A group that says which command was meant; older versions of click do so for options only."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word, names = args[0], self.list_commands(ctx)
        if word not in names and not word.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            # Who types the beginning of a name means it, however much longer the name is.
            begun = [name for name in names if len(word) > 1 and name.startswith(word)]
            close = [f"'{name}'" for name in begun or get_close_matches(word, names)]
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"No such command {word!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)
