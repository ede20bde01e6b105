"""Hook of mkdocs: files outside docs/ that pages link to become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_LINK = re.compile(r"(\]\()\.\./((?:benchmarks|configs|examples)/[^)#]+)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add each file that a link names, under its path in the repository."""
    root = Path(config.config_file_path).parent
    for page in list(files.documentation_pages()):
        for _, name in _LINK.findall(page.content_string):
            if files.get_file_from_path(name) is None and (root / name).is_file():
                files.append(File.generated(config, name, abs_src_path=str(root / name)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point the links of pages to them; one to a file that is not there stays, for mkdocs to refuse."""
    return _LINK.sub(r"\1\2", markdown)
