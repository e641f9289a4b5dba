"""The script that shops load in the place of Razorpay's checkout.js."""

from pathlib import Path

from starlette.responses import Response

_SCRIPT = Path(__file__).parent / "pages" / "checkout.js"


def script() -> Response:
    """Defines `window.Razorpay`. It finds the page that it opens by its own address."""
    return Response(_SCRIPT.read_bytes(), media_type="text/javascript")
