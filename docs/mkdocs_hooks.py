"""What the site (mkdocs.yml) has from outside docs/: README as its first page, CONTRIBUTING, CHANGELOG and the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
"""A file at the top of the repository -> the site's page."""

_OUTSIDE = re.compile(r"(?P<before>\]\(|(?:src|href|srcset)=\")(?:\.\./|docs/)(?P<target>[^)\"]*)")
_CODE = re.compile(r"`[^`\n]*`")
"""A bar is written `\\|` in the code of a table, which forges ask for and Python's Markdown shows as it stands."""
_BARE = re.compile(r"\[(?:docs/)?(?P<page>[\w-]+\.md)\]\((?P=page)\)")
"""A link whose text is the file's own name."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is outside docs/; scripts are left out by mkdocs.yml."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    for picture in sorted((ROOT / "assets/pictures").rglob("*")):
        if picture.is_file():
            files.append(File.generated(config, picture.relative_to(ROOT).as_posix(), abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has them: `docs/x.md` and `../assets/x.png` are both at its top, and pages are called by their titles."""
    inside = _OUTSIDE.sub(lambda link: link["before"] + PAGES.get(link["target"], link["target"]), markdown)
    titles = {file: title for section in config.nav or [] for file, title in _pages(section)}
    inside = _CODE.sub(lambda code: code[0].replace("\\|", "|"), inside)
    return _BARE.sub(lambda link: f"[{titles[link['page']]}]({link['page']})", inside)


def _pages(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Files and titles of a part of the navigation."""
    for title, content in section.items():
        if isinstance(content, str):
            yield content, title
        else:
            for inner in content:
                yield from _pages(inner)
