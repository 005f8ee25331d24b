"""``genolstm info``: versions, models, threads and extras."""

from __future__ import annotations

import json

import click

from genolstm.cli import options
from genolstm.errors import shown, shown_json


@click.command(cls=options.Command)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info(as_json: bool) -> None:
    """Print versions, models, threads and extras.

    Give it with every report of a fault. It also tells where compiled loops are kept, and whether they can be:
    if they cannot, each command compiles them again.
    """
    from genolstm.runs.info import run

    found = run()
    if as_json:
        click.echo(shown_json(json.dumps(found, indent=2, ensure_ascii=False)))
        return
    compiled = found["compiled"]
    can = "can be written" if compiled["writable"] else "cannot be written"
    rows = [
        ("genolstm", f"{found['genolstm']} in {found['folder']}"),
        ("python", f"{found['python']}, {found['executable']}"),
        ("platform", found["platform"]),
        *((name, version or "not installed") for name, version in found["libraries"].items()),
        *((f"model {name}", f"sha256 {digest}") for name, digest in found["models"].items()),
        ("threads", str(found["threads"])),
        ("compiled code", "is not kept" if compiled["folder"] is None else f"{compiled['folder']}, {can}"),
        *((f"extra {name}", f"no: {', '.join(lacks)}" if lacks else "yes") for name, lacks in found["extras"].items()),
    ]
    for name, value in rows:
        click.echo(f"{shown(name)}\t{shown(value)}")
