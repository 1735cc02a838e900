import { expect, test } from "vitest";
import { beginTrace, formatTraceparent, parseTraceparent } from "./trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parent = "b7ad6b7169203331";

test("a caller's trace goes on, and its decision counts", () => {
  for (const [flags, isSampled] of [
    ["01", true],
    ["00", false],
    ["03", true],
  ] as const) {
    const traced = beginTrace(`00-${traceId}-${parent}-${flags}`, 1);
    expect(traced).toMatchObject({ traceId, parentSpanId: parent, isSampled });
    expect(formatTraceparent(traced)).toBe(`00-${traceId}-${traced.spanId}-${isSampled ? "01" : "00"}`);
  }
});

// The cases are those of the W3C Trace Context specification, section 3.2.
test.each([
  undefined,
  "",
  "00",
  `ff-${traceId}-${parent}-01`,
  `00-${"0".repeat(32)}-${parent}-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${parent}-01`,
  `00-${traceId}-${parent}-01-more`,
  `00-${traceId}-${parent}`,
  `00-${traceId}-${parent}-1`,
  `00-${traceId}-${parent}-01`.padEnd(300, "0"),
])("%s starts no trace of a caller's", (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
  const traced = beginTrace(header, 0);
  expect(traced.parentSpanId).toBeUndefined();
  expect(traced.isSampled).toBe(false);
  expect(traced.traceId).toMatch(/^[0-9a-f]{32}$/);
});

test("a later version with more fields is read as far as we know it", () => {
  expect(parseTraceparent(`01-${traceId}-${parent}-01-more`)).toMatchObject({ traceId });
});

test("by chance about the share that is asked for is kept", () => {
  const kept = Array.from({ length: 20_000 }, () => beginTrace(undefined, 0.1)).filter(
    ({ isSampled }) => isSampled,
  );
  expect(kept.length).toBeGreaterThan(1700);
  expect(kept.length).toBeLessThan(2300);
});
