"""The page in a real browser, where one is installed: it runs, complains of nothing and calls nobody."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from undercoat.report import build

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever is asked for, nothing leaves this machine
)  # fmt: skip

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


def opened(page, folder):
    """Open a page; returns it after its scripts, what the console said, and who asked the network for something."""
    log = folder / "net.json"
    run = subprocess.run(
        [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr",
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    initiators = set(re.findall(r'"initiator":"([^"]*)"', log.read_text(encoding="utf-8")))
    return run.stdout, run.stderr, initiators - {"not an origin"}  # the browser's own questions have no origin


def test_it_runs_without_a_word_on_the_console_and_asks_nobody(study, tmp_path):
    dom, said, asking = opened(build(study), tmp_path)
    assert "data-tip=" in dom  # the script ran to its end: tips were made and titles taken out
    assert not re.search(r"<svg[^>]*class=\"chart\"[^>]*><title>", dom)
    assert "CONSOLE" not in said
    assert not asking


def test_a_page_that_asked_somebody_or_complained_would_be_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<img src="https://example.invalid/x.png"><script>console.error("no")</script>', encoding="utf-8")
    _, said, asking = opened(page, tmp_path)
    assert "CONSOLE" in said
    assert asking
