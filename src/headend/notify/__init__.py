"""Programs that are told and asked: webhooks, the callback, Python hooks."""
