"""The pages of the application, one file each."""

from __future__ import annotations

from tui.screens.compare import ComparePage
from tui.screens.live import LivePage
from tui.screens.look import LookPage
from tui.screens.new import NewPage
from tui.screens.page import Page
from tui.screens.runs import RunsPage
from tui.screens.studies import StudiesPage

PAGES: dict[str, type[Page]] = {page.NAME: page for page in (RunsPage, NewPage, LivePage, LookPage, ComparePage, StudiesPage)}
"""Mode -> page, in the order of the top bar."""
