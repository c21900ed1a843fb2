"""Entries of an audit trail."""

from headend.store.records import AuditEntry

REFUSED = AuditEntry(
    5.0, "pk_1", "publish", "live/a", "203.0.113.7", "refused", "Denied: the key has expired"
)

MADE = AuditEntry(6.0, "admin token", "key.create", "pk_2", "127.0.0.1", "done")

REVOKED = AuditEntry(7.0, "console", "key.revoke", "pk_2", None, "done")
