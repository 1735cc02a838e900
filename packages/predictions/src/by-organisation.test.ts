import type { Id } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { byOrganisation } from "./by-organisation.ts";
import type { AcceptedBlock } from "./contract.ts";

const requestId = "req_1" as Id<"request">;

/** A block whose headers are of these organisations; each header is told by its id. */
function blockOf(number: number, organisations: readonly string[]): AcceptedBlock {
  const headers = organisations.map((organisationId, index) => ({
    id: `${number}/${index}`,
    context: { organisationId },
  }));
  return { writerId: "wrt_a", epoch: 1, block: number, headers } as unknown as AcceptedBlock;
}

test("each header is once with its own organisation, under its block's address, and nowhere else", () => {
  const organisation = fc.constantFrom("org_a", "org_b", "org_c");
  fc.assert(
    fc.property(fc.array(fc.array(organisation, { maxLength: 8 }), { maxLength: 6 }), (held) => {
      const blocks = held.map((organisations, number) => blockOf(number, organisations));
      const found = byOrganisation({ requestId }, blocks);
      const flat = found.flatMap(({ organisationId, blocks: own }) =>
        own.flatMap(({ block, headers }) =>
          headers.map(({ id, context }) => `${organisationId} ${context.organisationId} ${block} ${id}`),
        ),
      );
      const expected = held.flatMap((organisations, number) =>
        organisations.map((one, index) => `${one} ${one} ${number} ${number}/${index}`),
      );
      expect(new Set(flat)).toEqual(new Set(expected));
      expect(flat).toHaveLength(expected.length);
      expect(new Set(found.map(({ organisationId }) => organisationId)).size).toBe(found.length);
      // Blocks that hold nothing of an organisation are not there, and those that do keep their order.
      for (const { blocks: own } of found) {
        expect(own.every(({ headers }) => headers.length > 0)).toBe(true);
        const numbers = own.map(({ block }) => block);
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
      }
    }),
  );
});

test("whoever counts acts as control in that organisation, for the request that brought the blocks", () => {
  const [found] = byOrganisation({ requestId }, [blockOf(0, ["org_a"])]);
  expect(found?.call).toMatchObject({ requestId, actor: { organisationId: "org_a" } });
});
