import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { linesOf } from "./lines-of.ts";

async function allOf(chunks: Iterable<Uint8Array | string>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(chunks))) lines.push(line);
  return lines;
}

test("a text comes back whole, whatever is in it and wherever its bytes are parted", async () => {
  const line = fc
    .array(fc.constantFrom("a", "é", "𝄞", "\u2028", "\u2029", "\u0085", "\r x", " ", '"'), { maxLength: 12 })
    .map((letters) => letters.join(""));
  const cuts = fc.array(fc.nat(9), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 8 }),
      cuts,
      fc.boolean(),
      async (lines, sizes, isWindows) => {
        const bytes = Buffer.from(lines.map((one) => `${one}${isWindows ? "\r\n" : "\n"}`).join(""));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = (sizes[turn % sizes.length] ?? 0) + 1;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(await allOf(chunks)).toEqual(lines);
      },
    ),
  );
});

test("the last line needs no end; nothing is no line", async () => {
  expect(await allOf([Buffer.from("a\n\nb")])).toEqual(["a", "", "b"]);
  expect(await allOf(["a\r\nb\r\n"])).toEqual(["a", "b"]);
  expect(await allOf([])).toEqual([]);
  expect(await allOf([Buffer.from("\n")])).toEqual([""]);
});
