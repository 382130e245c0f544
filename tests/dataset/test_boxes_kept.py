"""Boxes of pictures that are kept whole stay known, and what varies a picture leaves the animal on it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from verbs import Command, verbs

from dataset.augmenting import DatasetAugmenter, Recipe, known_boxes, open_medium
from dataset.ingest import ingest_found
from dataset.reading import survey
from ecosight.config import Config
from ecosight.progress import NullProgress
from modalities.image import ImageModality
from pipeline.wiring import Workbench
from training.augmentation import plan_augmentation, variant_rows

WIDTH, HEIGHT, SIDE = 300, 200, 40
MANY = 12


def picture(path: Path, number: int) -> None:
    """A dim scene with a red animal of 40 x 40 in its upper left corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(10, 60, (HEIGHT, WIDTH, 1), np.uint8).repeat(3, axis=2)
    pixels[:SIDE, :SIDE] = (255, 0, 0)
    Image.fromarray(pixels).save(path)


def seen(data: bytes) -> float:
    """Which share of the animal is on a picture."""
    red, green, _ = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int).transpose(2, 0, 1)
    return float((red - green > 100).sum() / SIDE**2)


def coco(folder: Path, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    numbers = range(1, MANY + 1)
    for n in numbers:
        picture(folder / "images" / f"{n}.png", n)
    told = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": size[0], "height": size[1]} for n in numbers],
        "categories": [{"id": 1, "name": "fox"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, SIDE, SIDE]} for n in (*numbers, *numbers)
        ],
    }
    (folder / "all.json").write_text(json.dumps(told), "utf-8")


def yolo(folder: Path) -> None:
    (folder / "labels").mkdir(parents=True)
    for n in range(1, MANY + 1):
        picture(folder / "images" / f"{n}.png", n)
        (folder / "labels" / f"{n}.txt").write_text(f"0 {20 / WIDTH} 0.1 {SIDE / WIDTH} {SIDE / HEIGHT}\n")
    (folder / "data.yaml").write_text("train: images\nnames: [fox]\n", "utf-8")


def voc(folder: Path) -> None:
    (folder / "annotations").mkdir(parents=True)
    box = f"<xmin>1</xmin><ymin>1</ymin><xmax>{SIDE}</xmax><ymax>{SIDE}</ymax>"
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    for n in range(1, MANY + 1):
        picture(folder / "images" / f"{n}.png", n)
        (folder / "annotations" / f"{n}.xml").write_text(
            f"<annotation><filename>{n}.png</filename>{size}<object><name>fox</name><bndbox>{box}</bndbox></object>"
            "</annotation>"
        )


def cvat(folder: Path) -> None:
    """Each picture has a tag of its own too: the box says more of the same sample."""
    box = f'<box label="fox" xtl="0" ytl="0" xbr="{SIDE}" ybr="{SIDE}" occluded="0"/>'
    images = ""
    for n in range(1, MANY + 1):
        picture(folder / "images" / f"{n}.png", n)
        images += f'<image id="{n}" name="{n}.png" width="{WIDTH}" height="{HEIGHT}"><tag label="fox"/>{box}</image>\n'
    (folder / "all.xml").write_text(f"<annotations>\n<version>1.1</version>\n{images}</annotations>\n", "utf-8")


