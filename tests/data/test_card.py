from __future__ import annotations

import numpy as np

from workbench.data.card import head_share


def test_head_share_by_hand() -> None:
    # The top 5% of 40 users are two: 30 + 20 of 88 samples.
    assert head_share(np.array([30, 20, *[1] * 38])) == 50 / 88
    # Rounded up to a whole user; 0.05 * 60 is 3 and not 4, whatever floats make of it.
    assert head_share(np.array([7, 3])) == 0.7
    assert head_share(np.ones(60)) == 3 / 60
