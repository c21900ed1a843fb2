"""The metrics of webhooks, callback and Python hooks."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from headend.notify.integrations import Integrations


def collect(integrations: "Integrations") -> Iterable[Metric]:
    """Return what there is to tell; nothing of what the settings do not name."""
    if integrations.webhooks is not None:
        webhooks = integrations.webhooks
        letters = CounterMetricFamily(
            "headend_webhook_letters",
            "Events for webhooks: delivered, failed attempts, given up.",
            labels=["webhook", "outcome"],
        )
        waiting = GaugeMetricFamily(
            "headend_webhook_waiting", "Events that wait for a webhook.", labels=["webhook"]
        )
        for endpoint in webhooks.endpoints:
            name = endpoint.webhook.name
            letters.add_metric([name, "delivered"], endpoint.delivered)
            letters.add_metric([name, "failed"], endpoint.failures)
            letters.add_metric([name, "given_up"], endpoint.given_up)
            waiting.add_metric([name], endpoint.held)
        yield letters
        yield waiting
        yield GaugeMetricFamily(
            "headend_webhook_queued", "Events that are not in the database yet.", webhooks.queued
        )
        yield _counter("headend_webhook_lost", "Events not kept.", "cause", webhooks.lost)
    if integrations.callback is not None:
        outcomes = integrations.callback.outcomes
        text = "Requests that the callback was asked about."
        yield _counter("headend_callback_requests", text, "outcome", outcomes)
    if integrations.hooks is not None:
        hooks = integrations.hooks
        yield _counter("headend_hook_calls", "Calls of Python hooks.", "hook", hooks.calls)
        yield _counter("headend_hook_failures", "Calls that failed.", "hook", hooks.failures)
        yield _counter("headend_hook_lost", "Events not told to a hook.", "hook", hooks.lost)


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in list(counts.items()):  # hooks count in a thread of their own
        family.add_metric([value], count)
    return family
