"""The endpoint as it is usually written, for comparison: librosa, YAMNet and the head from TensorFlow, ``async def``.

    python benchmarks/serving_plain.py FOLDER YAMNET PORT

FOLDER holds ``head.keras`` and ``labels.json``, made by serving_ways.py.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import librosa
import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, UploadFile

folder, yamnet, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
labels = json.loads((folder / "labels.json").read_text())
embedder = tf.saved_model.load(yamnet)
head = keras.models.load_model(folder / "head.keras")
app = FastAPI()


@app.get("/health/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    began = time.perf_counter()
    waveform, _ = librosa.load(io.BytesIO(await file.read()), sr=16000, mono=True)
    _, embeddings, _ = embedder(waveform)
    logits = head.predict(embeddings.numpy().mean(axis=0)[None], verbose=0)[0]
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    return {
        "success": True,
        "predicted_class": labels[best],
        "confidence": float(shares[best]),
        "all_probabilities": dict(zip(labels, map(float, shares), strict=True)),
        "processing_time": time.perf_counter() - began,
    }


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
