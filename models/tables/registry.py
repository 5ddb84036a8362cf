"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

from countersign.models.tables.accounts import ApiKey, InviteCode, User
from countersign.models.tables.attestation import Disclosure, JournalCommit, Retirement, Seal, Timestamp
from countersign.models.tables.claimed import ClaimedPerformance
from countersign.models.tables.external import (
    ExternalOutcome,
    ExternalSignal,
    Gap,
    PollState,
    PollTally,
    QuarantinedItem,
    Source,
)
from countersign.models.tables.factors import Factor, FactorSession
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import CorporateAction, Instrument, QualityReport, UniverseMember
from countersign.models.tables.notifications import Address, Delivery, Inbox
from countersign.models.tables.operations import AuditEntry, HomeFact, Lease, Notification, StageRun
from countersign.models.tables.portfolios import FactorPortfolio, PortfolioMember
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import StatusChange, Strategy
from countersign.models.tables.tickets import Ticket

__all__ = [
    "Address",
    "ApiKey",
    "AuditEntry",
    "ClaimedPerformance",
    "CorporateAction",
    "Delivery",
    "Disclosure",
    "ExternalOutcome",
    "ExternalSignal",
    "Factor",
    "FactorPortfolio",
    "FactorSession",
    "Gap",
    "HomeFact",
    "Inbox",
    "Instrument",
    "InviteCode",
    "JournalCommit",
    "LakeFile",
    "Lease",
    "Notification",
    "PollState",
    "PollTally",
    "PortfolioMember",
    "QualityReport",
    "QuarantinedItem",
    "Retirement",
    "Seal",
    "Settlement",
    "Signal",
    "Source",
    "StageRun",
    "StatusChange",
    "Strategy",
    "Ticket",
    "Timestamp",
    "UniverseMember",
    "User",
]
