import type { Violation } from "@portolan/kernel";
import { champion } from "../routing/choose-variant.ts";
import type { FlagDefinition, FlagValue } from "./flag-schema.ts";

/** A hundred flags of an endpoint are a small part of a snapshot. */
const mostBytes = 16 * 1024;

/**
 * What keeps a definition from being evaluated, beyond its schema. Pure.
 *
 * @param variants names of the deployment's variants that take requests
 */
export function findFlagProblems(flag: FlagDefinition, variants: readonly string[]): Violation[] {
  const { values = [true, false], rules, split, decides } = flag;
  const unknown = (value: FlagValue, pointer: string): Violation[] =>
    values.includes(value)
      ? []
      : [{ detail: `${JSON.stringify(value)} is none of the flag's values`, at: { pointer } }];
  const bytes = Buffer.byteLength(JSON.stringify(flag));
  const weight = split.reduce((sum, one) => sum + one.weight, 0);
  return [
    ...(flag.values ?? []).flatMap((value, at) =>
      typeof value === "string" ? [] : [{ detail: "is no text", at: { pointer: `/flag/values/${at}` } }],
    ),
    ...(new Set(values).size < values.length
      ? [{ detail: "has a value twice", at: { pointer: "/flag/values" } }]
      : []),
    ...(bytes > mostBytes
      ? [{ detail: `takes ${bytes} bytes, more than ${mostBytes}`, at: { pointer: "/flag" } }]
      : []),
    ...unknown(flag.default, "/flag/default"),
    ...rules.flatMap(({ value }, at) => unknown(value, `/flag/rules/${at}/value`)),
    ...split.flatMap(({ value }, at) => unknown(value, `/flag/split/${at}/value`)),
    ...(weight > 100 + 1e-9
      ? [{ detail: `has ${weight} % in all, more than there are`, at: { pointer: "/flag/split" } }]
      : []),
    ...(decides === undefined ? [] : variantProblems(values, variants)),
  ];
}

/** A flag that decides who answers names those alone who may. */
function variantProblems(values: readonly FlagValue[], variants: readonly string[]): Violation[] {
  const known = [champion, ...variants];
  const strangers = values.filter((value) => typeof value !== "string" || !known.includes(value));
  if (strangers.length === 0) return [];
  return [
    {
      detail: `${strangers.map(String).join(", ")}: no variant of the endpoint that takes requests (there are ${known.join(", ")})`,
      at: { pointer: "/flag/values" },
      mend: "Deploy the variant first: portolan endpoint deploy --split name=model/version:0",
    },
  ];
}
