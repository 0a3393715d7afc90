"""Fail if a browser test was skipped, or if none was run: what a user sees in JupyterLab is tested nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def main(*reports: Path) -> None:
    """Read pytest's JUnit reports, and exit with a message if a browser test is missing."""
    cases = [case for report in reports for case in ET.parse(report).iter("testcase")]  # noqa: S314 - our own files
    browser = [case for case in cases if case.get("classname", "").startswith("tests.browser.")]
    skipped = [f"{case.get('name')}: {why.get('message')}" for case in browser for why in case.findall("skipped")]
    if not browser:
        sys.exit("No browser test was run.")
    if skipped:
        sys.exit("\n".join(["These browser tests did not run:", *skipped]))


main(*map(Path, sys.argv[1:]))
