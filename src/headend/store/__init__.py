"""The database: tables, migrations, keys, outbox, audit trail, history."""
