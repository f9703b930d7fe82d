"""The table of a benchmark: two sides and their ratio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Seconds of one side and of the other, for one job."""

    job: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        return self.ours / self.theirs


def show(title: str, ours: str, theirs: str, rows: list[Row]) -> None:
    """Print `rows` as a Markdown table."""
    print(f"\n{title}\n\n| job | {ours} | {theirs} | ratio |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        print(f"| {row.job} | {row.ours:.2f} s | {row.theirs:.2f} s | {row.ratio:.2f} |")
