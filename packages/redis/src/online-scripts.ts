import { script } from "./run-script.ts";

/**
 * The online store's steps, each of which happens whole or not at all. Keys of a view share a hash tag, so that they lie on one node; the
 * hash of values is named by its header (`<generation> <JSON>`), hence it is found inside the script. Valkey and Redis from 6 on.
 */

/** Lua's `unpack` takes so many at once. */
const manyFields = `
local function readInto(answer, key, from, to, shift)
  while from <= to do
    local last = math.min(to, from + 3999)
    local found = redis.call('HMGET', key, unpack(ARGV, from, last))
    for i = from, last do answer[i + shift] = found[i - from + 1] end
    from = last + 1
  end
end
`;

/** Fields by their kind (`kindOf`), into the hash of each; KEYS: values, identities, early from `first` on. A line's number is in the index of lines, too. */
const changeFields = `
local function change(first, from)
  local isEarly = false
  for i = from, #ARGV, 2 do
    local field, text = ARGV[i], ARGV[i + 1]
    local kind = string.sub(field, 1, 1)
    local key = KEYS[first]
    if kind ~= '[' then
      isEarly = true
      key = KEYS[first + (kind == 'v' and 1 or 2)]
    end
    if text == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, text) end
    if kind == 's' then
      local number = string.match(field, '%d+$')
      if text == '' then redis.call('ZREM', KEYS[first + 3], number) else redis.call('ZADD', KEYS[first + 3], number, number) end
    end
  end
  return isEarly
end
`;

/**
 * KEYS: header, revision, early revision, early. ARGV: how many fields are of values, how many of identities, then the fields, those of values first,
 * those of identities next. Answers with the header, both revisions, and the fields; values and identities are of the generation that the header names.
 */
export const readValues = script(`${manyFields}
local header = redis.call('GET', KEYS[1])
local answer = { header, redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3]) }
local values, identities = tonumber(ARGV[1]), tonumber(ARGV[2])
readInto(answer, KEYS[4], 3 + values + identities, #ARGV, 1)
if not header then
  for i = 3, 2 + values + identities do answer[i + 1] = false end
  return answer
end
local generation = string.match(header, '^%d+')
local place = string.sub(KEYS[1], 1, -7)
readInto(answer, place .. 'values:' .. generation, 3, 2 + values, 1)
readInto(answer, place .. 'identities:' .. generation, 3 + values, 2 + values + identities, 1)
return answer
`);

/**
 * KEYS: revision, header, early revision, values, identities, early, lines. ARGV: expected revision, expected early revision (none when no early row was
 * looked at), header (none leaves it, and the revision), then field and text in turn (none removes it). 1 when nobody wrote in between.
 */
export const writeValues = script(`${changeFields}
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' and (redis.call('GET', KEYS[3]) or '0') ~= ARGV[2] then return 0 end
if change(4, 4) then redis.call('INCR', KEYS[3]) end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[2], ARGV[3])
  redis.call('INCR', KEYS[1])
end
return 1
`);

/** KEYS: staging, values, identities. ARGV: token. Takes the generation from whoever had it, and clears what is in it. */
export const beginStaging = script(`
redis.call('SET', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
return 1
`);

/**
 * KEYS: staging, early revision, values, identities, early, lines; the generation that is staged. ARGV: token, expected early revision (none when no early row
 * was looked at), then field and text in turn (none removes it). 1 when it is written, 0 when the token is not the owner's, 2 when early rows changed.
 */
export const stageValues = script(`${changeFields}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' and (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 2 end
if change(3, 3) then redis.call('INCR', KEYS[2]) end
return 1
`);

/**
 * KEYS: staging, early revision, values, identities, early; the generation that is staged. ARGV: token, counts and fields as in `readValues`. 0 when the token
 * is not the owner's, else the early revision and the fields.
 */
export const readStaged = script(`${manyFields}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local values, identities = tonumber(ARGV[2]), tonumber(ARGV[3])
local answer = { redis.call('GET', KEYS[2]) }
readInto(answer, KEYS[3], 4, 3 + values, -2)
readInto(answer, KEYS[4], 4 + values, 3 + values + identities, -2)
readInto(answer, KEYS[5], 4 + values + identities, #ARGV, -2)
return answer
`);

/** KEYS: staging, revision, header, values and identities replaced. ARGV: token, expected revision, header. 1 when the staged generation is what readers see. */
export const switchGeneration = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[3])
redis.call('INCR', KEYS[2])
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[4], KEYS[5])
return 1
`);

/** KEYS: lines, early. ARGV: what the fields of lines begin with, first number, last, how many at most. Answers with number and row in turn. */
export const linesBetween = script(`
local numbers = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local answer = {}
for i, number in ipairs(numbers) do
  answer[2 * i - 1] = number
  answer[2 * i] = redis.call('HGET', KEYS[2], ARGV[1] .. number)
end
return answer
`);

/** KEYS: a hash. ARGV: field, the text that it is expected to have, and the one that it gets (none removes it). 1 when it was that text. */
export const exchangeField = script(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
`);

/** KEYS: values. ARGV: cursor, pattern. Answers with the next cursor, and some fields; a field may come twice. */
export const scanFields = script(`
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'MATCH', ARGV[2], 'COUNT', 300)
local answer = { found[1] }
for i = 1, #found[2], 2 do answer[#answer + 1] = found[2][i] end
return answer
`);

/** KEYS: values. ARGV: cursor. Answers with the next cursor, then field and value in turn; a field may come twice. */
export const scanEntries = script(`
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 300)
local answer = { found[1] }
for i = 1, #found[2] do answer[i + 1] = found[2][i] end
return answer
`);

/** KEYS: values. ARGV: fields. Answers with the bytes of each. */
export const measureFields = script(`
local answer = {}
for i = 1, #ARGV do answer[i] = redis.call('HSTRLEN', KEYS[1], ARGV[i]) end
return answer
`);

/** KEYS: values. Answers with the number of fields. */
export const countFields = script(`return redis.call('HLEN', KEYS[1])`);

/** KEYS: revision, values. ARGV: fields. Whoever has read them must read again before it writes. */
export const removeFields = script(`
for i = 1, #ARGV do redis.call('HDEL', KEYS[2], ARGV[i]) end
redis.call('INCR', KEYS[1])
return 1
`);

/** KEYS: header, state. ARGV: generation, state. 1 when readers still see that generation, and the state is of it. */
export const keepState = script(`
local header = redis.call('GET', KEYS[1])
if not header or string.match(header, '^%d+') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
`);

/** KEYS: a key. ARGV: what it is set to, if anything. Answers with what it is. */
export const stateText = script(`
if ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
return redis.call('GET', KEYS[1])
`);
