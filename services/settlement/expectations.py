"""Expectations: a session's bars validated by Great Expectations, and its Data Docs page of the result.

The gate decides (domain.market.quality); this is the evidence kept beside it. The suite follows from the gate's rules,
and the gate's findings are in the suite's descriptions and meta. The library takes seconds and 200 MiB to import, so it
is imported where it is used.
"""

import html
import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from countersign.domain.market.quality import found, verdict
from countersign.domain.market.quality_rules import BarRule, Rule
from countersign.models.enums import Severity
from countersign.models.quality import Finding

STYLES = Path(__file__).parent / "data_docs"
SEVERITIES = {Severity.HOLD: "critical", Severity.WARN: "warning"}
# The page may load nothing at all: a browser that opens it tells no other host.
POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
LOADING = re.compile(r"<link\b[^>]*>|<img\b[^>]*>|<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
LINK_ELSEWHERE = re.compile(r'(<a\b[^>]*?)\s+href="(?!#)[^"]*"', re.IGNORECASE)
ADDRESS_IN_STYLE = re.compile(r"url\([^)]*\)")
TITLE = re.compile(r"<title>.*?</title>\s*", re.DOTALL)


Judgements = Sequence[tuple[Rule, Finding | None]]


class Validation(NamedTuple):
    """Great Expectations' result as JSON has it, and its page."""

    result: dict[str, Any]
    page: str


def validate(
    session: date, known: pl.DataFrame, judgements: Judgements, facts: dict[str, str], now: datetime
) -> Validation:
    """Validate what `domain.market.quality.judge` judged, rule by rule; `known` are its bars.

    `facts` are shown beside the result, and `now` (aware) as the time of the run.
    """
    from great_expectations import ExpectationSuite, get_context  # noqa: PLC0415 - slow to import
    from great_expectations.core.run_identifier import RunIdentifier  # noqa: PLC0415
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.render.renderer import ValidationResultsPageRenderer  # noqa: PLC0415
    from great_expectations.render.view import DefaultJinjaPageView  # noqa: PLC0415

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset("bars")
    batch = asset.add_batch_definition_whole_dataframe(str(session)).get_batch(
        {"dataframe": kept(known, judgements).to_pandas()}
    )
    suite = context.suites.add(ExpectationSuite(name="quality gate", expectations=_expectations(judgements)))
    result = batch.validate(
        suite, result_format={"result_format": "SUMMARY", "unexpected_index_column_names": ["symbol"]}
    )
    gate = verdict(found(judgements))
    result.meta["run_id"] = RunIdentifier(run_name=str(session), run_time=now)
    result.meta["batch_spec"] = {"data_asset_name": f"bars of {session}, gate: {gate}", **facts}
    page = DefaultJinjaPageView(custom_styles_directory=str(STYLES)).render(
        ValidationResultsPageRenderer(data_context=context).render(result), show_how_to_buttons=False
    )
    return Validation(result.to_json_dict(), stand_alone(page, f"Bars of {session}: {gate}"))


def kept(known: pl.DataFrame, judgements: Judgements) -> pl.DataFrame:
    """Make the table that is validated: a row for each bar, and a column for each rule, true where it is kept.

    A rule on the whole session has its value in the first row and null in the others; without a bar there is one row.
    """
    bars = known if known.height else pl.DataFrame({"symbol": [None]}, schema={"symbol": pl.String})
    columns = [
        (~rule.wrong).fill_null(value=True).alias(rule.name)
        if isinstance(rule, BarRule)
        else pl.Series(rule.name, [finding is None, *[None] * (bars.height - 1)], pl.Boolean)
        for rule, finding in judgements
    ]
    return bars.select("symbol", *columns)


def _expectations(judgements: Judgements) -> list[Any]:
    from great_expectations.expectations import ExpectColumnValuesToBeInSet  # noqa: PLC0415 - slow to import

    return [
        ExpectColumnValuesToBeInSet(
            column=rule.name,
            value_set=[True],
            severity=SEVERITIES[finding.severity if finding else rule.severity],
            # The page takes a description for HTML.
            description=html.escape(_words(rule, finding), quote=False),
            meta={"gate": finding and {"severity": finding.severity, "count": finding.count}},
        )
        for rule, finding in judgements
    ]


def _words(rule: Rule, finding: Finding | None) -> str:
    """Describe a rule and the gate's finding."""
    if finding is None:
        return f"Never: {rule.detail}."
    detail = f": {finding.detail}" if finding.detail != rule.detail else ""
    symbols = f": {' '.join(finding.symbols)}" if finding.symbols else ""
    return f"Never: {rule.detail}. Gate: {finding.severity}, count {finding.count}{detail}{symbols}."


def stand_alone(page: str, title: str) -> str:
    """Make a page of Data Docs one that needs nothing else: it loads nothing, and no link leads out of it.

    As they come, these pages load styles, scripts and pictures from seven hosts, and are bare without them.
    """
    page = ADDRESS_IN_STYLE.sub("none", LOADING.sub("", TITLE.sub("", page)))
    return LINK_ELSEWHERE.sub(r"\1", page).replace("<head>", f"<head>{POLICY}<title>{title}</title>", 1)
