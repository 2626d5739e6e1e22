"""The pages of the application, one file each."""

from __future__ import annotations

from convtui.tui.app.compare.page import ComparePage
from convtui.tui.app.live.page import LivePage
from convtui.tui.app.look.page import LookPage
from convtui.tui.app.new.page import NewPage
from convtui.tui.app.page import Page
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.studies.page import StudiesPage

PAGES: dict[str, type[Page]] = {page.NAME: page for page in (RunsPage, NewPage, LivePage, LookPage, ComparePage, StudiesPage)}
"""Mode -> page, in the order of the top bar."""
