"""The database's history: each version of its tables, made by Alembic."""
