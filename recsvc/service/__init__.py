"""Use cases of the service, free of any transport; ``ports`` holds what they need from outside."""
