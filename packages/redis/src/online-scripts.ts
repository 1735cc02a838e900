import { script } from "./run-script.ts";

/**
 * The online store's steps, each of which happens whole or not at all. Keys of a view share a hash tag, so that they lie on one node; the
 * hash of values is named by its header (`<generation> <JSON>`), hence it is found inside the script. Valkey and Redis from 6 on.
 */

/** KEYS: header, revision. ARGV: fields. Answers with the header, the revision, and the fields' values of the generation that it names. */
export const readValues = script(`
local header = redis.call('GET', KEYS[1])
local answer = { header, redis.call('GET', KEYS[2]) }
if not header or #ARGV == 0 then return answer end
local generation = string.match(header, '^%d+')
local values = redis.call('HMGET', string.gsub(KEYS[1], 'header$', 'values:' .. generation), unpack(ARGV))
for i = 1, #ARGV do answer[i + 2] = values[i] end
return answer
`);

/** KEYS: revision, header, values. ARGV: expected revision, header, then field and value in turn (none removes it). 1 when nobody wrote in between. */
export const writeValues = script(`
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[3], ARGV[i]) else redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('INCR', KEYS[1])
return 1
`);

/** KEYS: staging, values. ARGV: token. Takes the generation from whoever had it, and clears what is in it. */
export const beginStaging = script(`
redis.call('SET', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2])
return 1
`);

/** KEYS: staging, values. ARGV: token, then field and value in turn (none removes it). 1 while the token is the owner's. */
export const stageValues = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[2], ARGV[i]) else redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
end
return 1
`);

/** KEYS: staging, values staged. ARGV: token, fields. 0 when the token is not the owner's, else the fields' values. */
export const readStaged = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
`);

/** KEYS: staging, revision, header, values replaced. ARGV: token, expected revision, header. 1 when the staged generation is what readers see. */
export const switchGeneration = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[3])
redis.call('INCR', KEYS[2])
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[4])
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

/** KEYS: a key. ARGV: what it is set to, if anything. Answers with what it is. */
export const stateText = script(`
if ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
return redis.call('GET', KEYS[1])
`);
