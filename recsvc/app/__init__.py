"""The composition root: the one room that wires a process, from its settings."""
