"""Ask a running server for a customer's list, at home and at a store.

python examples/recommend.py HOST:PORT CUSTOMER STORE
"""

import sys

from recsvc.client import Client
from recsvc.errors import RecsvcError
from recsvc.v1 import recommendation_service_pb2 as api

N_ARGUMENTS = 4


def show(heading: str, response: api.RecommendResponse) -> None:
    """Write a list, the best product first, each with the reason why it is there."""
    sys.stdout.write(f"{heading}\n")
    for item in response.recommendations:
        name = item.product.title or item.product_id
        sys.stdout.write(f"{item.rank:3}  {name:32}  {item.explanation.text}\n")
    if response.serving.warnings:
        sys.stdout.write(f"     ({', '.join(response.serving.warnings)})\n")


def main(target: str, customer: str, store: str) -> None:
    """Ask twice over one connection; a client may be shared by all threads of a program."""
    with Client(target, deadline_seconds=2.0) as client:
        for heading, store_id in (("at home", ""), (f"at {store}", store)):
            response = client.recommend(
                customer, store_id=store_id, page_size=5, explain=True, include_products=True
            )
            show(f"{customer} {heading}", response)


if __name__ == "__main__":
    if len(sys.argv) != N_ARGUMENTS:
        sys.exit("usage: python examples/recommend.py HOST:PORT CUSTOMER STORE")
    try:
        main(*sys.argv[1:])
    except RecsvcError as error:
        sys.exit(f"{error.reason}: {error}")
