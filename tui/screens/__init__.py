"""The pages of the application, one file each."""

from __future__ import annotations

from convtui.tui.screens.compare import ComparePage
from convtui.tui.screens.live import LivePage
from convtui.tui.screens.look import LookPage
from convtui.tui.screens.new import NewPage
from convtui.tui.screens.page import Page
from convtui.tui.screens.runs import RunsPage
from convtui.tui.screens.studies import StudiesPage

PAGES: dict[str, type[Page]] = {page.NAME: page for page in (RunsPage, NewPage, LivePage, LookPage, ComparePage, StudiesPage)}
"""Mode -> page, in the order of the top bar."""
