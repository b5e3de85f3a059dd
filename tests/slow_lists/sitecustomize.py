"""Makes every list of a process take ``SLOW_LIST_SECONDS``, computing all the while.

Python imports a module of this name by itself where its folder is on the path: so the workers of a
whole service are slowed, and nothing else of them is changed.
"""

import os
import time
from typing import Any

import numpy as np

from recsvc.core.recommender import Recommender

_SECONDS = float(os.environ["SLOW_LIST_SECONDS"])
_FACTORS = np.ones((400, 400), np.float32)
_recommend = Recommender.recommend


def _slowly(self: Recommender, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as it is called
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        _FACTORS @ _FACTORS
    return _recommend(self, *args, **kwargs)


Recommender.recommend = _slowly  # type: ignore[method-assign]  # what this module is for
