"""Event-time windows over Arrow and NumPy, with the same answer in batch and in stream."""

from tidegate.core import aggregations as agg
from tidegate.core import errors
from tidegate.core.aggregations import Aggregation
from tidegate.core.engine import Aggregator
from tidegate.core.errors import LeftOutWarning
from tidegate.core.oneshot import Side, aggregate
from tidegate.core.plan import Limits, Plan
from tidegate.core.run import Stats
from tidegate.core.watermark import Watermark
from tidegate.core.windows import Rolling, Sliding, Tumbling

__all__ = [
    "Aggregation",
    "Aggregator",
    "LeftOutWarning",
    "Limits",
    "Plan",
    "Rolling",
    "Side",
    "Sliding",
    "Stats",
    "Tumbling",
    "Watermark",
    "agg",
    "aggregate",
    "errors",
]

__version__ = "0.1.0"
