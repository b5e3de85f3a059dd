"""Redis or Valkey behind the ports of ``service``, and the embedded server.

This package imports nothing by itself: the supervisor starts the embedded server without paying
for the Redis client.
"""
