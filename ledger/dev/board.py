"""The latest events of the simulated traffic, for the dashboard."""


class Board:
    """The last sentence of each account, the accounts that are refused at the moment, and notices about processes."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.refused: set[str] = set()
        self.notices: list[str] = []
        self.headline = ""

    def set_last(self, account_id: str, sentence: str) -> None:
        """Sets the last thing that happened to an account."""
        self.last[account_id] = sentence

    def set_allowed(self, account_id: str, allowed: bool) -> None:
        """Sets whether the account's last request was allowed."""
        (self.refused.discard if allowed else self.refused.add)(account_id)

    def notice(self, sentence: str) -> None:
        """Adds a sentence about a process."""
        self.notices.append(sentence)
