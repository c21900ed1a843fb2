"""Metrics as a scraper reads them."""

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[str, float]:
    """Read metrics; those of a stream go by `name{stream}`."""
    values: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            stream = sample.labels.get("stream")
            values[f"{sample.name}{{{stream}}}" if stream else sample.name] = sample.value
    return values
