import fc from "fast-check";
import { expect, test } from "vitest";
import { outsideOf } from "./outside-callers.ts";

test("private, shared and link-local callers are inside, all others outside, however their address is written", () => {
  const isOutside = outsideOf(undefined);
  const inside = ["127.0.0.1", "::1", "10.9.8.7", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fd00::1"];
  const outside = ["172.32.0.1", "100.128.0.1", "8.8.8.8", "2a00:1450::1", "11.0.0.0", "192.169.0.1"];
  // What judges once judges the same again from memory.
  for (const _ of [1, 2]) {
    for (const address of [...inside, "::ffff:10.0.0.1", "[::1]", "fe80::1%eth0", "169.254.1.1"])
      expect(isOutside(address), address).toBe(false);
    for (const address of [...outside, "::ffff:8.8.8.8", "::FFFF:8.8.8.8", "[2a00:1450::1]"])
      expect(isOutside(address), address).toBe(true);
  }
  for (const nobody of ["unknown", "", "unix:/run/x", "999.1.1.1", "10.0.0"])
    expect(isOutside(nobody), nobody).toBe(false);
});

test("the operator's networks count instead; none at all means that every caller is outside", () => {
  const own = outsideOf("203.0.113.0/24, 2001:db8::/32, 198.51.100.7");
  expect(["203.0.113.9", "2001:db8::5", "198.51.100.7"].map(own)).toEqual([false, false, false]);
  expect(["10.0.0.1", "203.0.114.1", "198.51.100.8", "127.0.0.1"].map(own)).toEqual([true, true, true, true]);
  expect(["10.0.0.1", "::1", "unknown"].map(outsideOf("none"))).toEqual([true, true, false]);
});

test("a network of any width holds the addresses that arithmetic says, more of them than are kept in memory", () => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const text = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join(".");
  fc.assert(
    fc.property(word, fc.integer({ min: 1, max: 32 }), fc.array(word), (network, bits, others) => {
      const judge = outsideOf(`${text(network)}/${bits}`);
      for (const other of [network, network ^ 1, (network ^ (1 << (32 - bits))) >>> 0, ...others])
        expect(judge(text(other >>> 0))).toBe(network >>> (32 - bits) !== (other >>> 0) >>> (32 - bits));
    }),
  );
  const judge = outsideOf("10.0.0.0/8");
  for (let n = 0; n < 10_000; n++) expect(judge(text(n * 1_000_003))).toBe((n * 1_000_003) >>> 24 !== 10);
});

test("what is no address or network is named", () => {
  for (const bad of [
    "example.org",
    "http://inside.example",
    "10.0.0.0/x",
    "10.0.0.0/8/9",
    "10.0.0.0/33",
    "none, ::1",
  ])
    expect(() => outsideOf(bad), bad).toThrow(
      expect.objectContaining({
        code: "kernel.bad_configuration",
        detail: expect.stringMatching(/^INSIDE_NETWORKS: .+/),
      }),
    );
});
