import type { YamlNode } from "@portolan/yaml-source";
import type { ContractColumn, NamedRowRule, NestedStep, ValueRule } from "./contract-model.ts";
import { readOptions } from "./read-options.ts";
import { readPropertyQuality } from "./read-quality.ts";

/** A described value: like a column, its name the way to it. */
type Described = Pick<ContractColumn, "name" | "type" | "format" | "defaultTimeZone">;

/** How a described value is read; that of columns, which know their types. */
export type ReadDescribed = (property: YamlNode, name: string) => Described;

/** They stand in JSON paths as they are, where a star alone is every member. */
export const memberName = /^(?!\*$)[^"\\\p{Cc}]{1,128}$/u;

/**
 * Rules of what lies within a column: `properties` of an object, `items` of an array, as deep as they are described. A value has the type
 * that is said, and meets the rules that one row can meet alone; a text stands for what it says, as in a column of its own, and is kept as
 * it came.
 *
 * @param most how many values may be described
 */
export function readNested(
  property: YamlNode,
  column: string,
  readDescribed: ReadDescribed,
  most: number,
): NamedRowRule[] {
  const rules: NamedRowRule[] = [];
  let described = 0;
  const into = (node: YamlNode, name: string, path: readonly NestedStep[]): void => {
    for (const [child, childName, step] of children(node, name)) {
      described += 1;
      if (described > most) {
        child.report("is one nested value too many", `Describe ${most} at most.`);
        return;
      }
      const way = [...path, step];
      rules.push(...rulesOf(child, { column, path: way, value: readDescribed(child, childName) }));
      into(child, childName, way);
    }
  };
  into(property, column, []);
  return rules;
}

function children(node: YamlNode, name: string): [child: YamlNode, name: string, step: NestedStep][] {
  const [names, sources] = [new Set<string>(), new Set<string>()];
  const members = node
    .get("properties")
    .items()
    .map((child): [YamlNode, string, NestedStep] => {
      const own = child.get("name").text() ?? "";
      const member = child.get("physicalName").text() ?? own;
      if (!memberName.test(own) || !memberName.test(member))
        child.report(
          "has no name that a member can have",
          "Leave quotes and backslashes out; a star alone is none.",
        );
      if (names.has(own) || sources.has(member)) child.report("repeats a member");
      names.add(own);
      sources.add(member);
      return [child, `${name}.${own}`, { member }];
    });
  const items = node.get("items");
  return items.present ? [...members, [items, `${name}[]`, { items: true }]] : members;
}

interface Place {
  readonly column: string;
  readonly path: readonly NestedStep[];
  readonly value: Described;
}

function rulesOf(node: YamlNode, { column, path, value }: Place): NamedRowRule[] {
  const { name, type, format, defaultTimeZone } = value;
  const as = {
    type,
    ...(format === undefined ? {} : { format }),
    ...(defaultTimeZone === undefined ? {} : { defaultTimeZone }),
  };
  for (const key of ["primaryKey", "unique"])
    if (node.get(key).boolean())
      node.get(key).report("tells rows apart by a nested value", "Make it a column of its own.");
  for (const key of ["customProperties", "relationships"])
    if (node.get(key).present)
      node.get(key).report("is of a nested value, where nothing reads it", "Say it of the column.");
  const like = { name, source: name, required: false, ...as };
  const quality = readPropertyQuality(node, like);
  if (quality.batchRules.length > 0)
    node
      .get("quality")
      .report("judges batches by a nested value", "Use `mustBe: 0`, or a query at the table.");
  const required: NamedRowRule[] = node.get("required").boolean()
    ? [{ kind: "nested_required", name: `${name}.required`, column, path }]
    : [];
  const rules = [...readOptions(node.get("logicalTypeOptions"), like), ...quality.rowRules];
  return [
    { kind: "nested_type", name: `${name}.type`, column, path, as },
    ...required,
    ...rules.map((rule): NamedRowRule => {
      if (rule.kind === "required") return { kind: "nested_required", name: rule.name, column, path };
      const { name: label, ...inner } = rule;
      return { kind: "nested", name: label, column, path, as, rule: { ...(inner as ValueRule), column } };
    }),
  ];
}

/** Whatever is described within a column, at any depth. */
export function describedWithin(node: YamlNode): YamlNode[] {
  const items = node.get("items");
  const below = [...node.get("properties").items(), ...(items.present ? [items] : [])];
  return below.flatMap((child) => [child, ...describedWithin(child)]);
}
