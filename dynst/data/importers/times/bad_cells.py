"""A cell that is no time, with its place."""

from dynst.errors import DataError

__all__ = ["BadCell"]


class BadCell(DataError):
    """Which of the cells that were read is no time.

    Args:
        before: what was expected, and that one is otherwise.
        cell: its text.
        after: the remedy, or more about the cell.
        place: its place among the cells.
    """

    def __init__(self, before: str, cell: object, after: str, place: int) -> None:
        super().__init__(f"{before} '{cell}'{after}")
        self.before, self.cell, self.after, self.place = before, cell, after, place

    def at(self, row: str) -> DataError:
        """The same with the row."""
        return DataError(f"{self.before} '{self.cell}' in {row}{self.after}")

    def in_row(self, first: int) -> DataError:
        """The same with the row, of which the cells' first is ``first``, from 0."""
        return self.at(f"row {first + self.place + 1} below the header")
