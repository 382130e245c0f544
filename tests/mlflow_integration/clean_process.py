"""Run alone (python -I): loads ``models:/sound@champion`` with MLflow, compares its answers with those of the artifact
in argv[1], and tells what it found as JSON. Nothing of this project, TensorFlow or Keras can be imported here."""

import importlib.util
import json
import sys
import warnings
from pathlib import Path

FORBIDDEN = {"ecosight", "modalities", "dataset", "evaluation", "mlflow_integration", "training", "serving", "pipeline"}
FORBIDDEN |= {"tensorflow", "keras"}


class Blocker:
    """Turns every forbidden import away and remembers it."""

    tried: list[str] = []  # noqa: RUF012  - one for the process

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            self.tried.append(name)
            raise ModuleNotFoundError(f"{name} is not installed here")


warnings.simplefilter("error")  # a load must not nag those who use the model
warnings.filterwarnings("ignore", "The ``noload`` loader strategy")
warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType")
sys.meta_path.insert(0, Blocker())

import mlflow  # noqa: E402
import numpy as np  # noqa: E402


def load_reference(folder):
    """The artifact through its own runtime."""
    spec = importlib.util.spec_from_file_location("runtime_of_the_artifact", folder / "runtime.py")
    runtime = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = runtime
    spec.loader.exec_module(runtime)
    return runtime.load(folder)


def compare(model, reference, clip, clips):
    ragged = np.empty(2, object)
    ragged[:] = [clip[0, :5000], clip[0, :7000]]
    slow = {"sample_rate": 8000}
    return {
        "one clip": np.array_equal(model.predict(clip), reference.predict_batch(clip)),
        "several": np.array_equal(model.predict(clips), reference.predict_batch(clips)),
        "of several lengths": np.array_equal(model.predict(ragged), reference.predict_batch(list(ragged))),
        "at another rate": np.array_equal(model.predict(clips, params=slow), reference.predict_batch(clips, **slow)),
    }


def refused(model, value):
    try:
        model.predict(value)
    except mlflow.exceptions.MlflowException as error:
        return "does not match" in str(error) or "input of type" in str(error)
    return False


def main():
    model = mlflow.pyfunc.load_model("models:/sound@champion")
    random = np.random.default_rng(1)
    clip, clips = (random.uniform(-0.9, 0.9, size=(n, 8000)).astype(np.float32) for n in (1, 3))
    strange = {"float64": clip.astype(float), "1-D": clip[0], "list": clip.tolist(), "3-D": clip[None]}
    answer = model.predict(clips)
    told = {
        "same": compare(model, load_reference(Path(sys.argv[1])), clip, clips),
        "columns": list(answer.columns),
        "dtypes": sorted({str(dtype) for dtype in answer.dtypes}),
        "refused": {name: refused(model, value) for name, value in strange.items()},
        "signature": model.metadata.signature.to_dict(),
        "metadata": model.metadata.metadata,
        "example": model.input_example.shape,
        "example_answered": model.predict(model.input_example).shape,
        "forbidden": Blocker.tried,
    }
    print(json.dumps(told))


main()
