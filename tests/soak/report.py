"""The report of a soak, in words and tables of Markdown."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.soaking import Report


def render(report: Report) -> Iterator[str]:
    """Give the lines of a report."""
    record = report.record
    yield f"seed {report.seed}, {report.seconds:.0f} s, {report.sessions} sessions, {report.submissions} submissions"
    yield f"{record.killed} kills, {record.terminated} told to end, {record.suspended} suspended"
    disk = f"{record.disk_fills} times full" if report.disk else "never filled: to mount one takes root"
    outages = ", ".join(f"{kind} {count}" for kind, count in sorted(record.outages.items()))
    yield f"disk: {disk}; remote: {record.outages.total()} outages ({outages})"
    yield f"unanswered: {', '.join(f'{kind} {n}' for kind, n in sorted(report.unanswered.items())) or 'nothing'}"
    yield f"ended by themselves: {'; '.join(f'{what}: {n}' for what, n in report.ended.items()) or 'none'}"
    yield from _table(record.kills, record.circumstances)
    yield from (f"FAULT {fault}" for fault in report.faults)
    yield f"{len(report.faults)} faults" if report.faults else "nothing is lost, and everything is as in peace"


def _table(kills: Counter[tuple[str, str]], circumstances: Counter[str]) -> Iterator[str]:
    stages = sorted({stage for _, stage in kills})
    yield f"| killed | {' | '.join(stages)} | all |"
    yield f"| --- |{' ---: |' * (len(stages) + 1)}"
    for name in sorted({name for name, _ in kills}):
        counts = [kills[name, stage] for stage in stages]
        yield f"| {name} | {' | '.join(map(str, counts))} | {sum(counts)} |"
    yield f"of these {', '.join(f'{count} while {what}' for what, count in sorted(circumstances.items()))}"
