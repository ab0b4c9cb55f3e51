"""axe-core, the checker of web pages for people who read them in other ways, as one script.

It is fetched by pip, once, with the user's own settings, out of a package that carries it; nothing
of the package is installed, and axe-core (Mozilla Public License 2.0) is no part of this project.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from browser import SECONDS, Page

from stade_nb.files import write_at_once
from workflow import ROOT

PACKAGE = "axe-playwright-python==0.1.8"
MEMBER = "axe_playwright_python/axe.min.js"  # axe-core 4.12.1
SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"
KEPT = ROOT / "build" / "axe" / "axe.min.js"
SERIOUS = ("serious", "critical")


def script() -> str:
    """The text of axe-core; where it is not here and cannot be fetched the test is skipped."""
    if not KEPT.exists():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", PACKAGE]
            done = subprocess.run([*command, "--dest", folder], capture_output=True, text=True)
            wheels = list(Path(folder).glob("*.whl"))
            if done.returncode or not wheels:
                pytest.skip(f"axe-core is not here, and pip could not fetch {PACKAGE}")
            text = zipfile.ZipFile(wheels[0]).read(MEMBER).decode()
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        write_at_once(KEPT, text)
    content = KEPT.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, f"{KEPT} is not axe-core as pinned"
    return content.decode()


def violations(page: Page, axe: str, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe-core finds on `page` that is serious or worse: rule, element, what to do.

    rules: only these, all where there are none.
    """
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    # Without preload it does not ask for style sheets again, which a page of a file may not do.
    options = json.dumps(only | {"resultTypes": ["violations"], "preload": False})
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(f"{axe}\n;undefined")
    # A colour on its way from one theme to the other is none that anybody reads by.
    page.evaluate(
        "for (const one of document.getAnimations()) try { one.finish() } catch { one.cancel() }; 1"
    )
    page.evaluate(
        f"window.found = null; axe.run(document, {options}).then("
        "r => window.found = JSON.stringify(r.violations), e => window.found = '!' + e); undefined"
    )
    end = time.monotonic() + SECONDS
    while (found := page.evaluate("window.found")) is None:
        assert time.monotonic() < end, "axe-core did not end"
        time.sleep(0.1)
    assert not found.startswith("!"), found
    return [
        f"{one['id']}: {' '.join(node['target'])}: {' '.join(node['failureSummary'].split())}"
        for one in json.loads(found)
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]
