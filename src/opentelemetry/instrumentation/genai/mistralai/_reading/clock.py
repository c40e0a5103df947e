# SPDX-License-Identifier: Apache-2.0
"""Maps server time to span time.

A conversation's events carry the server's clock, its span starts on ours, and the two differ. The
first server timestamp of a stream decides: if it is inside the time that the call has lasted so
far, the clocks agree and nothing is shifted; if not, everything from that stream is shifted so that
the first timestamp falls on its arrival. A shift keeps durations between server events exact; only
an event that would lie after its arrival, or before an earlier one, is moved.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

_FRACTION: Final = re.compile(r"\.\d+")
_UTC: Final = timezone.utc
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=_UTC)
# No timestamp is longer. Without the limit, each event's timestamp of megabytes would be searched.
_MAX_TIMESTAMP: Final = 64


def read_time(value: object) -> datetime | None:
    """Makes an aware datetime of a server timestamp.

    Args:
        value: a datetime as the SDK parsed it, or the ISO 8601 string of an event that the SDK's
            model rejected. Without an offset it is UTC.

    Returns:
        The datetime in UTC, or None when the value is neither, or out of range.
    """
    try:
        if isinstance(value, str):
            if len(value) > _MAX_TIMESTAMP:
                return None
            # Python 3.10 reads neither the "Z" nor fractions of other than three or six digits.
            value = _FRACTION.sub(lambda found: f"{found[0]:0<7}"[:7], value)
            value = datetime.fromisoformat(value[:-1] + "+00:00" if value[-1:] == "Z" else value)
        if not isinstance(value, datetime):
            return None
        # Nearly every timestamp is in UTC, and converting one costs more than asking.
        return value.astimezone(_UTC) if value.utcoffset() else value.replace(tzinfo=_UTC)
    except (ValueError, OverflowError):
        return None


class ServerClock:
    """Maps one stream's server timestamps onto this machine's clock.

    Attributes:
        shift: ns that are added to each timestamp; None before the first.
    """

    __slots__ = ("_latest", "_started", "shift")

    def __init__(self, started: int) -> None:
        self._started = started
        self._latest = started
        self.shift: int | None = None

    def agree(self, first: datetime, last: datetime, arrived: int) -> None:
        """Compares the clocks by a whole response: all its timestamps must lie inside its call.

        Args:
            first: the earliest timestamp of the response.
            last: the latest one.
            arrived: when the response arrived, ns since the epoch.
        """
        inside = self._started <= _nanoseconds(first) and _nanoseconds(last) <= arrived
        self.shift = 0 if inside else arrived - _nanoseconds(last)

    def to_local(self, server_time: datetime | None, arrived: int) -> int:
        """Maps a server timestamp onto this machine's clock.

        Args:
            server_time: from `read_time`; None is an unusable one.
            arrived: local time of arrival, ns since the epoch, never before an earlier arrival.

        Returns:
            ns since the epoch: ``arrived`` without a server time, else never after ``arrived``,
            never before an earlier result and never before the span's start.
        """
        if server_time is None:
            return max(self._latest, arrived)
        server = _nanoseconds(server_time)
        if self.shift is None:
            self.shift = 0 if self._started <= server <= arrived else arrived - server
        self._latest = max(self._latest, min(server + self.shift, arrived))
        return self._latest


def _nanoseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
