"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

from models.tables.accounts import ApiKey, InviteCode, User
from models.tables.attestation import Disclosure, JournalCommit, Retirement, Seal, Timestamp
from models.tables.claimed import ClaimedPerformance
from models.tables.external import ExternalOutcome, ExternalSignal, Gap, PollState, PollTally, QuarantinedItem, Source
from models.tables.factors import Factor, FactorSession
from models.tables.lake import LakeFile
from models.tables.market import CorporateAction, Instrument, QualityReport, UniverseMember
from models.tables.notifications import Address, Delivery, Inbox
from models.tables.operations import AuditEntry, HomeFact, Lease, Notification, StageRun
from models.tables.portfolios import FactorPortfolio, PortfolioMember
from models.tables.settlement import Settlement
from models.tables.signals import Signal
from models.tables.strategies import StatusChange, Strategy
from models.tables.tickets import Ticket

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
