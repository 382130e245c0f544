"""Any bytes give a mono 16 kHz waveform, or an error of the input family that says what is wrong."""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
from conftest_sounds import encode, tone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecosight.config import SoundSection
from ecosight.errors import InputError, MediaTooLarge, UnreadableMedia, UnsupportedMedia
from modalities.sound.decoding import Sound, decode
