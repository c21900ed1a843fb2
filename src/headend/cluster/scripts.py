"""What Redis holds for a cluster, and the scripts that change it, each as one step.

    PREFIX:leases    sorted set   boot ─► when its lease ends, ms by the clock of Redis
    PREFIX:members   hash         boot ─► signed record of the member
    PREFIX:names     hash         path ─► "BOOT EPOCH RANK PRIORITY HOLDER"
    PREFIX:owned:…   set          names of one member, to be freed with it
    PREFIX:epoch     counter      of all claims
    PREFIX:news      channel      what changes

A lease is one entry for each member, whatever it publishes: a name is taken while the lease of its
member lasts. Only the clock of Redis counts. The part of the keys in braces lies on one server of a
Redis that has several.
"""

from hashlib import sha256
from hmac import digest
from typing import Final

GONE_AT_ONCE: Final = 20  # members whose end one renewal takes note of
FREED_AT_ONCE: Final = 2000  # names of a member that is gone, freed by one renewal

_NOW: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local P = KEYS[1]
"""

# ARGV: path, boot, holder, rank, priority, takeover, least epoch, entry that is known from before
# Redis was emptied, epoch of the claim that is made again. Returns 1 and the epoch; 0 and the
# boot of the owner; or -1: the member has no lease.
CLAIM: Final = (
    _NOW
    + """
local path, boot, holder, rank, priority = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local own = redis.call('ZSCORE', P .. ':leases', boot)
if not own or tonumber(own) <= now then return {-1} end
local entry, is_alive = redis.call('HGET', P .. ':names', path), false
if not entry and ARGV[8] ~= '' then entry, is_alive = ARGV[8], true end
if entry then
  local b, e, r, p, h = string.match(entry, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  if b ~= boot then
    local lease = redis.call('ZSCORE', P .. ':leases', b)
    is_alive = is_alive or (lease and tonumber(lease) > now)
    if is_alive then
      local may
      if ARGV[9] ~= '' then
        may = tonumber(e) < tonumber(ARGV[9])
      elseif r ~= rank then
        may = tonumber(rank) < tonumber(r)
      elseif p ~= priority then
        may = tonumber(priority) < tonumber(p)
      elseif ARGV[6] == 'same-key' then
        may = holder ~= '-' and holder == h
      else
        may = ARGV[6] == 'always'
      end
      if not may then return {0, b} end
    end
    redis.call('SREM', P .. ':owned:' .. b, path)
  end
end
local epoch = redis.call('INCR', P .. ':epoch')
if epoch <= tonumber(ARGV[7]) then
  epoch = tonumber(ARGV[7]) + 1
  redis.call('SET', P .. ':epoch', epoch)
end
local value = table.concat({boot, epoch, rank, priority, holder}, ' ')
redis.call('HSET', P .. ':names', path, value)
redis.call('SADD', P .. ':owned:' .. boot, path)
redis.call('PUBLISH', P .. ':news', 'C ' .. value .. ' ' .. path)
return {1, epoch}
"""
)

# ARGV: path, boot, epoch; epoch 0: whatever this member has of the name.
RELEASE: Final = """
local P, path = KEYS[1], ARGV[1]
local entry = redis.call('HGET', P .. ':names', path)
if not entry then return 0 end
local b, e = string.match(entry, '^(%S+) (%S+) ')
if b ~= ARGV[2] or (ARGV[3] ~= '0' and e ~= ARGV[3]) then return 0 end
redis.call('HDEL', P .. ':names', path)
redis.call('SREM', P .. ':owned:' .. b, path)
redis.call('PUBLISH', P .. ':news', 'R ' .. e .. ' ' .. path)
return 1
"""

# Frees what a member has; more than FREED_AT_ONCE names are left to the next renewal.
_FREE: Final = f"""
local function free(boot)
  local paths = redis.call('SPOP', P .. ':owned:' .. boot, {FREED_AT_ONCE})
  for _, path in ipairs(paths) do
    local entry = redis.call('HGET', P .. ':names', path)
    if entry and string.sub(entry, 1, #boot + 1) == boot .. ' ' then
      redis.call('HDEL', P .. ':names', path)
    end
  end
  if #paths == {FREED_AT_ONCE} then
    redis.call('ZADD', P .. ':leases', 0, boot)
    return
  end
  redis.call('ZREM', P .. ':leases', boot)
  redis.call('HDEL', P .. ':members', boot)
  redis.call('PUBLISH', P .. ':news', 'G ' .. boot)
end
"""

# ARGV: boot, lease in ms, signed record, boot of a start before that is over. Returns whether the
# lease was still good, and the id of this filling of Redis.
RENEW: Final = (
    _NOW
    + _FREE
    + f"""
local own = redis.call('ZSCORE', P .. ':leases', ARGV[1])
local is_good = own and tonumber(own) > now
redis.call('ZADD', P .. ':leases', now + tonumber(ARGV[2]), ARGV[1])
if not is_good or redis.call('HEXISTS', P .. ':members', ARGV[1]) == 0 then
  redis.call('HSET', P .. ':members', ARGV[1], ARGV[3])
  redis.call('PUBLISH', P .. ':news', 'M ' .. ARGV[1] .. ' ' .. ARGV[3])
end
if ARGV[4] ~= '' and redis.call('ZSCORE', P .. ':leases', ARGV[4]) then free(ARGV[4]) end
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', P .. ':leases', '-inf', now,
                                 'LIMIT', 0, {GONE_AT_ONCE})) do
  free(gone)
end
redis.call('SET', P .. ':filling', tostring(now) .. '.' .. ARGV[1], 'NX')
return {{is_good and 1 or 0, redis.call('GET', P .. ':filling')}}
"""
)

# ARGV: boot.
LEAVE: Final = _NOW + _FREE + "free(ARGV[1])\nreturn 1"


def prefix_of(secret: bytes) -> str:
    """Return how the keys of a cluster begin: servers with another secret are another cluster."""
    return f"{{headend:{digest(secret, b'headend keys', sha256).hex()[:12]}}}"
