"""What segments are called: ``nea_0001``, the begin of the source's name and a number in the order of the output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genolstm.introgression.settings import UNKNOWN_SOURCE

#: Letters of a source's name that begin its segments' ids, if they are enough to tell it from the others.
_LETTERS = 3
#: What the ids of segments begin with whose source is unknown, and of those that several may have given.
_UNKNOWN, _MIXED = "unk", "mix"
_DIGITS = 4


def prefixes(sources: Sequence[str]) -> dict[str, str]:
    """Return what the ids of each source's segments begin with.

    It has letters and digits only, in lower case: three of them, or as many more as tell a source from those
    before it.
    """
    found = {UNKNOWN_SOURCE: _UNKNOWN}
    taken = {_UNKNOWN, _MIXED}
    for source in sources:
        if source in found:
            continue
        name = "".join(c for c in source.lower() if c.isascii() and c.isalnum()) or "s"
        candidates = [name[:n] for n in range(min(_LETTERS, len(name)), len(name) + 1)]
        # Names that differ in nothing but case or signs.
        candidates += [f"{name}x{n}" for n in range(2, len(sources) + 4)]
        found[source] = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(found[source])
    return found


def segment_ids(of: Iterable[str], sources: Sequence[str]) -> list[str]:
    """Return the ids of segments, in order.

    Parameters
    ----------
    of
        The source of each segment; several are joined by ``|``.
    sources
        Names of all archaic sources; they may include ``unknown``.
    """
    known, counts = prefixes(sources), dict[str, int]()
    names = []
    for source in of:
        prefix = known.get(source, _MIXED)
        counts[prefix] = counts.get(prefix, 0) + 1
        names.append(numbered(prefix, counts[prefix]))
    return names


def numbered(prefix: str, number: int) -> str:
    """Return the id of the segment of this number, from 1 on."""
    return f"{prefix}_{number:0{_DIGITS}}"


def counted_ids(of: Iterable[str], sources: Sequence[str]) -> dict[str, dict[str, str | int]]:
    """Return, for each begin of ids, its source (``|`` for several) and the number of its segments."""
    of_prefix = {prefix: source for source, prefix in prefixes(sources).items()} | {_MIXED: "|"}
    found: dict[str, dict[str, str | int]] = {}
    for name in segment_ids(of, sources):
        prefix, _, number = name.rpartition("_")
        found[prefix] = {"source": of_prefix[prefix], "segments": int(number)}
    return found
