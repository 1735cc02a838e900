import { expect, test } from "vitest";
import { beginHop, beginTrace, parseTraceparent, parseTracestate, passOn } from "./trace-context.ts";

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
    const { spanId, headers } = beginHop(traced);
    expect(spanId).not.toBe(traced.spanId);
    expect(headers).toEqual({ traceparent: `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}` });
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

// Section 3.3 of the same.
test.each([
  "congo=t61rcWkgMzE",
  "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  "rojo=1 , , congo=2",
  "fw529a3039@dt=FfAAA,1a-b_c/d*e@vendor=x y",
])("the tracestate %s goes on as it came", (state) => {
  expect(parseTracestate(state)).toBe(state);
  expect(beginHop(beginTrace(`00-${traceId}-${parent}-01`, 0, state)).headers.tracestate).toBe(state);
  expect(passOn(`00-${traceId}-${parent}-00`, state)).toEqual({
    traceparent: `00-${traceId}-${parent}-00`,
    tracestate: state,
  });
});

test.each([
  undefined,
  "",
  " , ",
  "congo",
  "Congo=1",
  "a=1,a=2",
  "a=1=2",
  "a=",
  "a=é",
  "a=1\r\nx: y",
  Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(","),
  `a=${"x".repeat(300)}`,
  Array.from({ length: 5 }, (_, i) => `k${i}=${"x".repeat(120)}`).join(","),
])("the tracestate %j does not go on, and the trace does", (state) => {
  expect(parseTracestate(state)).toBeUndefined();
  expect(passOn(`00-${traceId}-${parent}-01`, state)).toEqual({ traceparent: `00-${traceId}-${parent}-01` });
});

test("without a traceparent that is understood a tracestate says nothing", () => {
  expect(passOn(undefined, "a=1")).toBeUndefined();
  expect(passOn("00-1-2-3", "a=1")).toBeUndefined();
  expect(beginHop(beginTrace("00-1-2-3", 1, "a=1")).headers.tracestate).toBeUndefined();
});
