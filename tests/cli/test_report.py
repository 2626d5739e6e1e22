"""`convtui report`: what a person types, and what lies there then."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui
from tests.engine.report.reading import Page
from tests.engine.study.conftest import add_run
from tests.harness.axe import violations
from tests.harness.chromium import CHROMIUM, browsing, needs_chromium
from tests.harness.rows import set_columns

EVIL = "evil.example"


def test_a_report_of_a_run_or_a_study_is_written_where_it_was_said(convtui: Convtui) -> None:
    with Store.open(Path("store.db")) as store:
        add_run(store, "demo", study="demo", epochs=[{"test_accuracy": 0.5}])
    for reference, title in (("last", "run 1 demo/demo"), ("demo", "demo: how the demo net is best trained")):
        printed = convtui("report", reference, "--out", "r.html")
        assert (printed.code, printed.out, printed.err) == (0, "saved r.html\n", "")
        assert Page(Path("r.html").read_text()).of("title")[0].text.startswith(title)
    assert convtui("report", "last", "--out", "r.md", "--sections", "outcomes").code == 0
    assert "| test | 50.00 % |" in Path("r.md").read_text()


def test_sections_are_listed(convtui: Convtui) -> None:
    printed = convtui("report", "--list-sections")
    assert printed.code == 0
    assert re.search(r"^run +filters +weights", printed.out, re.MULTILINE)
    assert re.search(r"^study +claims +each claim", printed.out, re.MULTILINE)


def test_what_is_wrong_is_said_in_one_line(convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(Path("store.db")) as store:
        add_run(store, epochs=[{"test_accuracy": 0.5}])
    monkeypatch.setenv("PATH", "/nowhere")
    for words, said in (
        (("last",), "--out report.html"),
        (("nosuch", "--out", "r.html"), "no run"),
        (("last", "--out", "r.docx"), "must end in .html, .md or .pdf"),
        (("last", "--out", "r.pdf"), "apt install chromium"),
        (("last", "--out", "r.html", "--sections", "curve"), "did you mean curves?"),
        (("002", "--out", "r.html", "--sections", "filters"), "the report of a study has question, published"),
        (("last", "--out", "r.html", "--sections", ","), "--list-sections"),
        (("last", "--out", "r.html", "--model", "timm:resnet18"), "leave --model out"),
    ):
        printed = convtui("report", *words)
        assert printed.code == 2, words
        assert printed.err.startswith("convtui: ")
        assert said in printed.err
        assert printed.err.count("\n") == 1
    assert not Path("r.html").exists()


class Proxy:
    """Hears which hosts are asked for, and answers none."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.asked.append(connection.recv(4096).decode(errors="replace").partition("\r\n")[0])


@pytest.mark.long
@needs_chromium
def test_a_browser_finds_no_error_and_asks_for_nothing(convtui: Convtui, tmp_path: Path) -> None:
    assert convtui("run", "--preset", "demo", *SMALL, "--epochs", "2", "--quiet").code == 0
    note = f'![a](http://{EVIL}/a.png) <img src="http://{EVIL}/b.png"> <script>fetch("http://{EVIL}/c")</script>'
    with Store.open(Path("store.db")) as store:
        set_columns(store, 1, name=f'"><img src=http://{EVIL}/d.png>', note=note)
    assert convtui("report", "1", "--out", "r.html").code == 0
    (tmp_path / "control.html").write_text(f'<img src="http://{EVIL}/control.png"><script>nosuch()</script>')
    proxy = Proxy()
    told = {}
    for name in ("control.html", "r.html"):
        proxy.asked.clear()
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={tmp_path}/profile"]
        words += [f"--proxy-server=http://127.0.0.1:{proxy.port}", "--dump-dom", (tmp_path / name).as_uri()]
        done = subprocess.run([str(CHROMIUM), *words], capture_output=True, text=True, timeout=200, check=True)
        told[name] = [line for line in done.stderr.splitlines() if "CONSOLE" in line], [a for a in proxy.asked if EVIL in a]
        assert "</html>" in done.stdout
    proxy.socket.close()
    assert all(told["control.html"])  # both are heard where there is something to be heard
    assert told["r.html"] == ([], [])
    assert convtui("report", "1", "--out", "r.pdf").code == 0
    first = (tmp_path / "r.pdf").read_bytes()
    assert first.startswith(b"%PDF")
    assert convtui("report", "1", "--out", "r.pdf", "--sections", "outcomes").code == 0  # its own PDF may be replaced
    assert len((tmp_path / "r.pdf").read_bytes()) < len(first)


@pytest.mark.long
@needs_chromium
def test_reports_are_accessible_and_fit_phones_and_desktops(convtui: Convtui, tmp_path: Path) -> None:
    assert convtui("run", "--preset", "demo", *SMALL, "--epochs", "2", "--quiet").code == 0
    assert convtui("report", "1", "--out", "run.html").code == 0
    assert convtui("study", "run", "demo", "--scale", "0.005", "--quiet").code == 0
    assert convtui("report", "demo", "--out", "study.html").code == 0

    async def run() -> dict[str, list[str]]:
        told = {}
        async with browsing(tmp_path) as browser:
            for page in ("run", "study"):
                for width in (390, 1280):
                    for scheme in ("light", "dark"):
                        media = [{"name": "prefers-color-scheme", "value": scheme}]
                        await browser.ask("Emulation.setEmulatedMedia", features=media)
                        await browser.visit((tmp_path / f"{page}.html").as_uri(), width=width)
                        assert await browser.value("document.documentElement.scrollWidth") <= width
                        told[f"{page} {width} {scheme}"] = await violations(browser)
        return told

    found = asyncio.run(run())
    assert len(found) == 8
    assert {page: lines for page, lines in found.items() if lines} == {}
