"""What several machines share through Redis, where ``redis.url`` names one: the newest routing, and servers' reports.

The database stays the only truth. Redis holds copies of what changes hands often, and may lose all of it at any time.
"""

from ecosight.state.shared.opening import Shared, open_shared
from ecosight.state.shared.routings import SharedRoutings
from ecosight.state.shared.servers import SharedServers

__all__ = ["Shared", "SharedRoutings", "SharedServers", "open_shared"]
