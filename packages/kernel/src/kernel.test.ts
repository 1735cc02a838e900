import { inspect } from "node:util";
import { Type } from "@portolan/typebox";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  asEpochMicros,
  createLogger,
  digestBytes,
  digestFromHex,
  digestHex,
  formatDurationMs,
  formatInstant,
  isPortolanError,
  keyCounts,
  loadConfig,
  newId,
  parseBytes,
  parseDigest,
  parseDurationMs,
  parseId,
  parseInstant,
  Secret,
  secretText,
  systemClock,
  zonedInstant,
} from "./index.ts";

describe("ids", () => {
  test("an id parses as its own kind and as no other", () => {
    const id = newId("model", asEpochMicros(1_700_000_000_000_000));
    expect(parseId("model", id)).toBe(id);
    expect(parseId("user", id)).toBeUndefined();
    expect(parseId("model", `${id}x`)).toBeUndefined();
  });

  test("have every character at each of their sixteen random places", () => {
    const seen = Array.from({ length: 16 }, () => new Set<string>());
    for (let i = 0; i < 4000; i++)
      for (const [place, character] of Array.from(newId("model", asEpochMicros(0)).slice(-16)).entries())
        seen[place]?.add(character);
    expect(seen.map(({ size }) => size)).toEqual(seen.map(() => 32));
  });

  test("ids sort as text in the order of their milliseconds", () => {
    const instant = fc.integer({ min: 0, max: 4_000_000_000_000 });
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        fc.pre(a < b);
        const first = newId("job", asEpochMicros(a * 1000));
        expect(first < newId("job", asEpochMicros(b * 1000))).toBe(true);
      }),
    );
  });
});

describe("time", () => {
  test("microseconds survive the way through text", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8_000_000_000_000_000 }), (micros) => {
        expect(parseInstant(formatInstant(asEpochMicros(micros)))).toBe(micros);
      }),
    );
  });

  test("digits below the microsecond are refused, not dropped", () => {
    expect(() => parseInstant("2001-01-14T08:00:00.1234567Z")).toThrow(/finer than a microsecond/);
  });

  test("a wall clock in a zone becomes UTC on both sides of a daylight-saving change", () => {
    expect(formatInstant(zonedInstant("2001-01-14T21:35", "America/Chicago"))).toBe("2001-01-15T03:35:00Z");
    expect(formatInstant(zonedInstant("2001-04-01T03:30", "America/New_York"))).toBe("2001-04-01T07:30:00Z");
  });

  test("the system clock gives whole microseconds", () => {
    expect(Number.isSafeInteger(systemClock.now())).toBe(true);
  });
});

describe("units", () => {
  test.each([
    ["80ms", 80],
    ["2s", 2000],
    ["15min", 900_000],
    ["36h", 129_600_000],
    ["7y", 220_752_000_000],
  ] as const)("%s is %d ms", (text, ms) => expect(parseDurationMs(text)).toBe(ms));
  test.each(["80", "ms", "-1s", "1 fortnight", "1constructor"])(
    "%j is not a duration, and the error shows what is",
    (text) => {
      expect(() => parseDurationMs(text)).toThrow(/not a duration/);
    },
  );
  test("decimal and binary sizes differ", () =>
    expect([parseBytes("1 GB"), parseBytes("1GiB")]).toEqual([1e9, 2 ** 30]));
  test("a duration prints in the largest unit that loses nothing", () => {
    expect([1500, 60_000, 86_400_000].map(formatDurationMs)).toEqual(["1500ms", "1min", "1d"]);
  });
});

describe("configuration", () => {
  const schema = Type.Object({
    PORT: Type.Integer({
      minimum: 1,
      maximum: 65535,
      default: 7400,
      description: "TCP port the API listens on",
    }),
    TOKEN: Type.Optional(secretText("Token of the gateway")),
  });

  test("defaults fill in, numbers are numbers, secrets do not print", () => {
    const config = loadConfig(schema, { TOKEN: "hunter2" });
    expect(config.PORT).toBe(7400);
    expect(JSON.parse(JSON.stringify(config))).toEqual({ PORT: 7400, TOKEN: "[secret]" });
    expect(config.TOKEN?.reveal()).toBe("hunter2");
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("every problem is reported at once, with the variable's purpose", () => {
    const both = Type.Object({
      A: Type.Integer({ description: "first" }),
      B: Type.String({ description: "second" }),
    });
    expect(() => loadConfig(both, { A: "x" })).toThrow(
      /A must be integer \(first\).*B|B is not set.*A must/s,
    );
  });
});

test("a secret shows itself in no common rendering", () => {
  const secret = new Secret("hunter2");
  const renderings = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ nested: { secret } }),
  ];
  expect(renderings.join()).not.toContain("hunter2");
  expect(secret.reveal()).toBe("hunter2");
});

test("log lines carry events and fields, and blank out secrets", () => {
  const lines: string[] = [];
  const log = createLogger({ name: "test", destination: { write: (line: string) => void lines.push(line) } });
  log.info({ model: "m", authorization: "Bearer x", headers: { cookie: "y" } }, "registry.model.promoted");
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    event: "registry.model.promoted",
    model: "m",
    authorization: "[secret]",
    headers: { cookie: "[secret]" },
  });
});

test("a digest reads back from its text and from its hex", () => {
  const digest = digestBytes(new TextEncoder().encode("abc"));
  expect(digest).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(parseDigest(digest)).toBe(digest);
  expect(digestFromHex(digestHex(digest))).toBe(digest);
  expect(parseDigest("sha256:ABC")).toBeUndefined();
});

test("a key counts from its first instant until it is retired or revoked", () => {
  const at = asEpochMicros;
  const key = {
    id: "sgk_1",
    purpose: "ledger",
    algorithm: "ed25519",
    publicKeyPem: "",
    validFrom: at(10),
  } as const;
  expect([9, 10, 99].map((t) => keyCounts({ ...key, retiredAt: at(50) }, at(t)))).toEqual([
    false,
    true,
    false,
  ]);
  expect(keyCounts({ ...key, revokedAt: at(50) }, at(50))).toBe(false);
});

test("an error from another copy of the package is still recognised", () => {
  const foreign = Object.assign(new Error("x"), { name: "PortolanError", code: "a.b" });
  expect(isPortolanError(foreign)).toBe(true);
  expect(isPortolanError(new Error("x"))).toBe(false);
});
