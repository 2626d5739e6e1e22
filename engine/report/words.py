"""A person's own words, in Markdown, as HTML: emphasis, lists, quotes, code, tables; no link, no image and no HTML of theirs."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

from convtui.engine.text import STEERING

_NEITHER = ("link", "image", "autolink", "reference", "html_inline", "html_block")
"""Rules that are off: a note may be a stranger's, and what it shows is text."""
_KEPT = re.compile(r"[\n\t]")


def as_html(markdown: str) -> str:
    """HTML whose every character of `markdown` is text. Headings become paragraphs: the page has its own."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(_NEITHER))
    tokens = reader.parse(cleaned(markdown))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "p"
            if token.nesting == 1:
                token.attrSet("class", "heading")
    html = reader.renderer.render(tokens, reader.options, {})
    assert isinstance(html, str)
    return html


def cleaned(text: str) -> str:
    """Without what could steer a terminal or turn text around; line breaks and tabs stay."""
    return STEERING.sub(
        lambda found: found[0] if _KEPT.fullmatch(found[0]) else "\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n")
    )
