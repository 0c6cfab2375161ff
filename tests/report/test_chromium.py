"""The page in a real browser, where one is installed: it runs, complains of nothing and calls nobody."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from undercoat.report import build

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-default-browser-check",
)  # fmt: skip

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")


@pytest.fixture
def opened(study, tmp_path):
    """Open the report; returns the page after its script, what the console said, and every address asked for."""
    page, log = build(study), tmp_path / "net.json"
    run = subprocess.run(
        [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr",
         "--v=0", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    asked = log.read_text(encoding="utf-8").split('"events":', 1)[1]
    return run.stdout, run.stderr, set(re.findall(r"\b(?:https?|wss?|ftp)://[^\s\"\\\\]+", asked))


def test_it_runs_without_a_word_on_the_console_and_asks_nobody(opened):
    dom, said, addresses = opened
    assert "data-tip=" in dom  # the script ran to its end: tips were made and titles taken out
    assert not re.search(r"<svg[^>]*class=\"chart\"[^>]*><title>", dom)
    assert "CONSOLE" not in said
    assert not addresses
