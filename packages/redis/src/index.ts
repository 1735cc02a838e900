export { requireSafeAddress } from "./connect.ts";
export { openRedisOnlineReader, type RedisReaderOptions } from "./online-reader.ts";
export { openRedisOnlineStore } from "./online-store.ts";
export { createRedisCounts, type RedisCounts, type RedisCountsOptions } from "./redis-counts.ts";
