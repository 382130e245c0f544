"""The verb ``dataset augment``: variants of a version's training part, as a folder of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosight.errors import InvalidInput, NotFound
from pipeline.commands.data import dataset_app
from pipeline.console import DryRun, JsonOutput, print_result, workbench

if TYPE_CHECKING:
    from dataset.augmenting import DatasetAugmenter, Medium

__all__ = ["mount"]


def mount(app: typer.Typer) -> None:
    """Add this verb to ``ecosight dataset``, which other verbs have mounted."""
    dataset_app.command("augment")(augment)


def augment(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files; made by this command, or new.")],
    version: Annotated[str, typer.Argument(help="A number, v3, main@v3, a tag or a digest; default: the newest.")] = "",
    variants: Annotated[int, typer.Option(help="Variants of each sample.")] = 5,
    techniques: Annotated[
        str, typer.Option(help="Taken in turn, such as pitch_up/pitch_down,noise_light; default: all, a family each.")
    ] = "",
    background: Annotated[
        Path | None, typer.Option(help="Folder with recordings of your stations' background, to be mixed in.")
    ] = None,
    snr: Annotated[str, typer.Option(help="Least and greatest distance from the background, in dB.")] = "5:20",
    originals: Annotated[bool, typer.Option(help="Whether to write the samples themselves too.")] = True,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives other variants [project.seed].")] = None,
    dry_run: DryRun = False,
    as_json: JsonOutput = False,
) -> None:
    """Write varied copies of the training part; run again, it goes on where it was."""
    from dataset.augmenting import DatasetAugmenter, Recipe, known_boxes, open_medium
    from dataset.augmenting.augmenter import default_techniques
    from dataset.augmenting.materialising import materialise, plan_folder
    from ecosight.progress import terminal_progress

    bench = workbench(context)
    medium = open_medium(bench.config)
    recipe = Recipe(
        techniques=_names(techniques) or default_techniques(medium, background=background is not None),
        variants=variants,
        seed=bench.config.project.seed if seed is None else seed,
        snr_db=_range(snr),
    )
    backgrounds = [] if background is None else _recordings(background, bench.modality.extensions, medium)
    source = bench.datasets.get(version or None)
    boxes = known_boxes(source.part("train"), bench.samples, medium)
    augmenter = DatasetAugmenter(source, bench.blobs, medium, recipe, backgrounds=backgrounds, marks=boxes.marks)
    told = _told(augmenter) | {"with_boxes": len(boxes.marks), "boxes_unfit": len(boxes.unfit)}
    if dry_run:
        figures = plan_folder(augmenter, out, originals=originals).figures()
        text = f"would make {figures['to_make']} files, keep {figures['kept']}, remove {figures['to_remove']}"
        print_result(told | {"dry_run": True, "folder": str(out)} | figures, as_json=as_json, text=text)
        return
    report = materialise(augmenter, out, terminal_progress(), workers=workers, originals=originals)
    lines = [
        f"{report.files} files of {report.samples} training samples in {out}: "
        f"written {report.written}, kept {report.kept}, removed {report.removed}"
    ]
    lines += [f"failed {row['source']}: {row['error']['message']}" for row in report.failed[:20]]
    if report.left_out:
        lines.append(f"{report.left_out} samples are not augmented: their groups are on two sides")
    if boxes.unfit:
        lines.append(f"{len(boxes.unfit)} samples have boxes of a picture of another size, which nobody looks at")
    print_result(told | report.as_dict(), as_json=as_json, text=lines)


def _told(augmenter: DatasetAugmenter) -> dict[str, Any]:
    return {
        "version": str(augmenter.version.ref),
        "samples": len(augmenter.entries),
        "left_out": len(augmenter.left_out),
        "variants": augmenter.maker.count,
        "recipe": augmenter.digest,
    }


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _range(text: str) -> tuple[float, float]:
    try:
        least, _, most = text.partition(":")
        return float(least), float(most or least)
    except ValueError as error:
        raise InvalidInput(f"--snr {text!r} is no range in dB", hint="Such as 5:20, or 10.") from error


def _recordings(folder: Path, extensions: frozenset[str], medium: Medium) -> list[bytes]:
    """The files of a folder, also in folders in it, that look like samples."""
    if not folder.is_dir():
        raise NotFound(f"there is no folder {str(folder)!r}", hint="Name one with recordings of the background.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in extensions and path.is_file())
    if not found:
        raise InvalidInput(f"{folder} holds no recordings", hint=f"Known are {', '.join(sorted(extensions))}.")
    if large := [path.name for path in found if path.stat().st_size > medium.max_bytes]:
        raise InvalidInput(f"{large[0]} is larger than what is read", hint="Cut it into pieces.")
    return [path.read_bytes() for path in found]
