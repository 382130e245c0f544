"""The page needs no network, holds the samples within its limits, and takes no name for markup."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np

from ecosight.blobs import LocalBlobs
from ecosight.errors import NotFound
from evaluation.errors import ErrorAnalyzer, analyse_errors, error_page
from evaluation.errors.media import embed

_ENDLESS = 10**9


class Seen(HTMLParser):
    """Elements, and the addresses that they ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.asked: list[str] = []
        self.samples: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.asked += [value or "" for name, value in attrs if name in ("src", "href")]
        self.samples += [value or "" for name, value in attrs if name == "data-sample"]


def part(say: Any, name: str = "owl") -> Any:
    table = [[0.1, 0.9]] * 6 + [[0.9, 0.1]] * 34
    return say([name] * 40, table, known=[name, "fox"], sources=[f"{name} {k}.wav" for k in range(40)])


def media_of(page: str) -> dict[str, str]:
    text = page.split('id="media">', 1)[1].split("</script>", 1)[0]
    found: dict[str, str] = json.loads(text)
    return found


def test_every_sample_that_is_named_can_be_heard_on_the_page(say: Any) -> None:
    analysis = analyse_errors(part(say), seed=0)
    page = error_page(analysis, lambda sample: ("audio/wav", f"sound of {sample}".encode()))
    held = media_of(page)
    assert set(Seen(page).samples) == set(held)
    assert len(held) == 6
    kind, _, data = held["s0000"].partition(";base64,")
    assert kind == "data:audio/wav"
    assert base64.b64decode(data) == b"sound of s0000"


def test_the_page_asks_nobody_for_anything(say: Any) -> None:
    page = error_page(analyse_errors(part(say), seed=0))
    assert Seen(page).asked == []
    assert "http" not in page
    assert "{{" not in page


def test_names_are_never_markup(say: Any) -> None:
    name = '<script>alert(1)</script><img src="http://x" onerror=1> {{media}} </script>'
    page = error_page(analyse_errors(part(say, name), seed=0), lambda _: ("image/<svg>", b"x"))
    seen = Seen(page)
    assert seen.names.count("script") == 2
    assert "img" not in seen.names
    assert media_of(page) == {}


def test_the_page_stays_within_its_limits() -> None:
    sizes = {"a": 50, "large": 200, "b": 40, "c": 30, "gone": 0}

    def read(sample: str) -> tuple[str, bytes]:
        if sample == "gone":
            raise NotFound("no such blob")
        return "image/png", bytes(sizes[sample])

    assert list(embed(["a", "gone", "a", "large", "b", "c"], read, most_bytes=100, each_bytes=100)) == ["a", "b"]
    assert list(embed(sizes, read, most_bytes=_ENDLESS, each_bytes=_ENDLESS)) == ["a", "large", "b", "c"]


def test_a_model_is_asked_and_its_samples_are_shown(blobs: LocalBlobs, make_servable: Any, put: Any) -> None:
    entries = [put("fox", {"fox": 0.9, "owl": 0.1}, f"f{k}") for k in range(12)]
    entries += [put("owl", {"fox": 0.2 + 0.05 * (k < 4) * 12, "owl": 0.5}, f"o{k}", f"owl{k}.json") for k in range(12)]
    analyzer = ErrorAnalyzer.asking(make_servable(["fox", "owl"]), entries, blobs, seed=1)
    analysis = analyzer.analyze()
    assert (analysis.n, analysis.errors) == (24, 4)
    assert {each.source for each in analysis.mistakes} == {"owl0.json", "owl1.json", "owl2.json", "owl3.json"}
    assert analyzer.lines()[0] == "4 mistakes in 24 samples of 24 groups (16.7%)"
    page = error_page(analysis, lambda sample: ("application/json", blobs.get(sample)))
    assert set(media_of(page)) == {each.sample_id for each in analysis.mistakes}
    assert np.isclose(analysis.mistakes[0].confidence, 0.8)
