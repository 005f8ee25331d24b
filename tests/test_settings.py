"""Settings classes: what their annotations allow, and what their docstrings say of each field."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Annotated, Any, Literal, Optional

import pytest

from genolstm.errors import GenolstmError, SettingError
from genolstm.settings import INSIDE, POSITIVE, SHARE, Range, check, describe, docstring_entries


@dataclass(frozen=True)
class Oven:
    """How bread is baked.

    Parameters
    ----------
    heat
        Temperature in the oven, as :func:`~kitchen.thermometer.read` measures it;
        Celsius.
    loaves, rolls
        How many go in at once.
    crust
        ``dark`` ones take longer.
    steam
        Share of the time with steam.
    fan
        Whether the fan runs.
    note
        Free text.
    trays
        Names of the trays.

    Notes
    -----
    heat
        is not described here.
    """

    heat: Annotated[float, Range(30, 300)] = 220.0
    loaves: Annotated[int, Range(1)] = 2
    rolls: Annotated[int, Range(0, 12)] = 0
    crust: Literal["light", "dark"] = "light"
    steam: Annotated[float, SHARE] | None = None
    fan: bool = False
    note: str = ""
    trays: tuple[str, ...] = field(default_factory=lambda: ("upper", "lower"))
    anything: Any = None

    def __post_init__(self) -> None:
        check(self)


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (Range(), [-1e300, 0, 1e300], [math.inf, -math.inf, math.nan]),
        (Range(2), [2, 2.5, 1e9], [1.999, -2, math.inf, math.nan]),
        (Range(high=2), [2, -1e9], [2.001, -math.inf]),
        (Range(-1, 3), [-1, 0, 3], [-1.01, 3.01]),
        (Range(-1, 3, above_low=True), [-0.99, 3], [-1, 3.01]),
        (Range(-1, 3, below_high=True), [-1, 2.99], [3, -1.01]),
        (POSITIVE, [1e-300, 5], [0, -1, math.inf]),
        (SHARE, [0, 0.999], [1, -0.001]),
        (INSIDE, [0.001, 0.999], [0, 1]),
        (Range(0, 0), [0], [-1e-9, 1e-9]),
    ],
)
def test_a_range_holds_its_values_and_no_others(allowed: Range, inside, outside) -> None:
    assert [value for value in inside if value not in allowed] == []
    assert [value for value in outside if value in allowed] == []


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (Range(), "finite"),
        (Range(0), "at least 0"),
        (Range(high=31), "at most 31"),
        (Range(high=0), "at most 0"),
        (Range(1, 31), "at least 1 and at most 31"),
        (POSITIVE, "above 0"),
        (SHARE, "at least 0 and below 1"),
        (INSIDE, "above 0 and below 1"),
        (Range(0.25, 1e-6), "at least 0.25 and at most 1e-06"),
    ],
)
def test_a_range_says_what_it_allows(allowed: Range, text: str) -> None:
    assert str(allowed) == text


# ---------------------------------------------------------------- descriptions


def test_fields_are_described_in_order() -> None:
    known = describe(Oven)
    assert list(known) == ["heat", "loaves", "rolls", "crust", "steam", "fan", "note", "trays", "anything"]
    assert {name: s.name for name, s in known.items()} == {name: name for name in known}
    assert {name: s.type for name, s in known.items()} == {
        "heat": float,
        "loaves": int,
        "rolls": int,
        "crust": str,
        "steam": float,
        "fan": bool,
        "note": str,
        "trays": tuple,
        "anything": object,
    }
    assert [name for name, s in known.items() if s.optional] == ["steam"]
    assert {name: s.range for name, s in known.items() if s.range} == {
        "heat": Range(30, 300),
        "loaves": Range(1),
        "rolls": Range(0, 12),
        "steam": SHARE,
    }
    assert {name: s.choices for name, s in known.items() if s.choices} == {"crust": ("light", "dark")}


def test_defaults_are_those_of_the_class() -> None:
    known = describe(Oven)
    oven = Oven()
    assert {name: s.default for name, s in known.items()} == {name: getattr(oven, name) for name in known}
    assert known["trays"].default == ("upper", "lower")


def test_a_field_without_a_default_has_none() -> None:
    @dataclass(frozen=True)
    class Needed:
        size: int

    assert describe(Needed)["size"].default is None
    assert not describe(Needed)["size"].optional


def test_none_may_stand_inside_or_outside_of_the_annotation() -> None:
    @dataclass(frozen=True)
    class Spellings:
        a: Annotated[int | None, Range(1)] = None
        b: Annotated[int, Range(1)] | None = None
        c: Optional[Annotated[int, Range(1)]] = None  # noqa: UP045  (the old spelling has to work, too)
        d: Literal["x", "y"] | None = None

        def __post_init__(self) -> None:
            check(self)

    known = describe(Spellings)
    assert all(s.optional for s in known.values())
    assert [known[name].range for name in "abc"] == [Range(1)] * 3
    assert [known[name].type for name in "abcd"] == [int, int, int, str]
    assert known["d"].choices == ("x", "y")
    assert Spellings() == Spellings(None, None, None, None)
    for name in "abc":
        with pytest.raises(SettingError, match=f"^{name} is 0, a whole number at least 1 is needed"):
            Spellings(**{name: 0})
    with pytest.raises(SettingError, match=r"^d is 'z', it must be one of x, y"):
        Spellings(d="z")


def test_a_union_of_several_types_is_no_number() -> None:
    @dataclass(frozen=True)
    class Wide:
        size: int | str | None = None

    setting = describe(Wide)["size"]
    assert (setting.type, setting.optional, setting.choices, setting.range) == (object, True, (), None)


# ---------------------------------------------------------------- docstrings


def test_entries_are_one_line_of_plain_text_each() -> None:
    known = describe(Oven)
    # The first entry goes over two lines and names a function; a heading ends the parameters.
    assert known["heat"].help.startswith("Temperature in the oven, as read measures it; Celsius.")
    assert known["crust"].help == "dark ones take longer."
    assert known["steam"].help == "Share of the time with steam."
    assert known["anything"].help == ""


def test_names_may_share_an_entry() -> None:
    known = describe(Oven)
    assert known["loaves"].help == known["rolls"].help == "How many go in at once."


def test_entries_of_attributes_and_of_functions() -> None:
    def bake(flour, *, water_2=1):
        """Bake.

        Parameters
        ----------
        flour
            See :class:`~a.b.Flour`, :data:`WATER` and :meth:`.Oven.heat`.

            A second paragraph.
        water_2
            ``cold`` or ``warm``.

        Returns
        -------
        bread
            It.
        """

    assert docstring_entries(bake) == {
        "flour": "See Flour, WATER and heat. A second paragraph.",
        "water_2": "cold or warm.",
        "bread": "It.",
    }


def test_without_a_docstring_there_are_no_entries() -> None:
    class Bare:
        pass

    assert docstring_entries(Bare) == {}


def test_prose_is_no_entry() -> None:
    def told():
        """Say something.

        A paragraph of several words,
            indented as a quotation.
        Word.
            Not an entry, because of the full stop.
        """

    assert docstring_entries(told) == {}


# ---------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heat": 29.9}, "heat is 29.9, a number at least 30 and at most 300 is needed"),
        ({"heat": 301}, "heat is 301, a number at least 30 and at most 300 is needed"),
        ({"heat": math.nan}, "heat is nan, a number at least 30 and at most 300 is needed"),
        ({"heat": "hot"}, "heat is 'hot', a number is needed"),
        ({"heat": None}, "heat is None, a number is needed"),
        ({"heat": True}, "heat is True, a number is needed"),
        ({"loaves": 0}, "loaves is 0, a whole number at least 1 is needed"),
        ({"loaves": 2.0}, "loaves is 2.0, a whole number is needed"),
        ({"loaves": True}, "loaves is True, a whole number is needed"),
        ({"loaves": "2"}, "loaves is '2', a whole number is needed"),
        ({"rolls": 13}, "rolls is 13, a whole number at least 0 and at most 12 is needed"),
        ({"crust": "burnt"}, "crust is 'burnt', it must be one of light, dark"),
        ({"crust": None}, "crust is None, it must be one of light, dark"),
        ({"steam": 1}, "steam is 1, a number at least 0 and below 1 is needed"),
        ({"fan": 1}, "fan is 1, it must be True or False"),
        ({"fan": None}, "fan is None, it must be True or False"),
    ],
)
def test_refused_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as error:
        Oven(**values)
    assert error.value.reason == message
    assert isinstance(error.value, GenolstmError)


def test_a_number_without_a_range_must_be_finite() -> None:
    @dataclass(frozen=True)
    class Free:
        shift: float = 0.0

        def __post_init__(self) -> None:
            check(self)

    assert Free(-1e6).shift == -1e6
    with pytest.raises(SettingError, match=r"^shift is inf, a finite number is needed$"):
        Free(math.inf)


@pytest.mark.parametrize(
    "values",
    [
        {"heat": 30.0},
        {"heat": 300.0},
        {"loaves": 1},
        {"rolls": 12},
        {"crust": "dark"},
        {"steam": 0.0},
        {"steam": 0.5},
        {"steam": None},
        {"fan": True},
        {"note": "anything goes"},
        {"trays": ()},
        {"anything": object},
    ],
)
def test_allowed_values_stay_what_they_are(values: dict[str, Any]) -> None:
    oven = Oven(**values)
    (name,) = values
    assert getattr(oven, name) == values[name]


def test_whole_numbers_for_a_float_become_floats() -> None:
    oven = Oven(heat=200, steam=0)
    assert (oven.heat, oven.steam) == (200.0, 0.0)
    assert (type(oven.heat), type(oven.steam)) == (float, float)
    assert type(Oven(loaves=3).loaves) is int
    with pytest.raises(FrozenInstanceError):
        oven.heat = 100.0
    assert oven == Oven(heat=200.0, steam=0.0)
