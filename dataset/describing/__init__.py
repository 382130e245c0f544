"""What a dataset version holds, how good and how balanced it is, and what to collect next."""

from dataset.describing.agreement import Agreement, agreement_of
from dataset.describing.balance import Balance, balance_of
from dataset.describing.quality import QualityStore, QualitySummary, quality_facts, summarise_quality
from dataset.describing.report import statistics_page
from dataset.describing.sources import StoreFacts, read_statements, read_store_facts
from dataset.describing.summary import Statistics, describe
from dataset.describing.tallies import Row
from dataset.describing.wanted import Wanted, groups_needed, half_width, what_to_collect

__all__ = [
    "Agreement",
    "Balance",
    "QualityStore",
    "QualitySummary",
    "Row",
    "Statistics",
    "StoreFacts",
    "Wanted",
    "agreement_of",
    "balance_of",
    "describe",
    "groups_needed",
    "half_width",
    "quality_facts",
    "read_statements",
    "read_store_facts",
    "statistics_page",
    "summarise_quality",
    "what_to_collect",
]
