"""One progress bar over several passes."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.protocols import Progress


@dataclass
class Steps:
    """Hands out stretches of a bar, one after the other.

    Attributes:
        progress: Where the bar is shown.
        total: Length of the whole bar, in steps.
        taken: Steps handed out so far.
    """

    progress: Progress
    total: int
    taken: int = 0

    def take(self, count: int = 1) -> Progress:
        """A callback that fills the next `count` steps."""
        start = self.taken
        self.taken += count
        return lambda done, parts: self.progress(start * parts + done * count, self.total * parts)
