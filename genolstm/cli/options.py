"""Options that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

force = click.option("--force", is_flag=True, help="Replace outputs that exist already.")
threads = click.option(
    "-t", "--threads", type=click.IntRange(min=0), default=0, show_default="all cores",
    help="Threads to use; 0 means all cores.",
)  # fmt: skip
seed = click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Random seed."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
