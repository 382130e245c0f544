"""Run by test_ingest.py in a process of its own, which is killed: ingests a folder into a project."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import Project

    from dataset.ingest import ingest
    from ecosight.progress import NullProgress

    source, folder = map(Path, sys.argv[1:])
    project = Project(folder)
    print("ready", flush=True)
    report = ingest(
        source,
        intake=project.intake,
        repository=project.repository,
        message="killed",
        progress=NullProgress(),
        extensions=project.modality.extensions,
    )
    print(report.version, flush=True)
