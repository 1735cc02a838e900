import type { NamedRowRule, NestedRule, NestedStep } from "../contracts/contract-model.ts";
import { type JsonCell, membersOf } from "../values/json-cell.ts";
import { parseJson, type Value } from "../values/parse-value.ts";

/** Compiles a rule of what lies within a column; `inner` is what its own rule says of one value. Pure. */
export function nestedCheck(
  rule: NamedRowRule & NestedRule,
  inner: (value: Value) => boolean,
): (value: Value) => boolean {
  const { path } = rule;
  const within = (value: Value): readonly JsonCell[] => (typeof value === "object" ? [value.json] : []);
  if (rule.kind === "nested_required") {
    const last = path.at(-1);
    const parents = path.slice(0, -1);
    return (value) => reach(within(value), parents).some((parent) => lacks(parent, last));
  }
  return (value) =>
    reach(within(value), path).some((cell) => {
      if (cell === null) return false;
      const found = parseJson(rule.as, cell);
      return rule.kind === "nested_type" ? found === undefined : found !== undefined && inner(found);
    });
}

/** What a path leads to, each item of an array by itself; what is not there is not in it. */
function reach(from: readonly JsonCell[], path: readonly NestedStep[]): readonly JsonCell[] {
  return path.reduce((cells, step) => cells.flatMap((cell) => below(cell, step)), from);
}

function below(cell: JsonCell, step: NestedStep): readonly JsonCell[] {
  if ("items" in step) return Array.isArray(cell) ? (cell as readonly JsonCell[]) : [];
  const member = membersOf(cell)?.get(step.member);
  return member === undefined ? [] : [member];
}

function lacks(parent: JsonCell, last: NestedStep | undefined): boolean {
  if (last === undefined) return false;
  if ("items" in last) return below(parent, last).includes(null);
  const members = membersOf(parent);
  return members !== undefined && (members.get(last.member) ?? null) === null;
}
