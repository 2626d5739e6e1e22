"""A report in a file: the form that its name ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from convtui.engine.errors import UsageError
from convtui.engine.files import check_target, deliver, is_stream
from convtui.engine.report.content import Report

Form = Literal["html", "md", "pdf"]
_FORMS: dict[str, Form] = {".html": "html", ".htm": "html", ".md": "md", ".pdf": "pdf"}


def check(path: Path) -> Form:
    """The form that the name says, HTML for a stream; to be asked before long work. Raises UsageError where nothing can be written
    there, the name says no form, or a PDF cannot be printed on this machine."""
    check_target(path)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        if is_stream(path):
            return "html"
        raise UsageError(f"{path} cannot be written: a report's name must end in .html, .md or .pdf")
    if form == "pdf":
        from convtui.engine.report.printing import browser

        browser()
    return form


def write(report: Report, path: Path, form: Form) -> None:
    """Write it there, whole or not at all. Raises UsageError."""
    deliver(written(report, form), path)


def written(report: Report, form: Form) -> bytes:
    """The file's bytes. Raises UsageError where a PDF cannot be printed."""
    if form == "md":
        from convtui.engine.report.markdown import text

        return text(report).encode("utf-8", "replace")
    from convtui.engine.report.page import page

    if form == "pdf":
        from convtui.engine.report.printing import pdf

        return pdf(page(report, unfolded=True))
    return page(report).encode("utf-8", "replace")
