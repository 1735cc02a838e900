import protobuf from "protobufjs/minimal.js";
import { classicBounds, type Distribution, type Exemplar, type Family, type Series } from "./metrics.ts";

type Writer = protobuf.Writer;

/** `io.prometheus.client.MetricType`. */
const kinds = { counter: 0, gauge: 1, histogram: 4 } as const;

/**
 * Length-delimited `io.prometheus.client.MetricFamily` messages: the one form that carries native histograms. Field numbers are
 * those of Prometheus' client_model.
 */
export function protobufMessages(families: readonly Family[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const family of families) {
    writer.fork();
    writer.uint32(field(1, 2)).string(family.name);
    writer.uint32(field(2, 2)).string(family.help);
    writer.uint32(field(3, 0)).int32(kinds[family.kind]);
    for (const series of family.series) message(writer, 4, () => metric(writer, family.kind, series));
    writer.ldelim();
  }
  return writer.finish();
}

function metric(writer: Writer, kind: Family["kind"], { labels, value, distribution }: Series): void {
  for (const [name, text] of Object.entries(labels)) label(writer, 1, name, text);
  if (distribution) message(writer, 7, () => histogram(writer, value, distribution));
  else message(writer, kind === "counter" ? 3 : 2, () => double(writer, 1, value));
}

function histogram(writer: Writer, count: number, distribution: Distribution): void {
  const { schema, zeroCount, spans, deltas } = distribution.native.buckets();
  writer.uint32(field(1, 0)).uint64(count);
  double(writer, 2, distribution.sum);
  let total = 0;
  for (const [slot, inSlot] of distribution.classic.entries()) {
    total += inSlot;
    message(writer, 3, () => {
      writer.uint32(field(1, 0)).uint64(total);
      double(writer, 2, classicBounds[slot] ?? Number.POSITIVE_INFINITY);
      const exemplar = distribution.exemplars[slot];
      if (exemplar) message(writer, 3, () => exemplarOf(writer, exemplar));
    });
  }
  writer.uint32(field(5, 0)).sint32(schema);
  // A threshold above 0 says that this is a native histogram even while it is empty.
  double(writer, 6, 2 ** -128);
  writer.uint32(field(7, 0)).uint64(zeroCount);
  for (const { offset, length } of spans)
    message(writer, 12, () => {
      writer.uint32(field(1, 0)).sint32(offset);
      writer.uint32(field(2, 0)).uint32(length);
    });
  if (deltas.length > 0)
    message(writer, 13, () => {
      for (const delta of deltas) writer.sint64(delta);
    });
  for (const exemplar of distribution.exemplars)
    if (exemplar) message(writer, 16, () => exemplarOf(writer, exemplar));
}

function exemplarOf(writer: Writer, { traceId, value, epochMs }: Exemplar): void {
  label(writer, 1, "trace_id", traceId);
  double(writer, 2, value);
  message(writer, 3, () => {
    writer.uint32(field(1, 0)).int64(Math.floor(epochMs / 1000));
    writer.uint32(field(2, 0)).int32(Math.round((epochMs % 1000) * 1e6));
  });
}

function label(writer: Writer, number: number, name: string, value: string): void {
  message(writer, number, () => {
    writer.uint32(field(1, 2)).string(name);
    writer.uint32(field(2, 2)).string(value);
  });
}

function message(writer: Writer, number: number, write: () => void): void {
  writer.uint32(field(number, 2)).fork();
  write();
  writer.ldelim();
}

function double(writer: Writer, number: number, value: number): void {
  writer.uint32(field(number, 1)).double(value);
}

/** Key of a field: its number and wire type. */
function field(number: number, wireType: 0 | 1 | 2): number {
  return (number << 3) | wireType;
}
