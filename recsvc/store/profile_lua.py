"""What scripts know of a live profile: its revision; see ``profile_format`` for the whole of it."""

from recsvc.store.profile_format import FORMAT

REVISION = """
local function opened(profile)
  local old = redis.call('GET', profile)
  if old and #old >= 7 and string.byte(old) == FORMAT then
    return struct.unpack('>I4', old, 2) + 1, string.sub(old, 6)
  end
  return nil, string.char(0, 0)
end
local function begun(milliseconds)
  return milliseconds % 2147483647 + 1
end
""".replace("FORMAT", str(FORMAT))
"""What scripts begin with that write profiles: the next revision and the rest of one, and where
revisions begin, so that no answer of an earlier profile fits. A script reads and publishes before
it writes: what fails while it does has changed nothing, and Redis answers nobody until it ends."""
