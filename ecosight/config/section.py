"""What every section is: frozen, closed to unknown keys, all numbers finite, each key explained where it stands."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """One section; the text below each of its keys is what the reference page shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
