from __future__ import annotations

import logging

from hypothesis import settings

# No deadline: the machine is shared. No example database: it would be a directory in the checkout.
settings.register_profile("here", deadline=None, database=None, max_examples=200)
settings.load_profile("here")

# A Kafka client outlives its test, and would go on complaining about a broker that is gone.
logging.getLogger("notifications.kafka.client").propagate = False
