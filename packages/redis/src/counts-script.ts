/**
 * GCRA over all gateways, atomic in one script. Valkey and Redis from 6 on.
 *
 * KEYS: the members' sorted set, then one key per bucket. ARGV: `add` or `take`; the member's name; its life and the longest wait in µs;
 * then per bucket: cost, tolerance and known arrival in µs, and 1 for a soft one.
 * Answers with texts: the store's time, the members alive, then per bucket wait and arrival in µs.
 *
 * Numbers leave through %.0f: Lua's own conversion keeps 14 digits, and a time in µs has 16.
 */
export const countsScript = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local function text(number) return string.format('%.0f', number) end
local mode, life, longest = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZADD', KEYS[1], text(now), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. text(now - life))
redis.call('PEXPIRE', KEYS[1], text(math.ceil(life / 1000)))
local answer = { text(now), text(redis.call('ZCARD', KEYS[1])) }
local buckets, conforms = {}, true
for i = 2, #KEYS do
  local at = 4 + (i - 2) * 4
  local cost, tolerance, known = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local arrival = tonumber(redis.call('GET', KEYS[i]) or '')
  -- What a gateway knows brings back what the store forgot, and nothing else: units that were given back stay given back. A clock that
  -- went backwards does not lock anybody out for good.
  if not arrival then arrival = math.min(known, now + tolerance + 60000000) end
  local from = math.max(arrival, now)
  local wait = from - now
  if cost <= tolerance then wait = wait + cost - tolerance end
  if wait < 0 then wait = 0 end
  local soft = ARGV[at + 4] == '1'
  if wait > longest and not soft then conforms = false end
  buckets[i] = { cost = cost, from = from, wait = wait, charged = not (soft and wait > 0) }
end
for i = 2, #KEYS do
  local bucket = buckets[i]
  local arrival = bucket.from
  if mode == 'add' or (conforms and bucket.charged) then arrival = arrival + bucket.cost end
  local life = math.max(0, math.ceil((arrival - now) / 1000)) + 60000
  redis.call('SET', KEYS[i], text(arrival), 'PX', text(life))
  answer[#answer + 1] = text(bucket.wait)
  answer[#answer + 1] = text(arrival)
end
return answer
`;