def label_studio(folder: Path) -> None:
    value = {"x": 0, "y": 0, "width": 100 * SIDE / WIDTH, "height": 100 * SIDE / HEIGHT, "rectanglelabels": ["fox"]}
    tasks = []
    for n in range(1, MANY + 1):
        picture(folder / "images" / f"{n}.png", n)
        region = {"type": "rectanglelabels", "value": value, "original_width": WIDTH, "original_height": HEIGHT}
        region |= {"from_name": "label", "to_name": "image", "id": f"r{n}"}
        tasks.append({"id": n, "data": {"image": f"images/{n}.png"}, "annotations": [{"id": n, "result": [region]}]})
    (folder / "tasks.json").write_text(json.dumps(tasks), "utf-8")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    (tmp_path / "config.yaml").write_text(
        "project: {root: ./project, modality: image}\ndataset: {near_duplicates: false}\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    with verbs(capsys) as run:
        yield run


@pytest.mark.parametrize("write", [coco, yolo, voc, cvat, label_studio])
def test_a_crop_leaves_the_animal_whatever_layout_told_where_it_is(
    command: Command, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "source")
    assert command("ingest", "source", "--boxes", "whole")["accepted"] == MANY
    wish = ("dataset", "augment", "-o", "out", "--techniques", "crop", "--variants", "8", "--workers", "1")
    done = command(*wish)
    assert done["with_boxes"] == done["samples"] > 0
    assert done["boxes_unfit"] == 0
    made = [path.read_bytes() for path in (tmp_path / "out" / "fox").glob("*_crop*.jpg")]
    assert len(made) == 8 * done["samples"]
    assert min(map(seen, made)) >= 0.29  # MIN_SHARE, and what a JPEG blurs
    manifest = (tmp_path / "out" / "augmented.csv").read_text("utf-8")
    assert manifest.count('""label"": ""fox""') == len(made) + done["samples"]
    assert command(*wish)["written"] == 0  # the same boxes, the same files


def test_however_many_variants_are_wanted_no_two_are_the_same(command: Command, tmp_path: Path) -> None:
    coco(tmp_path / "source")
    command("ingest", "source", "--boxes", "whole")
    done = command("dataset", "augment", "-o", "out", "--variants", "12", "--no-originals", "--workers", "1")
    pixels = {np.asarray(Image.open(path)).tobytes() for path in (tmp_path / "out" / "fox").iterdir()}
    assert len(pixels) == done["files"] == 12 * done["samples"]
    flips = command("dataset", "augment", "-o", "flips", "--techniques", "flip", "--variants", "3", "--workers", "1")
    assert (flips["variants"], flips["files"]) == (1, 2 * flips["samples"])


def test_boxes_of_a_picture_of_another_size_are_told_and_not_looked_at(command: Command, tmp_path: Path) -> None:
    coco(tmp_path / "source", size=(2 * WIDTH, 2 * HEIGHT))
    command("ingest", "source", "--boxes", "whole")
    done = command("dataset", "augment", "-o", "out", "--dry-run")
    assert (done["with_boxes"], done["boxes_unfit"]) == (0, done["samples"])


def opened(root: Path, **dataset: Any) -> Workbench:
    bench = Workbench(
        Config(
            project={"root": root / "project", "modality": "image"},  # type: ignore[arg-type]
            dataset={"near_duplicates": False, **dataset},  # type: ignore[arg-type]
        )
    )
    bench.config.root.mkdir(parents=True, exist_ok=True)
    return bench


def take_in(bench: Workbench, source: Path) -> Any:
    found = survey(source, bench.modality.extensions, boxes="whole").found
    return ingest_found(found, intake=bench.intake, repository=bench.datasets, message="m", progress=NullProgress())


def test_a_picture_that_came_in_before_it_was_annotated_learns_its_boxes(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    for path in (tmp_path / "source" / "images").iterdir():
        (tmp_path / "plain" / "fox").mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / "fox" / path.name).write_bytes(path.read_bytes())
    bench = opened(tmp_path)
    medium = open_medium(bench.config)
    first = take_in(bench, tmp_path / "plain")
    version = bench.datasets.get()
    assert known_boxes(version.entries, bench.samples, medium).marks == {}
    again = take_in(bench, tmp_path / "source")
    assert (again.accepted, again.duplicates, again.version) == (0, MANY, first.version)
    marks = known_boxes(version.entries, bench.samples, medium).marks
    # The same box told twice is one.
    assert list(marks.values()) == [[{"box": [0, 0, SIDE, SIDE], "label": "fox"}]] * MANY
    take_in(bench, tmp_path / "plain")
    assert known_boxes(version.entries, bench.samples, medium).marks == marks
    bench.close()


def test_what_is_learned_from_looks_at_the_boxes_and_is_kept_apart_from_what_did_not(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    bench = opened(tmp_path)
    take_in(bench, tmp_path / "source")
    version, medium = bench.datasets.get(), open_medium(bench.config)
    recipe = Recipe(techniques=("crop",), variants=4)
    boxes = known_boxes(version.part("train"), bench.samples, medium)
    blind = DatasetAugmenter(version, bench.blobs, medium, recipe)
    seeing = DatasetAugmenter(version, bench.blobs, medium, recipe, marks=boxes.marks)
    keys = [{row.key for row in each.rows(originals=False)} for each in (blind, seeing)]
    assert not keys[0] & keys[1]
    assert min(seen(seeing.blobs().get(key)) for key in keys[1]) >= 0.29
    bench.close()


class Reds:
    """An embedder of one number: which share of the animal is on a picture."""

    name = digest = "reds"
    dimension = 1

    def embed(self, samples: Sequence[bytes]) -> NDArray[np.float32]:
        return np.array([[seen(each)] for each in samples], np.float32)


class TrainedPictures(ImageModality):
    """Pictures as a plug-in that trains on them would have them."""

    def embedder(self) -> Any:
        return Reds()


def test_a_training_learns_from_crops_that_leave_the_animal_in_them(tmp_path: Path) -> None:
    coco(tmp_path / "source")
    bench = opened(tmp_path, augmentation_techniques=["crop"], augmentation_variants=6)
    take_in(bench, tmp_path / "source")
    parts = replace(bench.retraining, modality=TrainedPictures(bench.config))
    version = bench.datasets.get()
    rows = variant_rows(parts, version, plan_augmentation(bench.config), NullProgress())
    assert rows is not None
    assert len(rows.x) == 6 * len(version.part("train"))
    assert rows.x.min() >= 0.29
    bench.close()
