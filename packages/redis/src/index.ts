export { createRedisCounts, type RedisCounts, type RedisCountsOptions } from "./redis-counts.ts";
