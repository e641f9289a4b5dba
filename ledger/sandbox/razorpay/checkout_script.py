"""The script that shops load in place of Razorpay's checkout.js."""

from pathlib import Path

from starlette.responses import Response

_SCRIPT = Path(__file__).parent / "templates" / "checkout.js"


def script() -> Response:
    """The script, which defines `window.Razorpay`. It opens the page below its own address."""
    return Response(_SCRIPT.read_bytes(), media_type="text/javascript")
