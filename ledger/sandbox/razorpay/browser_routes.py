"""The routes that browsers use: the checkout script, the checkout page, and the pages of payment links."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger.sandbox.api_calls import run_call
from ledger.sandbox.razorpay import checkout, checkout_script, link_page, pages
from ledger.sandbox.razorpay.errors import ApiError
from ledger.sandbox.razorpay.merchant import NAME, Merchant
from ledger.sandbox.razorpay.timers import run_due_timers
from ledger.sandbox.sandbox import Sandbox

# (posted fields, the id in the path) → the page.
Shows = Callable[[Mapping[str, str], str], Response]


def routes(sandbox: Sandbox, merchant: Merchant) -> list[Route]:
    """The routes. They need no key secret, as at Razorpay."""

    def route(method: str, path: str, operation: str, shows: Shows) -> Route:
        async def endpoint(request: Request) -> Response:
            form = await request.form() if method == "POST" else {}
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            id_ = request.path_params.get("id", "")

            def do() -> Response:
                try:
                    run_due_timers(merchant)
                    return shows(fields, id_)
                except ApiError as error:
                    return pages.message_page("This can't be paid", error.description, status=error.status)

            return await run_call(sandbox, NAME, operation, request, do, _server_error)

        return Route(path, endpoint, methods=[method], name=operation)

    return [
        route("GET", "/v1/checkout.js", "checkout.script", lambda _fields, _id: checkout_script.script()),
        route("POST", "/v1/checkout/embedded", "checkout.open", lambda fields, _id: checkout.open_(merchant, fields)),
        route("POST", "/v1/checkout/pay", "checkout.pay", lambda fields, _id: checkout.pay(merchant, fields)),
        route("GET", "/l/{id}", "payment_links.open", lambda _fields, id_: link_page.open_(merchant, id_)),
        route("POST", "/l/{id}", "payment_links.pay", lambda fields, id_: link_page.pay(merchant, id_, fields)),
    ]


def _server_error() -> Response:
    return pages.message_page("Something went wrong", "Please try again.", status=500)
