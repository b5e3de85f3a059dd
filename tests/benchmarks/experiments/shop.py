"""A shop whose shoppers come back: what an experiment on them would see, day by day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shop:
    """What its shoppers are like.

    Attributes:
        days: how long the experiment runs.
        visits: lists a shopper is shown a day, after the first one.
        click_rate: share of lists that are clicked.
        conversion: share of lists that are bought from.
        habit: how much click rates differ from shopper to shopper, standard deviation over mean.
        basket: what is paid at a time, on average.
        basket_spread: standard deviation of its logarithm.
    """

    days: int = 28
    visits: float = 0.4
    click_rate: float = 0.2
    conversion: float = 0.05
    habit: float = 0.7
    basket: float = 30.0
    basket_spread: float = 0.8


@dataclass(frozen=True, slots=True)
class Diary:
    """What they did: float64 ``(days, n_shoppers)`` each, summed up to the end of each day.

    Attributes:
        lists: lists shown.
        clicks: lists clicked.
        revenue: what was paid for listed products.
        before: float64 ``(n_shoppers,)``: what was paid in the weeks before.
        is_variant: bool ``(n_shoppers,)``.
    """

    lists: Float
    clicks: Float
    revenue: Float
    before: Float
    is_variant: NDArray[np.bool_]


def live_through(
    shop: Shop, n_shoppers: int, lift: float, random: np.random.Generator, share: float = 0.5
) -> Diary:
    """Let shoppers live through an experiment.

    Args:
        shop: what they are like.
        n_shoppers: how many there are.
        lift: by how much the variant raises click rate and conversion, .05 for 5 %.
        random: decides everything.
        share: of the variant.
    """
    is_variant = random.random(n_shoppers) < share
    # Half of them are there from the first day, the others come by and by.
    comes = np.where(random.random(n_shoppers) < 0.5, 0, random.integers(0, shop.days, n_shoppers))
    eager = random.gamma(2.0, 0.5, n_shoppers)
    taste = random.gamma(1 / shop.habit**2, shop.habit**2, n_shoppers)
    rates = np.minimum(np.outer((shop.click_rate, shop.conversion), taste), 0.9)
    rates *= np.where(is_variant, 1 + lift, 1.0)
    day = np.arange(shop.days)[:, None]
    lists = random.poisson(shop.visits * eager * (day >= comes)) + (day == comes)
    clicks, orders = (_happened(lists, rate, random) for rate in rates)
    revenue = _paid(shop, orders, random)
    usual = shop.visits * eager * shop.conversion * taste * shop.days
    before = _paid(shop, random.poisson(usual), random)
    return Diary(
        lists=lists.cumsum(axis=0, dtype=np.float64),
        clicks=clicks.cumsum(axis=0, dtype=np.float64),
        revenue=revenue.cumsum(axis=0),
        before=before,
        is_variant=is_variant,
    )


def _happened(
    lists: NDArray[np.int64], rate: Float, random: np.random.Generator
) -> NDArray[np.int64]:
    """To how many of the lists it happened, with each shopper's own probability."""
    days, shoppers = np.nonzero(lists)
    happened = np.zeros_like(lists)
    happened[days, shoppers] = random.binomial(lists[days, shoppers], rate[shoppers])
    return happened


def _paid(shop: Shop, orders: NDArray[np.int64], random: np.random.Generator) -> Float:
    """What so many orders cost together."""
    paid = np.zeros(orders.shape)
    buys = orders > 0
    middle = np.log(shop.basket) - shop.basket_spread**2 / 2
    paid[buys] = orders[buys] * random.lognormal(middle, shop.basket_spread, buys.sum())
    return paid
