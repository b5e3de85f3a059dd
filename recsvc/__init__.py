"""recsvc: recommendations that fit the customer, the place and the past purchases."""

__version__ = "0.1.0"
