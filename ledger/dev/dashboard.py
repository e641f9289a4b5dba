"""The output of `ledger dev`: a live table on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ledger.core.errors import text_of
from ledger.dev.board import Board
from ledger.dev.observer import AccountLine, Status
from ledger.dev.stories import Story
from ledger.reports.amounts import balance_text

PLAIN_SECONDS = 3.0
STATE_STYLES = {"armed": "green", "in flight": "yellow", "capped": "magenta", "suspended": "red", "refused 402": "red"}


class Links(NamedTuple):
    """Addresses and commands for the user."""

    api: str
    operator_key: str
    home: str
    sample_account: str
    page: str

    @property
    def curl(self) -> tuple[str, str]:
        """A command that can be copied, in two lines."""
        url = f"{self.api}/v1/accounts/{self.sample_account}/balance"
        # Within 80 columns, because a line that the terminal breaks can't be copied.
        return f"curl {url} \\", f"--oauth2-bearer {self.operator_key}"


class Dashboard:
    """Shows each new status; the same facts on a terminal and elsewhere."""

    def __init__(self, console: Console, stories: Sequence[Story], board: Board, links: Links) -> None:
        self._console, self._stories, self._board, self._links = console, stories, board, links
        self._live: Live | None = None
        self._due = 0.0
        self._printed = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the table inside this block. Its last state stays on the screen."""
        if not self._console.is_terminal:
            for line in _footer(self._links):
                self._console.print(line, soft_wrap=True)
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def show(self, status: Status) -> None:
        """Replaces the shown status."""
        if self._live is not None:
            self._live.update(self._rendered(status), refresh=True)
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + PLAIN_SECONDS
            self._print_plain(status)

    def _rendered(self, status: Status) -> RenderableType:
        notices = [*_dead_letter(status), *(Text(f" {each}", style="yellow") for each in self._board.notices[-2:])]
        table = [self._table(status)] if self._stories else []
        headline = [Text(f" {self._board.headline}")] if self._board.headline else []
        return Group(*table, *headline, _numbers(status), *notices, *_footer(self._links))

    def _table(self, status: Status) -> Table:
        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("account", style="bold", no_wrap=True, width=11)
        table.add_column("story", no_wrap=True, width=18)
        table.add_column("balance", justify="right", no_wrap=True, width=9)
        table.add_column("held", justify="right", no_wrap=True, width=5)
        table.add_column("state", no_wrap=True, width=11)
        table.add_column("last thing that happened", no_wrap=True, ratio=1, overflow="ellipsis")
        for story in self._stories:
            table.add_row(*self._row(story, status))
        return table

    def _row(self, story: Story, status: Status) -> Iterator[RenderableType]:
        line = status.accounts.get(story.account_id)
        state = self._state(story, line)
        yield story.account_id
        yield Text(story.title, style="dim")
        yield balance_text(line.balance) if line else "–"
        yield balance_text(line.held) if line and line.held else ""
        yield Text(state, style=STATE_STYLES.get(state, ""))
        yield Text(self._last(story, status), style="dim" if state == "" else "")

    def _state(self, story: Story, line: AccountLine | None) -> str:
        if story.account_id in self._board.refused:
            return "refused 402"
        if line is not None and line.top_ups:
            return line.state.replace("_", " ")
        return ""

    def _last(self, story: Story, status: Status) -> str:
        dead = status.dead_letter
        if dead and dead.fresh and dead.account_id == story.account_id:
            return f"dead letter: {dead.code}"
        return self._board.last.get(story.account_id, "")

    def _print_plain(self, status: Status) -> None:
        for notice in self._board.notices[self._printed :]:
            self._console.print(notice)
        self._printed = len(self._board.notices)
        if self._board.headline:
            self._console.print(self._board.headline)
        self._console.print(_numbers(status), soft_wrap=True)


def _numbers(status: Status) -> Text:
    outcomes, visible = status.outcomes, status.visible.p99
    return Text.assemble(
        (f" {status.per_second:,.0f}", "bold"),
        " events/s   lag ",
        (f"{status.lag:,}", "bold"),
        "   visible p99 ",
        (f"{visible:,.0f} ms" if visible is not None else "–", "bold"),
        "   posted ",
        (f"{outcomes.get('posted', 0):,}", "bold"),
        "   duplicates ",
        (f"{outcomes.get('duplicate', 0):,}", "bold"),
        "   dead letters ",
        (f"{outcomes.get('dead_letter', 0):,}", "bold"),
    )


def _dead_letter(status: Status) -> list[Text]:
    """One line about the newest dead letter, with its reason."""
    dead = status.dead_letter
    if dead is None:
        return []
    line = Text.assemble(
        (" last dead letter ", "dim"),
        (f"{dead.account_id or 'unreadable'}  ", "bold"),
        text_of(dead.field, dead.reason),
    )
    line.truncate(98, overflow="ellipsis")
    return [line]


def _footer(links: Links) -> list[Text]:
    return [
        Text.assemble("\n API   ", (f"{links.api}/docs", "cyan underline")),
        Text.assemble(f" Page  of {links.sample_account}, once:\n ", (links.page, "cyan underline")),
        Text.assemble(" Try   ", (links.curl[0], "cyan")),
        Text.assemble("       ", (links.curl[1], "cyan")),
        Text(f" Home  {links.home} (logs/, dev.json)      Ctrl-C stops, and proves the numbers", style="dim"),
    ]
