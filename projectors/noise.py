"""What Faust, mode and aiokafka say of every outage and rebalance as an ERROR, though it is met and mended by them.

Turned down to what it deserves, each with its reason; a name that is not here keeps its level.
"""

import logging


def turn_down() -> None:
    """For this process, once its logs are set up."""
    for noisy in ("aiokafka", "kafka"):
        # They log every attempt to reach a broker that is away; we say once a second that we wait for it.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
