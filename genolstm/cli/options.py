"""Options that several commands share, each written once, and the commands that take them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import click
from click.core import ParameterSource

from genolstm import program
from genolstm.cli import help as layout
from genolstm.cli.numbers import NumberRange, WholeRange
from genolstm.cli.suggest import Suggesting
from genolstm.errors import shown as shown_text
from genolstm.numbers import LAST_POSITION, duration
from genolstm.sequences.panel.settings import LEAST_MEMORY, MEMORY
from genolstm.settings import Range, Setting, describe
from genolstm.terminal import Seldom, line_away, terminal_line
from genolstm.threads import available_cores

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command that refuses an option given twice, of which only the last would count.

    Excepted are options that may be repeated, and flags, whose repetition changes nothing; a flag
    and its opposite are refused.
    """

    def make_parser(self, ctx: click.Context) -> Any:
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def checked(args: list[str]) -> tuple[dict[str, Any], list[str], list[click.Parameter]]:
            words = list(args)
            found = parse(args=args)
            _refuse_repeated(ctx, words, found[2])
            return found

        parser.parse_args = checked  # type: ignore[method-assign]
        return parser

    def invoke(self, ctx: click.Context) -> Any:
        program.run_command(layout.path_of(ctx), available_cores())
        return super().invoke(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The line of usage is the first thing that names what options take.
        layout.name_values(self, layout.path_of(ctx))
        super().format_usage(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, rows in layout.grouped(self, ctx, layout.path_of(ctx)):
            with formatter.section(heading):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        layout.write_examples(formatter, layout.path_of(ctx))
        super().format_epilog(ctx, formatter)


class Group(Suggesting):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Whole first sentences, where click would cut them to one line.
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, one.get_short_help_str(1000)) for name, one in commands.items() if one and not one.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _refuse_repeated(ctx: click.Context, words: Sequence[str], order: Sequence[click.Parameter]) -> None:
    """Raise a usage error if an option that counts once is given twice; ``order`` has an entry for each time."""
    if ctx.resilient_parsing or any(option.is_eager for option in order):  # such as --help
        return
    for option in dict.fromkeys(order):
        if not isinstance(option, click.Option) or option.multiple or option.count or order.count(option) == 1:
            continue
        if not option.is_flag:
            raise click.UsageError(f"{_spelled(option, words)} is given twice", ctx)
        given = set(words[: words.index("--")] if "--" in words else words)
        if given & set(option.opts) and given & set(option.secondary_opts):
            raise click.UsageError(f"{option.opts[0]} and {option.secondary_opts[0]} contradict each other", ctx)


def _spelled(option: click.Option, words: Sequence[str]) -> str:
    """Return the spelling that the user chose, or the longest one."""
    used = [name for name in option.opts if any(word == name or word.startswith(f"{name}=") for word in words)]
    return max(used or option.opts, key=len)


force = click.option("--force", is_flag=True, help="Replace existing outputs.")
threads = click.option(
    "-t",
    "--threads",
    type=WholeRange(min=0),
    default=0,
    show_default="all cores",
    help="Number of threads to use; 0 means all cores.",
)
seed = click.option("--seed", type=WholeRange(min=0), default=1, show_default=True, help="Random seed.")


def _tell_of_compiling(_context: click.Context, _param: click.Parameter, value: bool) -> bool:
    """Say, unless ``quiet``, when loops begin to be compiled: nothing else happens for seconds."""

    def tell() -> None:
        from genolstm.compiled import kept_in

        rest = "this takes seconds, once" if kept_in() else "each time, as there is no folder to keep it in"
        ahead = "genolstm warm-up does it ahead" if kept_in() else "set NUMBA_CACHE_DIR to one that can be written"
        say(f"compiling: {rest}; {ahead}", quiet=False)

    program.when_compiling(None if value else tell)
    return value


quiet = click.option(
    "-q", "--quiet", is_flag=True, callback=_tell_of_compiling, help="Print nothing but errors and warnings to stderr."
)


@contextlib.contextmanager
def status(what: str, text: Callable[..., str], *, quiet: bool) -> Iterator[Callable[..., None] | None]:
    """Show progress on stderr if that is a terminal; ``text`` turns the counts into words."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with terminal_line(what, "{desc}") as shown:
        often = Seldom()

        def update(*counts: Any) -> None:
            if often.allows():
                shown.set_description_str(shown_text(text(*counts)))

        yield update


#: Seconds between two lines of progress where no bar can be drawn.
_PAUSE = 30.0


@contextlib.contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[str, float | None], None] | None]:
    """Show on stderr how much is done: a bar with the time left on a terminal, a line now and then elsewhere.

    The function that is yielded takes a text and the share that is done, or None if that is not
    known. A share smaller than the one before begins anew, as for another sequence.
    """
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    with terminal_line(what, "{desc} {bar:30} {percentage:3.0f}% {remaining}") as shown:
        often = Seldom()

        def update(text: str, share: float | None) -> None:
            total, done = (None, 0.0) if share is None else (1.0, share)
            if done < shown.n or total != shown.total:
                shown.reset(total)
            shown.n = done
            if often.allows():
                shown.set_description_str(shown_text(text))

        yield update


class _Lines:
    """Tells on stderr, at most every half minute, how much is done and how long the rest will take."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.begun = self.told = time.monotonic()
        self.share = 0.0

    def __call__(self, text: str, share: float | None) -> None:
        now = time.monotonic()
        if share is not None and share < self.share:
            self.begun = now
        self.share = share or 0.0
        if now - self.told < _PAUSE:
            return
        self.told = now
        done = f", {100 * self.share:.0f} %" if share is not None else ""
        left = (now - self.begun) * (1 - self.share) / self.share if self.share else 0.0
        rest = f", about {duration(left)} left" if left else ""
        click.echo(shown_text(f"{self.what} {text}{done}{rest}"), err=True)


def settings(
    base: Any,
    *names: str,
    into: str = "settings",
    changes: bool = False,
    **flags: str | tuple[str, ...] | dict[str, Any],
) -> Callable[[F], F]:
    """Add the options of a settings class to a command, with the class's defaults, ranges and help.

    Parameters
    ----------
    base
        The class, or an instance whose values are the defaults.
    names
        Fields that become options, in this order; by default all of them.
    into
        Parameter of the command that receives the settings object.
    changes
        Pass only a dict of the values the user gave, for commands whose defaults depend on more
        than the class, such as a model or a preset.
    flags
        By field: the option's spelling (or spellings) if it is not the field's name with dashes,
        or a dict of arguments of :func:`click.option` that override those from the class.
    """
    cls, values = (base, None) if isinstance(base, type) else (type(base), base)
    known = describe(cls)
    chosen = names or tuple(known)

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def collect(*args: Any, **kwargs: Any) -> Any:
            found = {name: kwargs.pop(name) for name in chosen}
            if changes:
                source = click.get_current_context().get_parameter_source
                kwargs[into] = {n: v for n, v in found.items() if source(n) != ParameterSource.DEFAULT}
            else:
                kwargs[into] = cls(**found) if values is None else dataclasses.replace(values, **found)
            return command(*args, **kwargs)

        wrapped: Any = collect
        for name in reversed(chosen):
            setting = known[name]
            default = setting.default if values is None else getattr(values, name)
            wrapped = _option(setting, default, flags.get(name))(wrapped)
            wrapped.__click_params__[-1].default_of = (cls() if values is None else values, name)
        return cast(F, wrapped)

    return decorate


def _option(
    setting: Setting, default: Any, spelling: str | tuple[str, ...] | dict[str, Any] | None
) -> Callable[[Any], Any]:
    told: dict[str, Any] = dict(spelling) if isinstance(spelling, dict) else {}
    words = told.pop("flags", None) if told else spelling
    if words is None:
        dashed = setting.name.replace("_", "-")
        both = setting.type is bool and default is not False
        words = f"--{dashed}/--no-{dashed}" if both else f"--{dashed}"
    words = (words,) if isinstance(words, str) else words
    shown: dict[str, Any] = {"help": setting.help, "default": default, "show_default": default is not None}
    if setting.type is bool:
        if not any("/" in word for word in words):
            shown |= {"is_flag": True, "show_default": False}
    else:
        shown["type"] = _type(setting)
    return click.option(*words, setting.name, **(shown | told))


def _type(setting: Setting) -> Any:
    if setting.choices:
        return click.Choice(setting.choices)
    allowed = setting.range or Range()
    bounds: dict[str, Any] = {
        "min": allowed.low,
        "max": allowed.high,
        "min_open": allowed.above_low,
        "max_open": allowed.below_high,
    }
    if setting.type is int:
        return WholeRange(**bounds)
    if setting.type is float:
        return NumberRange(**bounds)
    return click.STRING


class _Size(click.ParamType):
    """A number of bytes, such as ``4G``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)[ ]*([kmgt])(?:i?b)?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is not a size such as 512M or 4G", param, ctx)
        size = int(float(match[1]) * 1024 ** (1 + "kmgt".index(match[2].lower())))
        if size < LEAST_MEMORY:
            self.fail(f"{value} is too little, at least {LEAST_MEMORY >> 20}M are needed", param, ctx)
        return size


def memory(text: str) -> Callable[[F], F]:
    """Add ``--memory``, a ceiling for counting k-mers; ``text`` says what it holds for."""
    return click.option(
        "--memory",
        type=_Size(),
        default=MEMORY,
        show_default=f"{MEMORY >> 30}G",
        help=f"{text}; what does not fit goes to temporary files in TMPDIR, or else beside the output.",
    )


class _Region(click.ParamType):
    """A region in samtools' notation; becomes a :class:`genolstm.cli.options.Region`."""

    name = "[CHROM:]START-END"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Region:
        if isinstance(value, Region):
            return value
        match = re.fullmatch(r"(?:(.+):)?([0-9,]{1,20})-([0-9,]{1,20})", value)
        start, end = (int(match[k].replace(",", "") or 0) for k in (2, 3)) if match else (0, 0)
        if match is None or not 1 <= start <= end <= LAST_POSITION:
            self.fail(f"{value!r} is not a region such as chr21:101-250 (1-based, both ends included)", param, ctx)
        return Region(match[1], start - 1, end)


class Region(NamedTuple):
    """A stretch of a sequence, 0-based half-open; ``chrom`` is None for the only sequence."""

    chrom: str | None
    start: int
    end: int


REGION = _Region()
"""Type of options that take a region in samtools' notation."""


def region(text: str) -> Callable[[F], F]:
    """Add ``--region``; ``text`` says what the region selects."""
    return click.option("--region", type=REGION, help=f"{text}, 1-based, both ends included, as in samtools.")


def model(default: str | None = None, *, help: str, old: str | None = None) -> Callable[[F], F]:
    """Add ``--model NAME|FILE``, required if it has no default; ``old`` is its former spelling."""
    option = click.option(
        "--model",
        default=default,
        required=default is None and old is None,
        show_default=default is not None,
        metavar="NAME|FILE",
        help=help,
    )
    return option if old is None else lambda command: option(renamed(old, "model")(command))


def renamed(old: str, to: str) -> Callable[[F], F]:
    """Accept an option's former spelling for one more version, without showing it in the help."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def translate(*args: Any, **kwargs: Any) -> Any:
            former = kwargs.pop(f"former_{to}")
            if former is not None:
                context = click.get_current_context()
                if context.get_parameter_source(to) != ParameterSource.DEFAULT:
                    new = next(option.opts[0] for option in context.command.params if option.name == to)
                    raise click.UsageError(f"{old} is the former name of {new}: give one of them")
                kwargs[to] = former
            return command(*args, **kwargs)

        return cast(F, click.option(old, f"former_{to}", hidden=True)(translate))

    return decorate


def tell(lines: Iterable[str], *, quiet: bool) -> None:
    """Print lines on stderr; if ``quiet``, only those that warn."""
    for line in lines:
        say(line, quiet=quiet and not line.startswith("warning: "))


def say(text: str, *, quiet: bool) -> None:
    """Print a message or a table on stderr, unless ``quiet``."""
    if not quiet:
        with line_away():
            click.echo(shown_text(text, keep="\n\t"), err=True)
