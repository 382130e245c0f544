"""What MLflow runs to answer with a servable artifact: written into every registered model, never imported here.

It knows no modality and imports nothing of EcoSight: whatever the artifact's own ``runtime.py`` answers, it answers.
The one type hint is for MLflow: without it every load warns, with a richer one the given signature is overridden.
"""

# mypy: ignore-errors

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd


class _Unwritten(SourceFileLoader):
    """Loads a source file and leaves no bytecode beside it: the artifact stays as it was sealed."""

    def set_data(self, path, data, *, _mode=0o666):
        return None


class ServedModel(mlflow.pyfunc.PythonModel):
    """Several samples in, one row of probabilities for each out, one column for each label."""

    def load_context(self, context):
        folder = Path(context.artifacts["servable"])
        name = f"servable_runtime_{abs(hash(str(folder))):x}"
        spec = importlib.util.spec_from_loader(name, _Unwritten(name, str(folder / "runtime.py")))
        runtime = importlib.util.module_from_spec(spec)
        sys.modules[name] = runtime
        spec.loader.exec_module(runtime)
        self._model = runtime.load(folder)

    def predict(self, context, model_input: np.ndarray, params=None):
        """Answer.

        Input: float32 (n, …), samples of one length; or dtype object (n,), one array for each sample of its own length.
        Returns: DataFrame (n, classes) of probabilities.
        """
        samples = list(model_input) if model_input.dtype == object else model_input
        return pd.DataFrame(self._model.predict_batch(samples, **(params or {})), columns=list(self._model.labels))


mlflow.models.set_model(ServedModel())
