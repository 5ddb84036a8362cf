"""Whether a home that was just started does its work: every slot of the timetable has a run planned."""

from collections.abc import Sequence
from pathlib import Path

import httpx

from countersign.deployments.orchestration.server import running_server
from countersign.models.timetable import TIMETABLE, Slot
from countersign.store.prefect_login import ensure_login


def schedules_are_planned(home: Path, slots: Sequence[Slot] = TIMETABLE) -> bool:
    """Ask the home's running server whether each slot's flow has a scheduled run ahead; False where none runs."""
    url = running_server(home)
    if url is None:
        return False
    login = httpx.BasicAuth(*ensure_login(home).split(":", 1))
    return all(_planned(url, login, slot) for slot in slots)


def _planned(url: str, login: httpx.BasicAuth, slot: Slot) -> bool:
    wanted = {
        "flows": {"name": {"any_": [slot.name]}},
        "deployments": {"name": {"any_": [slot.stage]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    try:
        answer = httpx.post(f"{url}/flow_runs/count", json=wanted, auth=login, timeout=10)
    except httpx.HTTPError:
        return False
    return answer.is_success and int(answer.text) > 0
