"""The typed Python client."""

from recsvc.client.client import RecommendationClient

__all__ = ["RecommendationClient"]
