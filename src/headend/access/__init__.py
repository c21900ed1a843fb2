"""Who may publish and who may watch."""
