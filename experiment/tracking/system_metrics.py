"""CPU, GPU and memory of the machine, read by MLflow's own monitors."""

import logging
import time
from typing import Any


class SystemMetrics:
    """
    Samples the machine's load now and then.

    Only the monitors are MLflow's: its thread gives up at the first failure of the store.

    :param interval_seconds: pause between two samples; 0 for none
    """

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._next = time.monotonic() + interval_seconds
        self._monitor: Any = None

    def sample(self) -> dict[str, float]:
        """Read the load if it is time to, else return nothing."""
        if self._interval_seconds <= 0 or time.monotonic() < self._next:
            return {}
        self._next = time.monotonic() + self._interval_seconds
        if self._monitor is None:
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
            self._monitor = SystemMetricsMonitor("")  # type: ignore[no-untyped-call]
        self._monitor.collect_metrics()
        values = self._monitor.aggregate_metrics()
        for monitor in self._monitor.monitors:
            monitor.clear_metrics()
        return {f"system/{key}": float(value) for key, value in values.items()}
