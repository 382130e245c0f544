"""What MLflow runs to answer with a servable artifact: written into every registered model, never imported here.

It knows no modality and imports nothing of EcoSight: whatever the artifact's own ``runtime.py`` answers, it answers.
"""

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

    def predict(self, context, model_input, params=None):
        """Answer.

        Input: samples of one length as an array (n, …); of several lengths as an array of dtype object,
            or a list, that holds one array a sample; or a single sample as a 1-D array.
        Returns: DataFrame (n, classes) of probabilities.
        """
        samples = model_input.to_numpy() if isinstance(model_input, pd.DataFrame) else model_input
        if isinstance(samples, np.ndarray) and samples.dtype == object:
            samples = [np.asarray(sample, np.float32) for sample in samples]
        elif np.ndim(samples[0]) == 0:
            samples = np.asarray(samples, np.float32)[None]
        return pd.DataFrame(self._model.predict_batch(samples, **(params or {})), columns=list(self._model.labels))


mlflow.models.set_model(ServedModel())
