"""The management API: what it takes and gives, who may use it, and its own description."""
