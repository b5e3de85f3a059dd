"""What a call says of its caller, beside the request."""

import time

import grpc


def deadline_of(context: grpc.ServicerContext) -> float:
    """When the caller stops waiting, monotonic seconds."""
    return time.monotonic() + context.time_remaining()
