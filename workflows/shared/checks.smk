# What both workflows ask of a configuration and of a sheet. Snakemake's own validation prints the schema with every
# error; this names the key, what is wrong with it and what is allowed, in one line.
from difflib import get_close_matches
from shlex import quote

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

# The longest text that one command takes is 128 KiB on Linux; the rest is for its other words.
LONGEST_NAMES = 100_000


def shown(value, most=60):
    """Write a value of a configuration as messages show it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}..."


def meant(word, known):
    """Return what may have been meant, as the end of a message."""
    close = get_close_matches(str(word), list(map(str, known)), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def complaint(error):
    """Say in a few words what is wrong with a value, without the schema."""
    kind, wanted, value = error.validator, error.validator_value, error.instance
    if kind == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        wrong = sorted(str(key) for key in value if key not in allowed)
        return f"unknown key {wrong[0]}{meant(wrong[0], allowed)}; allowed: {', '.join(allowed)}"
    if kind == "required":
        missing = [key for key in wanted if key not in value]
        return f"lacks {' and '.join(missing)}"
    if kind == "anyOf":
        return f"needs at least one of {', '.join(key for part in wanted for key in part['required'])}"
    if kind == "enum":
        return f"{shown(value)} is not allowed{meant(value, wanted)}; allowed: {', '.join(map(str, wanted))}"
    if kind == "type":
        types = [wanted] if isinstance(wanted, str) else wanted
        words = {
            "array": "list",
            "object": "mapping",
            "null": "nothing",
            "string": "text",
            "integer": "whole number",
        }
        return f"{shown(value)} is no {' or '.join(words.get(name, name) for name in types)}"
    if kind == "pattern":
        return f"{shown(value)} holds characters that a name here may not have"
    if kind in ("minItems", "minProperties", "minLength"):
        return "is empty"
    if kind == "uniqueItems":
        return "holds an entry twice"
    if kind == "not":
        return f"{' and '.join(wanted['required'])} exclude each other"
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "above",
        "exclusiveMaximum": "below",
    }
    if kind in limits:
        return f"{shown(value)} must be {limits[kind]} {wanted}"
    return shown(error.message, most=200)


def first_complaint(value, schema):
    """Return where a value does not fit a schema and what is wrong there, or nothing."""
    # A key that is misspelt is told before one that is missing on its account.
    order = ("additionalProperties", "propertyNames", "required")
    errors = sorted(
        Draft202012Validator(schema).iter_errors(value),
        key=lambda error: (
            order.index(error.validator) if error.validator in order else len(order),
            error.json_path,
        ),
    )
    if not errors:
        return None
    place = ".".join(map(str, errors[0].absolute_path))
    return place, complaint(errors[0])


def read_schema(path):
    """Read a schema, which may lie where Snakemake keeps a workflow that is hosted elsewhere."""
    with open(path) as file:
        return yaml.safe_load(file)


def check_config(schema):
    """Refuse a configuration that does not fit its schema, then fill in the defaults."""
    found = first_complaint(config, read_schema(schema))
    if found:
        place, wrong = found
        raise WorkflowError(f"config: {f'{place}: ' if place else ''}{wrong}")
    validate(config, schema)


def read_sheet(path, schema, key):
    """Return the rows of a sheet, each checked, of which no two may have the same value of a column.

    Columns are separated by tabs, or by spaces if there is no tab, as in the panel file of the 1000 Genomes.
    """
    try:
        with open(path, newline="") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise WorkflowError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WorkflowError(f"{path}: is not text") from None
    numbers = [
        number
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not numbers:
        raise WorkflowError(f"{path}: is empty")
    tabs = "\t" in lines[numbers[0] - 1]
    table = [
        [word.strip() for word in (line.split("\t") if tabs else line.split())]
        for line in (lines[number - 1] for number in numbers)
    ]
    columns, schema, seen, rows = table[0], read_schema(schema), {}, []
    lacking = [name for name in schema["required"] if name not in columns]
    if lacking:
        raise WorkflowError(
            f"{path}:{numbers[0]}: lacks the column {lacking[0]}{meant(lacking[0], columns)};"
            f" columns: {', '.join(columns)}"
        )
    for number, words in zip(numbers[1:], table[1:]):
        if len(words) > len(columns):
            raise WorkflowError(
                f"{path}:{number}: has {len(words)} columns, the first line names {len(columns)}"
            )
        row = {name: word for name, word in zip(columns, words) if word}
        found = first_complaint(row, schema)
        if found:
            place, wrong = found
            raise WorkflowError(
                f"{path}:{number}: {f'{place}: ' if place else ''}{wrong}"
            )
        if row[key] in seen:
            raise WorkflowError(
                f"{path}:{number}: the {key} {row[key]} stands in line {seen[row[key]]} too"
            )
        seen[row[key]] = number
        rows.append(row)
    if not rows:
        raise WorkflowError(f"{path}: has no row below its columns")
    return rows


def place(path):
    """Return a path of the configuration that is read before any rule, with <names> of folders filled in."""
    return workflow.pathvars.apply(path)


def as_list(value):
    """Return one or several values of the configuration as a list; nothing is an empty one."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def options(settings, *names):
    """Write settings as command-line options; those that are not set keep their defaults."""
    words = []
    for name in names:
        value = settings.get(name)
        flag = f"{'-' if len(name) == 1 else '--'}{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [f"{flag} {quote(str(one))}" for one in as_list(value)]
    return " ".join(words)


def braced(names):
    """Write names as one word that the shell makes many of, since one text holds the whole command."""
    words = [quote(str(name)) for name in names]
    return words[0] if len(words) == 1 else f"{{{','.join(words)}}}"


def file_options(name, files):
    """Write optional inputs as command-line options."""
    return " ".join(f"--{name} {quote(str(file))}" for file in as_list(files))


def model(input):
    """Return the model's file, or the name under which it ships."""
    return quote(str(input.model) or config["model"])
