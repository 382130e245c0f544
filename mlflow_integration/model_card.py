"""The text about a model version that people read on MLflow's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["model_card"]


def model_card(description: Mapping[str, Any], *, name: str, run_id: str, tags: Mapping[str, str]) -> str:
    """Markdown: what the model tells apart, on what, how well, and how to use it.

    Args:
        description: the artifact's.
        tags: the version's; those of the project that are no plain facts of the artifact are listed as figures.
    """
    labels = [str(label) for label in description["labels"]]
    facts = {
        "embedder": embedder_words(description),
        "dataset": tags.get("ecosight.dataset", "not recorded"),
        "test accuracy": _figure(tags, "accuracy"),
        "macro F1": _figure(tags, "macro_f1"),
        "parity": _parity(description.get("parity")),
        "training run": f"`{run_id}`",
        "digest": f"`{description['digest']}`",
    }
    lines = [f"Tells apart **{len(labels)} classes**: {', '.join(labels)}.", ""]
    lines += [f"- {key}: {text}" for key, text in facts.items() if text]
    lines += ["", "```python", "import mlflow", "", f'model = mlflow.pyfunc.load_model("models:/{name}@champion")']
    lines += [_call(description), "```"]
    return "\n".join(lines)


def embedder_words(description: Mapping[str, Any]) -> str:
    """The embedder by its name, with what its modality says about it, such as "no pretrained weights"."""
    embedder = description.get("embedder") or {}
    note = embedder.get("note") or embedder.get("description") or ""
    return str(embedder.get("name", "none")) + (f" ({note})" if note else "")


def _figure(tags: Mapping[str, str], metric: str) -> str:
    text = tags.get(metric) or tags.get(f"ecosight.{metric}") or ""
    try:
        return f"{float(text):.3f}"
    except ValueError:
        return text


def _parity(parity: Any) -> str:
    if not isinstance(parity, Mapping) or "max_probability_error" not in parity:
        return ""
    return (
        f"{parity.get('engine', 'served')} against {parity.get('reference', 'training')} on "
        f"{parity.get('samples', '?')} samples: largest probability error {parity['max_probability_error']:.2g}"
    )


def _call(description: Mapping[str, Any]) -> str:
    given = description["input"]
    parameters = dict(given.get("parameters") or {})
    arguments = f"samples, params={parameters!r}" if parameters else "samples"
    shape = ", ".join("any" if size == -1 else str(size) for size in given["shape"])
    return f"model.predict({arguments})  # samples: {given['dtype']} ({shape})"
