"""Expectations: checks a session's bars with Great Expectations, and makes the page of its and the gate's findings.

The gate decides (domain.quality); this is the evidence kept beside it. The library takes seconds and 200
MiB to import, so it is imported where it is used.
"""

import html
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from domain.quality import BAR_RULES
from models.enums import Severity
from models.quality import Finding

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 2rem; }
td, th { border-bottom: 1px solid #ddd; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
.hold, .no { color: #b00020; font-weight: 600; } .warn { color: #9a6700; font-weight: 600; }
.pass, .yes { color: #1a7f37; }
"""


def validate(known: pl.DataFrame, fewest: float) -> dict[str, Any]:
    """Validate a session's bars (with the columns of domain.quality.with_limits); return the library's own result.

    The suite is made from domain.quality.BAR_RULES: a column a rule, true where the bar keeps it, and one expectation
    that says so. The number of rows is expected beside them.
    """
    from great_expectations import ExpectationSuite, get_context  # noqa: PLC0415 - slow to import
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    lake = get_context(mode="ephemeral", project_config=config).data_sources.add_pandas("lake")
    kept = known.select("symbol", *((~rule.wrong).fill_null(value=True).alias(rule.name) for rule in BAR_RULES))
    definition = lake.add_dataframe_asset("bars").add_batch_definition_whole_dataframe("session")
    batch = definition.get_batch({"dataframe": kept.to_pandas()})
    result = batch.validate(ExpectationSuite(name="bars", expectations=_expectations(fewest)))
    return {"success": result.success, "results": [result.to_json_dict()]}


def _expectations(fewest: float) -> list[Any]:
    import great_expectations.expectations as gxe  # noqa: PLC0415 - slow to import

    severities = {Severity.HOLD: "critical", Severity.WARN: "warning"}
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=max(1, -int(-fewest // 1))),
        *(
            gxe.ExpectColumnValuesToBeInSet(
                column=rule.name, value_set=[True], severity=severities[rule.severity], notes=rule.detail
            )
            for rule in BAR_RULES
        ),
    ]


def render(session: date, rows: int, verdict: str, findings: Sequence[Finding], validation: dict[str, Any]) -> str:
    """The report as one page that needs nothing else."""
    found = [
        (finding.severity, finding.rule, str(finding.count), finding.detail, " ".join(finding.symbols))
        for finding in findings
    ]
    expected = [
        ("yes" if result["success"] else "no", *_words(result), suite["suite_name"])
        for suite in validation["results"]
        for result in suite["results"]
    ]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Bars of {session}: {verdict}</title><style>{STYLE}</style></head>
<body><h1>Bars of {session}: <span class="{verdict}">{verdict}</span></h1>
<p>{rows} rows. <code>hold</code> stops the settlement of the session, <code>warn</code> is only told.</p>
<h2>What the gate found</h2>
{_table(("", "rule", "rows", "detail", "symbols"), found) if found else "<p>Nothing.</p>"}
<h2>Great Expectations</h2>
{_table(("met", "expectation", "of", "unexpected", "suite"), expected) if expected else "<p>No bars to look at.</p>"}
</body></html>
"""


def _words(result: dict[str, Any]) -> tuple[str, str, str]:
    """An expectation's name, its arguments, and how many rows did not meet it."""
    config = result["expectation_config"]
    given = {name: value for name, value in config["kwargs"].items() if name not in {"batch_id", "ignore_row_if"}}
    found = result["result"]
    unexpected = found["unexpected_count"] if "unexpected_count" in found else f"{found.get('observed_value', '')} seen"
    return config["type"], ", ".join(f"{name} {value}" for name, value in given.items()), str(unexpected)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "\n".join(
        f'<tr><td class="{html.escape(first)}">{html.escape(first)}</td>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{head}</tr>\n{body}</table>"
