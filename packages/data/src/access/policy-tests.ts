import { PortolanError, parseInstant } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";
import type { DataErrorCode } from "../errors.ts";
import { type AccessPolicy, type Mask, masks } from "./access-policy.ts";
import { type AccessDecision, decideAccess, type TaggedColumn } from "./decide-access.ts";

const closed = { additionalProperties: false } as const;
const Case = Type.Object(
  {
    name: Type.String(),
    purpose: Type.String(),
    principal: Type.Optional(Type.String()),
    roles: Type.Optional(Type.Array(Type.String())),
    contract: Type.String(),
    environment: Type.Optional(Type.String()),
    at: Type.Optional(Type.String()),
    columns: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.String(),
            type: Type.Optional(Type.String()),
            tags: Type.Optional(Type.Array(Type.String())),
          },
          closed,
        ),
      ),
    ),
    expect: Type.Union([
      Type.Literal("deny"),
      Type.Object(
        {
          visible: Type.Optional(Type.Array(Type.String())),
          masks: Type.Optional(Type.Record(Type.String(), Type.Enum([...masks]))),
          rows: Type.Optional(Type.Array(Type.String())),
          minGroup: Type.Optional(Type.Integer()),
        },
        closed,
      ),
    ]),
  },
  closed,
);
const Tests = Type.Object({ tests: Type.Array(Case, { minItems: 1 }) }, closed);
const Document = Compile(Tests);
type AccessCase = Static<typeof Case>;

export interface AccessTestResult {
  readonly name: string;
  readonly passed: boolean;
  readonly outcome: string;
}

/**
 * Runs expected decisions against policies. Pure.
 *
 * @param columnsOf columns of a contract, for cases that state none
 * @throws PortolanError `data.access_policy_invalid` when the document is no list of cases
 */
export function runAccessTests(
  document: unknown,
  policies: readonly AccessPolicy[],
  columnsOf: (contract: string) => readonly TaggedColumn[] | undefined,
  now: number,
): AccessTestResult[] {
  if (!Document.Check(document))
    throw new PortolanError<DataErrorCode>("data.access_policy_invalid", {
      detail: "the file of cases is not `tests:` with name, purpose, contract and expect",
      mend: "See docs/data-access.md for the form of a case.",
    });
  return document.tests.map((one) => judge(one, policies, columnsOf, now));
}

function judge(
  one: AccessCase,
  policies: readonly AccessPolicy[],
  columnsOf: (contract: string) => readonly TaggedColumn[] | undefined,
  now: number,
): AccessTestResult {
  const stated = one.columns?.map(({ name, type = "string", tags = [] }) => ({ name, type, tags }));
  const columns = stated ?? columnsOf(one.contract);
  if (!columns)
    return {
      name: one.name,
      passed: false,
      outcome: `no contract ${one.contract} is here: state its columns`,
    };
  const decision = decideAccess(
    {
      principal: one.principal ?? "usr_test",
      roles: one.roles ?? [],
      purpose: one.purpose,
      contract: one.contract,
      environment: one.environment ?? "dev",
      columns,
      now: one.at === undefined ? now : parseInstant(one.at),
    },
    policies,
  );
  const wrong = differences(one.expect, decision);
  return {
    name: one.name,
    passed: wrong.length === 0,
    outcome: wrong.length === 0 ? describeDecision(decision) : wrong.join("; "),
  };
}

function differences(expected: AccessCase["expect"], decision: AccessDecision): string[] {
  if (expected === "deny") return decision.kind === "denied" ? [] : ["it is allowed"];
  if (decision.kind === "denied") return [`it is denied: ${decision.reason}`];
  const visible = decision.columns.map(({ name }) => name);
  const masksFound: Record<string, Mask> = Object.fromEntries(
    decision.columns.flatMap(({ name, mask }) => (mask ? [[name, mask.with]] : [])),
  );
  const filters = decision.rowFilters.map(({ expression }) => expression);
  return [
    ...unequal("visible columns", expected.visible?.toSorted(), visible.toSorted()),
    ...unequal("masks", expected.masks && sorted(expected.masks), sorted(masksFound)),
    ...unequal("row filters", expected.rows?.toSorted(), filters.toSorted()),
    ...unequal("least group", expected.minGroup, decision.minGroup?.rows),
  ];
}

function sorted(record: Readonly<Record<string, string>>): string[] {
  return Object.entries(record)
    .map(([name, value]) => `${name}: ${value}`)
    .toSorted();
}

function unequal(what: string, expected: unknown, found: unknown): string[] {
  if (expected === undefined || JSON.stringify(expected) === JSON.stringify(found)) return [];
  return [`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found ?? null)}`];
}

/** A decision in one line. Pure. */
export function describeDecision(decision: AccessDecision): string {
  if (decision.kind === "denied") return `denied: ${decision.reason}`;
  const columns = decision.columns.map(({ name, mask }) =>
    mask ? `${name} (${mask.with} by ${mask.by})` : name,
  );
  return `allowed: ${columns.join(", ")}`;
}
