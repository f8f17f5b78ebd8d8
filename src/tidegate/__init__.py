"""Event-time windows over Arrow and NumPy, with the same answer in batch and in stream."""

from tidegate.core import aggregations as agg
from tidegate.core import errors
from tidegate.core.aggregations import Aggregation
from tidegate.core.engine import Aggregator
from tidegate.core.errors import LeftOutWarning
from tidegate.core.guarding import halt_on_error, skip_error
from tidegate.core.joins.asof import asof_join
from tidegate.core.joins.asoflive import AsofJoin
from tidegate.core.joins.asofstats import JoinStats
from tidegate.core.limits import Limits
from tidegate.core.lineage import track_lineage
from tidegate.core.logging import setup_logging
from tidegate.core.oneshot import Side, aggregate
from tidegate.core.parallel import parallel
from tidegate.core.plan import Plan
from tidegate.core.rollingwindow import Rolling
from tidegate.core.rowwindows import Count, Session, Threshold
from tidegate.core.run import Stats
from tidegate.core.serializers import serializers
from tidegate.core.throttle import throttle
from tidegate.core.tracing import trace
from tidegate.core.watermark import Watermark
from tidegate.core.windows import Calendar, Edges, Sliding, Tumbling

__all__ = [
    "Aggregation",
    "Aggregator",
    "AsofJoin",
    "Calendar",
    "Count",
    "Edges",
    "JoinStats",
    "LeftOutWarning",
    "Limits",
    "Plan",
    "Rolling",
    "Session",
    "Side",
    "Sliding",
    "Stats",
    "Threshold",
    "Tumbling",
    "Watermark",
    "agg",
    "aggregate",
    "asof_join",
    "errors",
    "halt_on_error",
    "parallel",
    "serializers",
    "setup_logging",
    "skip_error",
    "throttle",
    "trace",
    "track_lineage",
]

__version__ = "0.1.0"
