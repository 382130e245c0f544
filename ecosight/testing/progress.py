"""What every ``Progress`` must do."""

from __future__ import annotations

import pytest

from ecosight.ports import Progress

__all__ = ["ProgressConformance"]


class ProgressConformance:
    """Fixture ``progress``: a Progress that nobody has cancelled."""

    def test_a_task_takes_units_and_figures(self, progress: Progress) -> None:
        with progress.task("fit", 3, "epochs") as task:
            task.advance()
            progress.checkpoint()
            task.advance(2, loss=0.25, note="best so far")

    def test_a_task_of_nothing_is_no_error(self, progress: Progress) -> None:
        with progress.task("embed", 0, "clips"):
            pass

    def test_tasks_follow_each_other(self, progress: Progress) -> None:
        for name in ("read", "fit", "write"):
            with progress.task(name, 1, "steps") as task:
                task.advance()

    def test_an_error_inside_a_task_comes_out(self, progress: Progress) -> None:
        with pytest.raises(KeyError), progress.task("fit", 1, "epochs"):
            raise KeyError("theirs")
