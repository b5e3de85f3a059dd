"""Experiments: what the variants of one were worth, told so that nobody is fooled by looking."""
