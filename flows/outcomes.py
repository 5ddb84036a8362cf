"""Outcomes flow: judges external signals by the klines there are, shows each source's record, and publishes it."""

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger

from countersign.flows.artifacts import show_table
from countersign.flows.runs import record_process
from countersign.flows.scheduled import remember_run
from countersign.services.external.kline_imports import extend_sample_klines
from countersign.services.external.outcomes import read_records
from countersign.settings import open_home
from countersign.store.clock import wall_clock
from countersign.tasks.outcomes import judge_signals
from countersign.tasks.publish import publish_lens


@flow(
    name="signal_outcomes",
    flow_run_name="outcomes",
    on_running=[record_process],
    on_completion=[remember_run],
    on_failure=[remember_run],
)
def signal_outcomes(session: date | None = None, home: Path | None = None) -> list[dict[str, Any]]:  # noqa: ARG001 - stages are called alike
    """Judge the signals that are not finally decided, and show the record of each source so far.

    Safe to repeat: a decided outcome stays, until klines that it rests on change.
    """
    log = get_run_logger()
    opened = open_home(home)
    extend_sample_klines(opened, wall_clock())
    judged = judge_signals(opened, wall_clock())
    for each in judged:
        log.info("%s: %d signals looked at, %d outcomes new or different", each.market, each.signals, each.changed)
    if not judged:
        log.info("no signal waits that there are klines for; `countersign market import-klines` brings some")
    with opened.ledger.read() as db:
        rows = [{"source": source} | _in_words(record) for source, record in sorted(read_records(db).items())]
    if rows:
        show_table(rows, "signal-outcomes", description="What became of each source's signals, as first seen")
    publish_lens(opened)
    return rows


def _in_words(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its shares in words: "40.0 % of 10 (16.8 to 68.7)"."""
    return {name: _words(value) if isinstance(value, dict) else value for name, value in record.items()}


def _words(share: dict[str, Any]) -> str:
    if not share["of"]:
        return "of none"
    percents = (100 * share[name] for name in ("share", "low", "high"))
    return "{:.1f} % of {} ({:.1f} to {:.1f})".format(next(percents), share["of"], *percents)
