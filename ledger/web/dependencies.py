"""What routes of the API and of the billing page need of the process that serves them."""

from typing import Annotated

from fastapi import Depends, Request

from ledger.service.resources import Resources
from ledger.web.metrics import RequestMetrics


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _metrics(request: Request) -> RequestMetrics:
    metrics: RequestMetrics = request.app.state.metrics
    return metrics


ResourcesOf = Annotated[Resources, Depends(_resources)]
MetricsOf = Annotated[RequestMetrics, Depends(_metrics)]
