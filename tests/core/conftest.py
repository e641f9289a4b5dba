"""How much hypothesis tries: enough for every run, and far more with LEDGER_HYPOTHESIS=slow (`make test-slow`)."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "usual",
    max_examples=40,
    deadline=None,
    print_blob=True,
    phases=set(Phase) - {Phase.explain},  # which can take minutes on logs
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("slow", settings.get_profile("usual"), max_examples=2_000)
settings.load_profile(os.environ.get("LEDGER_HYPOTHESIS", "usual"))
