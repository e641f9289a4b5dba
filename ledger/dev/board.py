"""What last happened to each account, as the simulated router knows it."""


class Board:
    """Sentences by account, which of the accounts are refused at the moment, and what happened to the processes."""

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.refused: set[str] = set()
        self.notices: list[str] = []
        self.headline = ""

    def said(self, account_id: str, sentence: str) -> None:
        """The last thing that happened to an account."""
        self.last[account_id] = sentence

    def allowed(self, account_id: str, allowed: bool) -> None:
        """Whether the account's last request was allowed."""
        (self.refused.discard if allowed else self.refused.add)(account_id)

    def notice(self, sentence: str) -> None:
        """Something that happened to a process."""
        self.notices.append(sentence)
