import { allocateBill, statementDocument, tenantLevels } from "@portolan/metering";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type StatementNode, statementTree } from "./statement-tree.ts";
import { nanosOfText } from "./statement-words.ts";

const name = fc.constantFrom("", "a", "b");

test("whatever was used by whom, the parts of each come to what it owes, down to the environment", () => {
  const used = fc.record({
    tenant: fc.record({
      businessUnit: fc.constantFrom("x", "y"),
      team: name,
      useCase: name,
      model: name,
      environment: name,
    }),
    resource: fc.constant("gpu_hours"),
    quantity: fc.bigInt(1n, 10n ** 9n),
  });
  fc.assert(
    fc.property(
      fc.array(used, { minLength: 1, maxLength: 12 }),
      fc.bigInt(1n, 10n ** 14n),
      (usage, nanos) => {
        const amount = { nanos, currency: "USD" };
        const bill = {
          currency: "USD",
          lines: [{ name: "gpu_hours", kind: "metered" as const, amount }],
        };
        const allocation = allocateBill(bill, usage, { idle: "split", shared: "proportional" });
        const nodes = statementTree(
          tenantLevels.map((level) => statementDocument({ allocation, level, mode: "showback" })),
        );
        expect(sumOf(nodes)).toBe(nanos);
        expect(nodes.every(isWhole)).toBe(true);
      },
    ),
  );
});

function sumOf(nodes: readonly StatementNode[]): bigint {
  return nodes.reduce((sum, { line }) => sum + nanosOfText(line.total), 0n);
}

function isWhole({ line, parts }: StatementNode): boolean {
  return parts.length === 0 || (sumOf(parts) === nanosOfText(line.total) && parts.every(isWhole));
}
