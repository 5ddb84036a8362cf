"""Every table of the ledger, so that one import knows them all (migrations and tests need that)."""

from models.attestation import Disclosure, JournalCommit, Retirement, Seal, Timestamp
from models.claimed import ClaimedPerformance
from models.external import ExternalOutcome, ExternalSignal, Gap, PollState, PollTally, QuarantinedItem, Source
from models.factors import Factor, FactorSession
from models.lake import LakeFile
from models.market import CorporateAction, Instrument, QualityReport, UniverseMember
from models.notices import Address, Delivery, Inbox
from models.operations import AuditEntry, HomeFact, Lease, Notification, StageRun
from models.portfolios import FactorPortfolio, PortfolioMember
from models.settlement import Settlement
from models.signals import Signal
from models.strategies import StatusChange, Strategy
from models.tickets import Ticket
from models.users import ApiKey, InviteCode, User

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
