import { Secret } from "@portolan/kernel";
import { expect, test } from "vitest";
import { requireSafeAddress } from "./connect.ts";

test("a password goes to another machine by TLS alone, and errors do not repeat it", () => {
  const judge = (url: string): string => {
    try {
      requireSafeAddress(new Secret(url), "LIMITS_REDIS_URL");
      return "accepted";
    } catch (error) {
      return String(error);
    }
  };
  for (const url of [
    "rediss://u:s3cret@redis.example",
    "redis://:s3cret@127.0.0.1:6379",
    "redis://redis.internal",
  ])
    expect(judge(url)).toBe("accepted");
  for (const url of ["redis://:s3cret@redis.example", "http://:s3cret@redis.example", "s3cret"]) {
    expect(judge(url)).toMatch(/LIMITS_REDIS_URL/);
    expect(judge(url)).not.toMatch(/s3cret/);
  }
});
