"""Sections about a model at work: served, let in step by step, taken back, watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ecosight.config.section import Section

__all__ = ["ServingSection", "SecuritySection", "ABTestingSection", "RollbackSection", "MonitoringSection"]


class ServingSection(Section):
    host: str = "127.0.0.1"
    """Address to bind. Anything but loopback requires API keys."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to bind; 0 takes a free one."""
    engine: str = "default"
    """``default`` (ONNX Runtime), an engine by name, or ``fastest``: the quickest that passes parity here."""
    max_batch: int = Field(8, ge=1)
    """Most clips that one inference call takes together."""
    queue_limit: int = Field(256, ge=1)
    """Requests waiting or running before the server answers 429."""
    batch_files: int = Field(64, ge=1)
    """Most files of one /predict/batch."""
    poll_seconds: float = Field(1.0, gt=0)
    """How often the alias in the registry is looked at."""
    run_jobs: bool = True
    """Whether this server also starts a worker process for queued jobs."""


class SecuritySection(Section):
    require_keys: bool | None = None
    """None: keys are required unless the server is bound to loopback."""
    cors_origins: list[str] = Field([])
    """Origins whose pages may call the API from a browser."""


class ABTestingSection(Section):
    traffic_split: float = Field(0.1, ge=0, le=1)
    """Share of the traffic that a candidate gets under `fixed` and `thompson`, and in an `ABTestManager`."""
    duration_hours: float = Field(24, gt=0)
    """A rollout that has not ended after so long pauses, for a person to look."""
    success_metric: str = "accuracy"
    """What an `ABTestManager` calls its result; right answers are compared, whatever it is called."""
    min_samples: int = Field(1000, ge=1)
    """Keys that a candidate meets before it is promoted; each step waits for its part of them."""
    strategy: Literal["canary", "blue-green", "shadow", "fixed", "thompson"] = "canary"
    """How a candidate is let in, where `rollout start` does not say."""
    steps: list[int] = Field([5, 10, 25, 50, 100], min_length=1)
    """Shares of the traffic that a canary goes through, in percent."""
    min_step_seconds: float = Field(300, ge=0)
    """Least time of a step."""
    keep_exposures_days: float = Field(30, gt=0)
    """Days that the single requests of finished rollouts are kept; decisions and the routing history stay for good."""
    candidate_timeout_ms: int = Field(1000, ge=10)
    """A candidate that has not answered by then is late: the champion answers, and it counts against the candidate."""


class RollbackSection(Section):
    auto_rollback: bool = True
    """Whether a degraded model is taken back by itself."""
    performance_threshold: float = Field(0.95, ge=0, le=1)
    """Least performance, as a share of the baseline."""
    error_rate_threshold: float = Field(0.05, ge=0, le=1)
    """Most errors, as a share of requests, each key counting alike."""
    health_check_interval: float = Field(60, gt=0)
    """Seconds between health checks."""


class MonitoringSection(Section):
    dashboard_port: int = Field(8050, ge=0, le=65535)
    """Port of the dashboard."""
    refresh_interval: float = Field(5, gt=0)
    """Seconds between refreshes."""
    alerts: bool = True
    """Whether alerts are sent."""
    email_notifications: bool = False
    """Whether alerts go out by mail."""
