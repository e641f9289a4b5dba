"""Renders templates as answers, with the headers that protect a page: no cache, no frames, no foreign scripts."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

_TEMPLATES = Environment(loader=PackageLoader("ledger.portal"), autoescape=True, undefined=StrictUndefined)
_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Cache-Control": "no-store",
    # A page's address may be all that protects it: providers learn where we are, not which page it was.
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def page(template: str, status: int = 200, policy: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A template as an answer. `policy`: what it needs in its Content-Security-Policy besides ours."""
    directives = _POLICY | (policy or {})
    headers = {"Content-Security-Policy": "; ".join(map(" ".join, directives.items()))}
    return HTMLResponse(_TEMPLATES.get_template(template).render(values), status, _HEADERS | headers)
