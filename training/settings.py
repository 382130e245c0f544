"""How one head is fitted: the figures of ``training`` in the configuration, checked, without anything else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ecosight.config import Config
from ecosight.errors import InvalidInput

__all__ = ["DEEP_HEAD_FROM", "FitSettings", "head_options"]

DEEP_HEAD_FROM = 1000
"""Training samples from which the deep head is the default.

On 170 YAMNet embeddings of ten classes its four hidden layers are right about 0.94 of the time, one layer 0.966
(docs/performance.md); with thousands of recordings the deep head has what it needs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """Settings of ``fit_head``.

    Attributes:
        epochs: most epochs, >= 1.
        batch_size: most samples of one (micro-)batch; an epoch is cut into batches as equal as can be.
        gradient_accumulation: batches whose gradients are added before one step of the optimizer.
        weight_decay: decoupled, not on biases or normalisation; 0 is none, with ``adamw`` Keras's default of 0.004.
        patience: epochs without a lower validation loss before stopping; None trains all epochs.
        balance_classes: weight a sample by n / (classes * n_class), so that every class counts the same.
        mixup: alpha of the shares by which rows of a batch are mixed, with soft labels between theirs; 0 mixes none.
        num_gpus: 0 trains on the CPU.
        mixed_precision: compute in bfloat16, keep the variables in float32.
    """

    epochs: int = 100
    batch_size: int = 64
    gradient_accumulation: int = 1
    learning_rate: float = 0.001
    optimizer: str = "adam"
    weight_decay: float = 0.0
    scheduler: str = "plateau"
    scheduler_patience: int = 7
    patience: int | None = 15
    balance_classes: bool = True
    mixup: float = 0.0
    num_gpus: int = 0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise InvalidInput(f"learning_rate must be above 0, not {self.learning_rate}")
        if not 0 <= self.mixup <= 10:
            raise InvalidInput(f"mixup must be between 0 and 10, not {self.mixup}", hint="0.1 to 0.4 is usual.")

    @classmethod
    def from_config(cls, config: Config, *, epochs: int | None = None) -> FitSettings:
        """The settings of a configuration; ``epochs`` overrides its number of epochs."""
        training = config.training
        return cls(
            epochs=training.epochs if epochs is None else epochs,
            batch_size=training.batch_size,
            gradient_accumulation=training.gradient_accumulation,
            learning_rate=training.learning_rate,
            optimizer=training.optimizer,
            weight_decay=training.weight_decay,
            scheduler=training.scheduler,
            scheduler_patience=training.scheduler_patience,
            patience=training.patience if training.early_stopping else None,
            balance_classes=config.dataset.balance_classes,
            mixup=config.dataset.mixup if config.dataset.augmentation else 0.0,
            num_gpus=training.num_gpus,
            mixed_precision=training.mixed_precision,
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def head_options(config: Config, training_samples: int) -> dict[str, Any]:
    """Widths and dropout of the head's hidden layers: as configured, or by how much there is to learn from."""
    units, dropout = config.training.hidden_units, config.training.dropout
    if units is not None and dropout is not None:
        return {"hidden_units": list(units), "dropout": list(dropout)}
    if training_samples >= DEEP_HEAD_FROM:
        return {"hidden_units": [512, 256, 128, 64], "dropout": [0.5, 0.4, 0.3, 0.2]}
    return {"hidden_units": [512], "dropout": [0.5]}
