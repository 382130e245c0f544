"""Trips that need no statistics: one such event, or a handful, and the candidate goes at once, traffic or not."""

from __future__ import annotations

from collections.abc import Iterator

from ab_testing.evidence import CandidateEvidence
from ab_testing.policy import Policy
from rollback.findings import Finding, found, tripped

__all__ = ["hard_findings"]

MIN_FAULTS = 5
MOST_FAULTS = 0.5
LEAST_KEYS = 2
"""A sensor that is broken itself fails everywhere, and may ask more often than all others."""


def hard_findings(candidate: CandidateEvidence, policy: Policy) -> Iterator[Finding]:
    """What is wrong beyond doubt with one candidate."""
    yield _load_failure(candidate)
    yield _non_finite(candidate)
    yield _crashes(candidate, policy)
    yield _faults(candidate)


def _load_failure(candidate: CandidateEvidence) -> Finding:
    failures = candidate.load_failures
    if not failures:
        return found(candidate.arm, "load_failure", "healthy")
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return tripped(
        candidate.arm,
        "load_failure",
        "hard",
        rule="every server loads the model",
        observed=f"a server could not load it: {failures[0]}{more}",
        figures={"failures": list(failures)},
    )


def _non_finite(candidate: CandidateEvidence) -> Finding:
    if not candidate.non_finite:
        return found(candidate.arm, "non_finite", "healthy")
    return tripped(
        candidate.arm,
        "non_finite",
        "hard",
        rule="every probability is a finite number",
        observed=f"{candidate.non_finite:,} answers held NaN or infinity",
        figures={"answers": candidate.non_finite},
    )


def _crashes(candidate: CandidateEvidence, policy: Policy) -> Finding:
    crashes = sum(0 <= ago <= policy.crash_window_s for ago in candidate.crashes_s_ago)
    figures = {"crashes": crashes, "window_s": policy.crash_window_s}
    if crashes < policy.crash_limit:
        return found(candidate.arm, "crashes", "healthy", figures=figures)
    return tripped(
        candidate.arm,
        "crashes",
        "hard",
        rule=f"its processes die fewer than {policy.crash_limit} times in {policy.crash_window_s:g} s",
        observed=f"they died {crashes} times",
        figures=figures,
    )


def _faults(candidate: CandidateEvidence) -> Finding:
    faults, requests = candidate.recent_faults, candidate.recent_requests
    figures = {"faults": faults, "requests": requests}
    if not requests:
        return found(candidate.arm, "faults", "no_data", missing="a request in the last minute", figures=figures)
    if faults < MIN_FAULTS or faults <= MOST_FAULTS * requests or not _of_many_keys(candidate):
        return found(candidate.arm, "faults", "healthy", figures=figures)
    control = candidate.control_recent
    if control is not None and control.failing >= LEAST_KEYS and control.rate > MOST_FAULTS:
        missing = f"the control fails {control.rate:.0%} of the time too, so the cause lies elsewhere"
        return found(candidate.arm, "faults", "insufficient", missing=missing, figures=figures)
    return tripped(
        candidate.arm,
        "faults",
        "hard",
        rule=f"fewer than {MIN_FAULTS} requests of the last minute fail, or no more than {MOST_FAULTS:.0%} of them",
        observed=f"{faults:,} of the last {requests:,} requests failed ({faults / requests:.0%})",
        figures=figures,
    )


def _of_many_keys(candidate: CandidateEvidence) -> bool:
    """Whether it is not one key that fails so often, unless there never was another."""
    recent = candidate.recent
    if recent is None or candidate.met_keys == 1:
        return True
    return recent.failing >= LEAST_KEYS and recent.rate > MOST_FAULTS
