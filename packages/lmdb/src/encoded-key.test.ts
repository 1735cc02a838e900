import fc from "fast-check";
import { toBufferKey } from "ordered-binary";
import { expect, test } from "vitest";
import { EncodedKeys } from "./encoded-key.ts";

test("an encoded key is the key as the store encodes it, whatever its parts are", () => {
  const keys = new EncodedKeys();
  const part = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom("", "\0", "=\u0003", "=é\0", "=\u{1f600}", `=${"x".repeat(100)}`),
  );
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.array(part, { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
      (generation, entities) => {
        const place = ["value", "org_a", "dev", "v@1", generation];
        keys.begin(place);
        for (const parts of entities)
          expect(Buffer.from(keys.of(parts)).equals(toBufferKey([...place, ...parts]))).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});
