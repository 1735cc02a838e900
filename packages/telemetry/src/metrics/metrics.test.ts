import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { exposeMetrics } from "./exposition.ts";
import { Metrics } from "./metrics.ts";
import { bucketOf, NativeHistogram } from "./native-histogram.ts";

/** Prometheus' client_model, as far as we speak it, for a second reading of our bytes. */
const schema = `
syntax = "proto3";
package io.prometheus.client;
message LabelPair { string name = 1; string value = 2; }
message Gauge { double value = 1; }
message Counter { double value = 1; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Exemplar { repeated LabelPair label = 1; double value = 2; Timestamp timestamp = 3; }
message Bucket { uint64 cumulative_count = 1; double upper_bound = 2; Exemplar exemplar = 3; }
message BucketSpan { sint32 offset = 1; uint32 length = 2; }
message Histogram {
  uint64 sample_count = 1; double sample_sum = 2; repeated Bucket bucket = 3; sint32 schema = 5;
  double zero_threshold = 6; uint64 zero_count = 7; repeated BucketSpan positive_span = 12;
  repeated sint64 positive_delta = 13; repeated Exemplar exemplars = 16;
}
message Metric { repeated LabelPair label = 1; Gauge gauge = 2; Counter counter = 3; Histogram histogram = 7; }
message MetricFamily { string name = 1; string help = 2; int32 type = 3; repeated Metric metric = 4; }
`;
const MetricFamily = protobuf.parse(schema).root.lookupType("io.prometheus.client.MetricFamily");

function decode(bytes: Uint8Array): Record<string, unknown>[] {
  const reader = protobuf.Reader.create(bytes);
  const found: Record<string, unknown>[] = [];
  while (reader.pos < reader.len)
    found.push(MetricFamily.toObject(MetricFamily.decodeDelimited(reader), { longs: Number }));
  return found;
}

/** Spans and deltas back to counts by bucket. */
function expand(histogram: NativeHistogram): Map<number, number> {
  const { spans, deltas } = histogram.buckets();
  const counts = new Map<number, number>();
  let [index, at, count] = [0, 0, 0];
  for (const { offset, length } of spans) {
    index += offset;
    for (let i = 0; i < length; i++) {
      count += deltas[at++] ?? 0;
      counts.set(index++, count);
    }
  }
  return counts;
}

describe("native histograms", () => {
  test("every value is counted in the bucket whose bounds hold it, also after the resolution was halved", () => {
    const values = fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), {
      minLength: 1,
      maxLength: 400,
    });
    fc.assert(
      fc.property(values, (observed) => {
        const histogram = new NativeHistogram();
        for (const value of observed) histogram.observe(value);
        const { schema: resolution } = histogram.buckets();
        const expected = new Map<number, number>();
        for (const value of observed) {
          const index = bucketOf(value, resolution);
          expected.set(index, (expected.get(index) ?? 0) + 1);
          const base = 2 ** (2 ** -resolution);
          expect(value).toBeLessThanOrEqual(base ** index * (1 + 1e-9));
          expect(value).toBeGreaterThan(base ** (index - 1) * (1 - 1e-9));
        }
        expect(expand(histogram)).toEqual(expected);
        expect(expected.size).toBeLessThanOrEqual(160);
      }),
    );
  });

  test("zero, less than zero and what is no number are counted apart", () => {
    const histogram = new NativeHistogram();
    for (const value of [0, -1, Number.NaN, 1]) histogram.observe(value);
    expect(histogram.buckets()).toEqual({
      schema: 3,
      zeroCount: 3,
      spans: [{ offset: 0, length: 1 }],
      deltas: [1],
    });
  });
});

function filled(): Metrics {
  const metrics = new Metrics();
  metrics.count("requests_total", 'Requests, "all"\nof them', { endpoint: 'a"b\\c' }, 3);
  metrics.gauge("age_seconds", "Age", {}, 1.5);
  const seconds = metrics.histogram("request_seconds", "Time", { endpoint: "a" });
  seconds.observe(0.003, { traceId: "0af7651916cd43dd8448eb211c80319c", epochMs: 1_790_000_000_250 });
  seconds.observe(20);
  return metrics;
}

describe("the page", () => {
  test.each([
    [undefined, /^text\/plain; version=0\.0\.4/],
    ["*/*", /^text\/plain/],
    [
      "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
      /^application\/openmetrics-text/,
    ],
    ["text/plain;q=0.9,application/openmetrics-text;q=0.1", /^text\/plain/],
    [
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;q=0.8",
      /^application\/vnd\.google\.protobuf/,
    ],
    ["application/vnd.google.protobuf;proto=something.else;encoding=delimited", /^text\/plain/],
    ["nonsense;;;,,,q=", /^text\/plain/],
  ])("a scraper that accepts %s gets %s", (accept, type) => {
    expect(exposeMetrics(filled(), accept).contentType).toMatch(type);
  });

  test("in plain text escapes labels and help, and adds buckets up", () => {
    const text = String(exposeMetrics(filled(), "text/plain").body);
    expect(text).toContain(
      '# HELP requests_total Requests, "all"\\nof them\n# TYPE requests_total counter\n',
    );
    expect(text).toContain('requests_total{endpoint="a\\"b\\\\c"} 3\n');
    expect(text).toContain('request_seconds_bucket{endpoint="a",le="0.0025"} 0\n');
    expect(text).toContain('request_seconds_bucket{endpoint="a",le="0.005"} 1\n');
    expect(text).toContain('request_seconds_bucket{endpoint="a",le="+Inf"} 2\n');
    expect(text).toContain('request_seconds_count{endpoint="a"} 2\n');
    expect(text).not.toContain("trace_id");
  });

  test("in OpenMetrics names counters without _total, carries exemplars, and ends", () => {
    const text = String(exposeMetrics(filled(), "application/openmetrics-text").body);
    expect(text).toContain("# TYPE requests counter\n");
    expect(text).toMatch(/^requests_total\{.*\} 3$/m);
    expect(text).toContain(
      'request_seconds_bucket{endpoint="a",le="0.005"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.003 1790000000.250\n',
    );
    expect(text.endsWith("# EOF\n")).toBe(true);
  });

  test("in protobuf says the same once more, with native buckets", () => {
    const accept =
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    const { body } = exposeMetrics(filled(), accept);
    expect(body).toBeInstanceOf(Uint8Array);
    const [requests, age, seconds] = decode(body as Uint8Array);
    expect(requests).toMatchObject({
      name: "requests_total",
      metric: [{ label: [{ name: "endpoint", value: 'a"b\\c' }], counter: { value: 3 } }],
    });
    expect(age).toMatchObject({ type: 1, metric: [{ gauge: { value: 1.5 } }] });
    expect(seconds).toMatchObject({
      type: 4,
      metric: [
        {
          histogram: {
            sampleCount: 2,
            sampleSum: 20.003,
            schema: 3,
            zeroThreshold: 2 ** -128,
            positiveSpan: [{ offset: bucketOf(0.003, 3), length: 1 }, { length: 1 }],
            positiveDelta: [1, 0],
            exemplars: [{ value: 0.003, timestamp: { seconds: 1_790_000_000, nanos: 250_000_000 } }],
          },
        },
      ],
    });
  });
});
