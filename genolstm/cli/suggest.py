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

            close = [f"'{name}'" for name in get_close_matches(word, names)]
            meant = f" Did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"No such command {word!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)
