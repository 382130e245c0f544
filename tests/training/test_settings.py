"""The head that is trained fits what there is to learn from, unless somebody says otherwise."""

from __future__ import annotations

import pytest

from ecosight.config import load_config
from ecosight.errors import ConfigError
from training.settings import DEEP_HEAD_FROM, head_options


def test_the_head_grows_with_the_data() -> None:
    config = load_config()
    assert head_options(config, DEEP_HEAD_FROM - 1) == {"hidden_units": [512], "dropout": [0.5]}
    assert head_options(config, DEEP_HEAD_FROM)["hidden_units"] == [512, 256, 128, 64]


def test_a_configured_head_is_taken_whatever_the_data() -> None:
    config = load_config(training={"hidden_units": [64, 32], "dropout": [0.2, 0.1]})
    assert head_options(config, 10) == {"hidden_units": [64, 32], "dropout": [0.2, 0.1]}


def test_widths_without_as_many_dropout_rates_are_refused() -> None:
    with pytest.raises(ConfigError, match="one value each"):
        load_config(training={"hidden_units": [64, 32]})
