import type { DriftDelivery } from "@portolan/monitoring/contract";
import type { CountedPart } from "./counted-part.ts";

/** Half of what control takes in one request; the widest part is a tenth of it. */
const mostBytes = 8 * 2 ** 20;
const mostParts = 500;

/** What one delivery holds: parts of one environment, for control decides about each environment by itself. */
export interface Cut {
  readonly environment: DriftDelivery["parts"][number]["environment"];
  readonly parts: readonly CountedPart[];
  /** `parts` as JSON texts. */
  readonly texts: readonly string[];
}

/** Cuts parts into deliveries, and writes each only when it is asked for. */
export function* cutDeliveries(parts: readonly CountedPart[]): Generator<Cut, void> {
  for (const [environment, own] of Map.groupBy(parts, (part) => part.environment)) {
    let from = 0;
    let texts: string[] = [];
    let bytes = 0;
    for (const [at, part] of own.entries()) {
      const text = JSON.stringify({ ...part, counts: Array.from(part.counts) });
      const size = Buffer.byteLength(text) + 1;
      if (texts.length > 0 && (bytes + size > mostBytes || texts.length === mostParts)) {
        yield { environment, parts: own.slice(from, at), texts };
        [from, texts, bytes] = [at, [], 0];
      }
      texts.push(text);
      bytes += size;
    }
    yield { environment, parts: own.slice(from), texts };
  }
}

/** A delivery as it is sent. */
export function deliveryText(
  { writer, epoch, sequence }: Omit<DriftDelivery, "parts">,
  texts: readonly string[],
): string {
  const head = JSON.stringify({ writer, epoch, sequence });
  return `${head.slice(0, -1)},"parts":[${texts.join(",")}]}`;
}

/** Two deliveries of half as many parts each; `undefined` when there is only one part. */
export function halves(body: Uint8Array): readonly [DriftDelivery, DriftDelivery["parts"]] | undefined {
  const delivery = JSON.parse(Buffer.from(body).toString("utf8")) as DriftDelivery;
  const { parts } = delivery;
  const middle = Math.ceil(parts.length / 2);
  if (middle === parts.length) return undefined;
  return [{ ...delivery, parts: parts.slice(0, middle) }, parts.slice(middle)];
}
