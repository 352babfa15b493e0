"""`doctor`: checks installation, machine, cluster, tracking store and data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from spaces.cli import FAILED, OK

from ..cli.upkeep.doctor import DoctorRequest
from .checks import cluster_findings
from .findings import Finding, finding_text
from .machine import machine_findings


def doctor(request: DoctorRequest) -> int:
    """Prints every finding, as text or JSON; returns the exit code: 1 if any finding is broken, 0 otherwise."""
    findings = []
    for finding in _findings(request):
        findings.append(finding)
        if not request.as_json:
            print(finding_text(finding), flush=True)
    broken = [finding for finding in findings if finding.state == "broken"]
    if request.as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"ok": not broken, "findings": rows}, indent=1))
    return FAILED if broken else OK


def _findings(request: DoctorRequest) -> Iterator[Finding]:
    yield from machine_findings(request)
    if request.address is not None:
        yield from cluster_findings(request, request.address)
