"""``genolstm example``: data to begin with, and a script that runs on them."""

from __future__ import annotations

import shutil
from pathlib import Path

from genolstm.errors import InputError, OutputError
from genolstm.files import Outputs, PathLike, check_folder

_PACKAGE = Path(__file__).parents[1]
#: What runs on the data.
SCRIPT = "run.sh"


def run(folder: PathLike, *, force: bool = False) -> list[Path]:
    """Write the example to a folder, whole or not at all; return its files.

    Parameters
    ----------
    folder
        Where to; it is made.
    force
        Whether the folder may hold files already. Those of the example are replaced, and others stay.

    Raises
    ------
    OutputError
        The folder holds files and ``force`` is false, or it cannot be made.
    """
    source, target = data_folder(), Path(folder)
    check_folder(target)
    if not force and target.is_dir() and any(target.iterdir()):
        raise OutputError("holds files already; name another folder, or use --force to add to it", path=str(folder))
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    names = [name for name in names if name.parts[0] != "results"]  # of the script, run in a clone
    if target.is_dir() and target.resolve() == source.resolve():
        raise OutputError("is the example itself", path=str(folder))
    with Outputs(force=force) as outputs:
        made: dict[Path, Path] = {}
        for name in [Path(SCRIPT), *names]:  # the folder itself comes before those in it
            if name.parent not in made:
                made[name.parent] = outputs.folder(target / name.parent)
            shutil.copyfile(source / name, made[name.parent] / name.name)
    return [target / name for name in names]


def data_folder() -> Path:
    """Return the folder of the data: in the package, or beside it in a clone."""
    inside, beside = _PACKAGE / "example_data", _PACKAGE.parent / "example_data"
    if (inside / SCRIPT).is_file():
        return inside
    # Beside an installed package there may be anything; only a clone has this file.
    if (_PACKAGE.parent / "pyproject.toml").is_file() and (beside / SCRIPT).is_file():
        return beside
    raise InputError("the installation lacks the example data; install the package again", path=str(inside))
