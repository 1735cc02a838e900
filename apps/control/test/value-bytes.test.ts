import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensor, writeInferRequest } from "@portolan/serving/policy";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { bytesOfValues } from "../src/batch/value-bytes.ts";
import { quotedText, withDuckDb } from "../src/scoring/read-table.ts";

const folder = mkdtempSync(join(tmpdir(), "value-bytes-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a client would send of these values, by the writer of requests. */
function sent(datatype: Tensor["datatype"], data: Tensor["data"]): number {
  const { bytes, jsonBytes = 0 } = writeInferRequest(
    [{ name: "x", datatype, shape: [data.length], data }],
    true,
  );
  return bytes - jsonBytes;
}

const textOf = (value: string | null) => (value === null ? "null" : quotedText(value));
const row = fc.record({
  small: fc.option(fc.integer({ min: -128, max: 127 })),
  whole: fc.option(fc.maxSafeInteger()),
  real: fc.option(fc.integer({ min: -1000, max: 1000 })),
  flag: fc.option(fc.boolean()),
  text: fc.option(fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replaceAll("\0", ""))),
});

test("values have the bytes that a request in binary form has of them, whatever packs the file; what is null has none", async () => {
  const present = <T>(values: readonly (T | null)[]): T[] => values.filter((value) => value !== null);
  await withDuckDb(async (ask) => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows) => {
        const of = <K extends keyof (typeof rows)[number]>(key: K) =>
          present(rows.map((one) => one[key])) as NonNullable<(typeof rows)[number][K]>[];
        const expected = {
          small: sent("INT8", Int8Array.from(of("small"))),
          whole: sent("INT64", BigInt64Array.from(of("whole").map(BigInt))),
          real: sent("FP32", Float32Array.from(of("real"))),
          flag: sent("BOOL", Uint8Array.from(of("flag").map(Number))),
          text: sent("BYTES", of("text")),
        };
        const values = rows.map(
          ({ small, whole, real, flag, text }) => `(${small}, ${whole}, ${real}, ${flag}, ${textOf(text)})`,
        );
        const typed = `select small::tinyint as small, whole::bigint as whole, real::float as "re""al", flag::boolean as flag, text::varchar as text
          from (values ${values.join(", ")}) as given(small, whole, real, flag, text)`;
        for (const codec of ["zstd", "uncompressed"]) {
          const file = join(folder, `${codec}.parquet`);
          await ask(`copy (${typed}) to ${quotedText(file)} (format parquet, compression ${codec})`);
          const source = `read_parquet(${quotedText(file)})`;
          const { small, whole, real, flag, text } = expected;
          expect(await bytesOfValues(ask, source)).toBe(small + whole + real + flag + text);
          expect(await bytesOfValues(ask, source, ["text", "whole", "text"]), "once").toBe(text + whole);
          expect(await bytesOfValues(ask, source, ['re"al'])).toBe(real);
        }
      }),
      { numRuns: 25 },
    );
    expect(await bytesOfValues(ask, "(select 1 as a)", [])).toBe(0);
    expect(await bytesOfValues(ask, "(select 1 as a where false)")).toBe(0);
  });
});

/** Widths of fixed-size types as Arrow's columnar format has them; of the others the bytes of their text. */
test.each([
  ["1.5::decimal(5, 2)", 16],
  ["date '2026-11-03'", 4],
  ["timestamp '2026-11-03 00:00:00'", 8],
  ["timestamptz '2026-11-03 00:00:00+00'", 8],
  ["uuid()", 16],
  ["1::hugeint", 16],
  ["encode('äb')", 4 + 3],
  ["'ä'::enum('ä', 'b')", 4 + 2],
  ["[1, 22]", 4 + "[1, 22]".length],
  ["null::double", 0],
])("%s has %i bytes", async (value, bytes) => {
  await withDuckDb(async (ask) => {
    expect(await bytesOfValues(ask, `(select ${value} as v)`)).toBe(bytes);
  });
});
