"""The paper's own figures, cited beside ours.

Source: Zhu et al., "AdaF2M2: Comprehensive Learning and Responsive Leveraging Features in
Recommendation System", 2025; Tables 2, 3 and 4. Fractions, not per cent.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Lift(NamedTuple):
    """RelaImpr of AUC and of UAUC over the base model, as fractions; None where not given."""

    auc: float
    uauc: float | None = None


TABLE_3: Final = {
    "fm": (0.7767, 0.7808),
    "youtube_dnn": (0.7857, 0.7871),
    "afn": (0.7878, 0.7889),
    "dcn_v2": (0.7886, 0.7905),
    "euler_net": (0.7911, 0.7921),
}
"""Model -> AUC on MovieLens-1M without and with AdaF2M2."""

TABLE_4: Final = {
    "mask": Lift(0.0005, 0.0003),
    "adapter": Lift(0.0012, 0.0011),
    "full": Lift(0.0015, 0.0017),
    # Called MaskNet there; the reference is the self-supervised method of Yao et al. (2021).
    "ssl": Lift(0.0014, 0.0012),
}
"""Method -> offline lift over the two-tower model, on data that is not public."""

TABLE_2_SMALL: Final = {
    "fm": Lift(0.0046, 0.0037),
    "youtube_dnn": Lift(0.0018, 0.0022),
    "afn": Lift(0.0023, 0.0015),
    "dcn_v2": Lift(0.0045, 0.0071),
    "euler_net": Lift(0.0036, 0.0043),
}
"""Model -> lift on DouyinMusic-4B, which is not public."""

TABLE_2_LARGE: Final = {
    "fm": Lift(0.0041, 0.0026),
    "youtube_dnn": Lift(0.0015, 0.0017),
    "afn": Lift(0.0025, 0.0013),
    "dcn_v2": Lift(0.0021, 0.0015),
    "euler_net": Lift(0.0019, 0.0017),
}
"""Model -> lift on DouyinMusic-20B, which is not public."""
