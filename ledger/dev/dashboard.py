"""What `ledger dev` shows: a steady table on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ledger.core.statement import balance_text
from ledger.dev.board import Board
from ledger.dev.observer import AccountLine, Picture
from ledger.dev.stories import Story

PLAIN_SECONDS = 3.0
STATE_STYLES = {"armed": "green", "in flight": "yellow", "capped": "magenta", "suspended": "red", "refused 402": "red"}


class Links(NamedTuple):
    """Where to look next."""

    api: str
    operator_key: str
    home: str
    sample_account: str
    page: str

    @property
    def curl(self) -> tuple[str, str]:
        """A command that works as it stands, in two lines."""
        url = f"{self.api}/v1/accounts/{self.sample_account}/balance"
        # Within 80 columns, because a line that the terminal breaks can't be copied.
        return f"curl {url} \\", f"--oauth2-bearer {self.operator_key}"


class Dashboard:
    """Shows every new picture; the same facts on a terminal and elsewhere."""

    def __init__(self, console: Console, stories: Sequence[Story], board: Board, links: Links) -> None:
        self._console, self._stories, self._board, self._links = console, stories, board, links
        self._live: Live | None = None
        self._due = 0.0
        self._told = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The table stands on the screen inside this block, and its last state stays there after it."""
        if not self._console.is_terminal:
            for line in _footer(self._links):
                self._console.print(line, soft_wrap=True)
            yield
            return
        with Live(console=self._console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def show(self, picture: Picture) -> None:
        """Puts a new picture in the place of the old one."""
        if self._live is not None:
            self._live.update(self._rendered(picture), refresh=True)
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + PLAIN_SECONDS
            self._print_plain(picture)

    def _rendered(self, picture: Picture) -> RenderableType:
        notices = [*_dead_letter(picture), *(Text(f" {each}", style="yellow") for each in self._board.notices[-2:])]
        table = [self._table(picture)] if self._stories else []
        headline = [Text(f" {self._board.headline}")] if self._board.headline else []
        return Group(*table, *headline, _numbers(picture), *notices, *_footer(self._links))

    def _table(self, picture: Picture) -> Table:
        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("account", style="bold", no_wrap=True, width=11)
        table.add_column("story", no_wrap=True, width=18)
        table.add_column("balance", justify="right", no_wrap=True, width=9)
        table.add_column("held", justify="right", no_wrap=True, width=5)
        table.add_column("state", no_wrap=True, width=11)
        table.add_column("last thing that happened", no_wrap=True, ratio=1, overflow="ellipsis")
        for story in self._stories:
            table.add_row(*self._row(story, picture))
        return table

    def _row(self, story: Story, picture: Picture) -> Iterator[RenderableType]:
        line = picture.accounts.get(story.account_id)
        state = self._state(story, line)
        yield story.account_id
        yield Text(story.title, style="dim")
        yield balance_text(line.balance) if line else "–"
        yield balance_text(line.held) if line and line.held else ""
        yield Text(state, style=STATE_STYLES.get(state, ""))
        yield Text(self._last(story, picture), style="dim" if state == "" else "")

    def _state(self, story: Story, line: AccountLine | None) -> str:
        if story.account_id in self._board.refused:
            return "refused 402"
        if line is not None and line.top_ups:
            return line.state.replace("_", " ")
        return ""

    def _last(self, story: Story, picture: Picture) -> str:
        dead = picture.dead_letter
        if dead and dead.fresh and dead.account_id == story.account_id:
            return f"dead letter: {dead.code}"
        return self._board.last.get(story.account_id, "")

    def _print_plain(self, picture: Picture) -> None:
        for notice in self._board.notices[self._told :]:
            self._console.print(notice)
        self._told = len(self._board.notices)
        if self._board.headline:
            self._console.print(self._board.headline)
        self._console.print(_numbers(picture), soft_wrap=True)


def _numbers(picture: Picture) -> Text:
    outcomes, visible = picture.outcomes, picture.visible.p99
    return Text.assemble(
        (f" {picture.per_second:,.0f}", "bold"),
        " events/s   lag ",
        (f"{picture.lag:,}", "bold"),
        "   visible p99 ",
        (f"{visible:,.0f} ms" if visible is not None else "–", "bold"),
        "   posted ",
        (f"{outcomes.get('posted', 0):,}", "bold"),
        "   duplicates ",
        (f"{outcomes.get('duplicate', 0):,}", "bold"),
        "   dead letters ",
        (f"{outcomes.get('dead_letter', 0):,}", "bold"),
    )


def _dead_letter(picture: Picture) -> list[Text]:
    """One line about the newest dead letter, with its reason."""
    dead = picture.dead_letter
    if dead is None:
        return []
    line = Text.assemble((" last dead letter ", "dim"), (f"{dead.account_id or 'unreadable'}  ", "bold"), dead.reason)
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
