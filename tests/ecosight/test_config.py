"""The configuration: defaults that work, every fault at once, and one truth for each place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ecosight.config import Config, load_config
from ecosight.errors import ConfigError

DOCUMENTED = {
    "data_collection": {
        "strategy": "uncertainty",
        "confidence_threshold": 0.7,
        "storage_path": "./collected_data",
        "redis_url": "redis://localhost:6379",
        "s3_bucket": "training-data",
    },
    "annotation": {
        "auto_label": True,
        "auto_label_threshold": 0.8,
        "require_review": True,
        "consensus_threshold": 0.8,
    },
    "dataset": {"versions_path": "./datasets", "augmentation": True, "balance_classes": True},
    "training": {
        "num_gpus": 4,
        "mixed_precision": True,
        "batch_size": 64,
        "epochs": 100,
        "early_stopping": True,
        "patience": 10,
    },
    "tuning": {"n_trials": 100, "timeout": 3600, "pruning": True, "parallel_trials": 4},
    "evaluation": {
        "metrics": ["map", "map50", "precision", "recall"],
        "benchmark_fps": True,
        "generate_plots": True,
    },
    "ab_testing": {"traffic_split": 0.1, "duration_hours": 24, "success_metric": "map50", "min_samples": 1000},
    "rollback": {
        "auto_rollback": True,
        "performance_threshold": 0.95,
        "error_rate_threshold": 0.05,
        "health_check_interval": 60,
    },
    "mlflow": {
        "tracking_uri": "http://localhost:5000",
        "experiment_name": "yolov8_training",
        "artifact_location": "s3://mlflow-artifacts",
    },
    "monitoring": {"dashboard_port": 8050, "refresh_interval": 5, "alerts": True, "email_notifications": True},
}
"""Every key that users were promised."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("config.yaml")
    file.write_text(text, "utf-8")
    return file


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(text))
    found: list[str] = caught.value.context["faults"]
    assert all(fault in caught.value.message for fault in found)
    return found


def test_without_a_file_everything_is_local() -> None:
    config = load_config()
    here = Path.cwd() / "ecosight_data"
    assert config.root == here
    assert config.blob_folder == here / "blobs"
    assert config.database_url == f"sqlite:///{here}/ecosight.db"
    assert config.tracking_uri == f"sqlite:///{here}/mlflow.db"
    assert config.storage.backend == "local"
    assert config.redis.url is None
    assert not here.exists()  # reading the configuration makes nothing


def test_every_documented_key_is_understood() -> None:
    config = load_config(write(yaml.safe_dump(DOCUMENTED)))
    for section, keys in DOCUMENTED.items():
        for key, value in keys.items():
            found = getattr(getattr(config, section), key)
            assert found == (Path(value) if isinstance(found, Path) else value), f"{section}.{key}"


def test_all_faults_are_told_at_once() -> None:
    found = faults("""
trainig: {epochs: 3}
training: {epochs: 0, bath_size: 8, dropout: nine}
dataset: {splits: {train: 0.9, val: 0.2, test: 0.1}, group_pattern: "("}
database: {url: "postgresql://me:geheim@db/ecosight"}
""")
    assert len(found) == 7
    told = "\n".join(found)
    for part in ("trainig", "training.epochs", "bath_size", "dropout", "together 1", "regular expression", "password"):
        assert part in told
    assert "geheim" not in told


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("trainig: {}", "training"),
        ("training: {epoch: 3}", "epochs"),
        ("serving: {max_bach: 3}", "max_batch"),
        ("mlflow: {trackinguri: x}", "tracking_uri"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text: str, near: str) -> None:
    [fault] = faults(text)
    assert near in fault


def test_the_environment_is_stronger_than_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("training: {epochs: 3, batch_size: 8}\nsecurity: {cors_origins: [a]}")
    monkeypatch.setenv("ECOSIGHT__TRAINING__EPOCHS", "5")
    monkeypatch.setenv("ECOSIGHT__SECURITY__CORS_ORIGINS", '["b", "c"]')
    config = load_config()
    assert (config.training.epochs, config.training.batch_size) == (5, 8)
    assert config.security.cors_origins == ["b", "c"]


def test_an_argument_is_stronger_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOSIGHT__TRAINING__EPOCHS", "5")
    monkeypatch.setenv("ECOSIGHT__TRAINING__BATCH_SIZE", "9")
    config = load_config(training={"epochs": 7})
    assert (config.training.epochs, config.training.batch_size) == (7, 9)


def test_a_fault_in_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOSIGHT__TRANING__EPOCHS", "5")
    monkeypatch.setenv("ECOSIGHT__TRAINING__EPOCHS", "many")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert "ECOSIGHT__TRANING__EPOCHS" in caught.value.message
    assert "did you mean training?" in caught.value.message
    assert "training.epochs" in caught.value.message


def test_a_password_belongs_into_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    [fault] = faults("redis: {url: 'redis://:geheim@cache:6379'}")
    assert "ECOSIGHT__REDIS__URL" in fault
    assert "geheim" not in fault
    write("")
    monkeypatch.setenv("ECOSIGHT__REDIS__URL", "redis://:geheim@cache:6379")
    assert load_config().redis.url == "redis://:geheim@cache:6379"


@pytest.mark.parametrize("text", ["[1, 2]", "a word", "training: [1]", "a: b: c", "\x00", "training: {epochs: 3"])
def test_a_file_that_is_no_configuration_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError):
        load_config(write(text))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "training:\n", "{}"])
def test_an_empty_file_or_section_means_the_defaults(text: str) -> None:
    assert load_config(write(text)).training == Config().training


def test_a_named_file_that_is_missing_is_told() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config("nowhere.yaml")


def test_a_configuration_cannot_be_changed() -> None:
    config = load_config()
    with pytest.raises(Exception, match="frozen"):
        config.training.epochs = 3


def test_two_configurations_do_not_share_a_file(tmp_path: Path) -> None:
    first = load_config(write("training: {epochs: 3}"))
    Path("config.yaml").unlink()
    assert (first.training.epochs, load_config().training.epochs) == (3, 100)
