"""Proof: commands that a sceptic runs, on a clone alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

from countersign.cli.common import JsonOption, group

app = group("Proof.")


@app.command()
def verify(
    journal: Annotated[Path, typer.Argument(help="A clone of a journal.")],
    strategy: Annotated[str | None, typer.Option(help="Only this strategy.")] = None,
    bars: Annotated[Path | None, typer.Option(help="Bars, Parquet or CSV, to settle every session again from.")] = None,
    actions: Annotated[
        Path | None, typer.Option(help="Corporate actions, Parquet or CSV, to hold the journal's against.")
    ] = None,
    instruments: Annotated[
        Path | None, typer.Option(help="Instruments, Parquet or CSV, to hold the listings and delistings against.")
    ] = None,
    signers: Annotated[Path | None, typer.Option(help="allowed_signers from a source trusted more.")] = None,
    tsa_ca: Annotated[list[Path] | None, typer.Option(help="PEM certificates of timestamp authorities.")] = None,
    contains: Annotated[list[str] | None, typer.Option(help="A commit known to have been in it.")] = None,
    receipts: Annotated[Path | None, typer.Option(help="A folder with all the receipts you were given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a journal offline: signatures, chains, deadlines, reveals, tokens and, given bars, every NAV."""
    from countersign.services.verification.text import render_report
    from countersign.services.verification.verify import report_json, verify_journal

    report = verify_journal(
        journal,
        strategy=strategy,
        bars=bars,
        actions=actions,
        instruments=instruments,
        signers=signers,
        authorities=tsa_ca or (),
        contains=contains or (),
        receipts=receipts,
    )
    typer.echo(json.dumps(report_json(report), default=str) if as_json else render_report(report))
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def audit(
    repository: Annotated[Path, typer.Argument(help="A repository of daily attestation files.")],
    as_json: JsonOption = False,
) -> None:
    """Audit a foreign attestation repository: which commit first held each entry, and whether that was in time."""
    from countersign.services.verification.text import render_audit
    from countersign.services.verification.verify import audit_json, audit_repository

    done = audit_repository(repository)
    typer.echo(json.dumps(audit_json(done), default=str) if as_json else render_audit(done))
