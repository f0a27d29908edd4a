"""Lists that nobody would read, as they lie elsewhere or are called otherwise: they would pass for none."""

from __future__ import annotations

import re

from ucvgl.images.listing import address, files_in, subfolders
from ucvgl.images.storage import exists
from ucvgl.images.uris import is_local


def refuse_misplaced(root: str, name: str, *views: str) -> None:
    """Refuse a list that is meant and not found: `Headings.csv`, `heading.csv`, or one beside the splits or the images.

    Args:
        name: of the list that is not there, below the root.
        views: folders of images below the root, in which it may lie by mistake.

    Raises:
        ValueError: there is one; which, and where it should be.
    """
    folder, _, list_ = name.rpartition("/")
    found = [*_alike(root, folder, list_, flat="" in views)]
    found += [f"{view}/{list_}" for view in views if view and exists(address(root, f"{view}/{list_}"))]
    if folder and not any(exists(address(root, f"{other}/{list_}")) for other in subfolders(root, "")):
        found += [file for file in files_in(root, "") if file.lower() == list_]
    if found:
        raise ValueError(f"{root}/{found[0]} would not be read: this list is {name}; rename it so, or move it away")


def _alike(root: str, folder: str, list_: str, *, flat: bool) -> list[str]:
    """Files in the folder of a list whose names are nearly its own.

    Args:
        flat: images lie there as well, and a bucket may list millions of them.
    """
    if flat and not is_local(root):
        return []
    singular = list_.removesuffix(".csv").rstrip("s")
    near = re.compile(rf"{singular}s?\.csv(\.txt)?", re.IGNORECASE)  # some systems hide a last `.txt`
    names = (file.rpartition("/")[2] for file in files_in(root, folder))
    return [f"{folder}/{file}" if folder else file for file in names if near.fullmatch(file)]
