"""What the server counts and writes down of requests: never a pixel, a file's name, a query or an address."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

LOG = logging.getLogger("lesionlab.web")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures that Prometheus collects. `waiting` tells how many images wait or are looked at."""

    def __init__(self, waiting: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "lesionlab_requests", "Requests answered.", ("route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lesionlab_request_seconds", "Time to answer.", ("route",), registry=self.registry, buckets=SECONDS
        )
        self._images = Counter("lesionlab_images", "Images, by outcome.", ("outcome",), registry=self.registry)
        for outcome in ("answered", "refused"):
            self._images.labels(outcome)
        queue = Gauge("lesionlab_queue_images", "Images that wait or are looked at.", registry=self.registry)
        queue.set_function(waiting)

    def request(self, route: str, status: str, seconds: float) -> None:
        """Count a request; `route` is the path's pattern, status "gone" where the client left."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def images(self, answered: int, refused: int) -> None:
        """Count images."""
        self._images.labels("answered").inc(answered)
        self._images.labels("refused").inc(refused)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)


def log_to_stderr() -> None:
    """Write the log of requests, and what the HTTP library warns of, to stderr."""
    to = logging.StreamHandler(sys.stderr)
    to.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("lesionlab.web", logging.INFO), ("uvicorn", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [to], False
        logger.setLevel(level)
