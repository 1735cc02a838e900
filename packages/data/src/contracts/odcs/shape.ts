import type { YamlNode } from "@portolan/yaml-source";

/** Checks one value of a document and reports what does not fit; a value that is absent is its parent's matter. */
export type Shape = (node: YamlNode) => void;

const nouns = {
  text: "text",
  number: "a number",
  boolean: "true or false",
  list: "a list",
  map: "a mapping",
};

function expectKind(node: YamlNode, wanted: keyof typeof nouns): boolean {
  const { kind } = node;
  if (kind === wanted) return true;
  if (kind === "null") node.report("is empty", "Give it a value, or leave the key out.");
  else node.report(`must be ${nouns[wanted]}`, wanted === "text" ? "Put it in quotes." : undefined);
  return false;
}

export const text: Shape = (node) => void expectKind(node, "text");
export const number: Shape = (node) => void expectKind(node, "number");
export const boolean: Shape = (node) => void expectKind(node, "boolean");
export const anything: Shape = () => undefined;

/** A whole number, from `least` on. */
export function integer(least = Number.NEGATIVE_INFINITY): Shape {
  return (node) => {
    if (!expectKind(node, "number")) return;
    const value = node.number() ?? 0;
    if (!Number.isInteger(value) || value < least)
      node.report("must be a whole number", least === 0 ? "Write 0 or more." : undefined);
  };
}

/** Text, number, truth value or nothing. */
export const scalar: Shape = (node) => {
  if (node.kind === "list" || node.kind === "map") node.report("must be a single value");
};

export function oneOf(...values: readonly string[]): Shape {
  return (node) => {
    if (expectKind(node, "text")) node.oneOf(values);
  };
}

export function matching(pattern: RegExp, mend: string): Shape {
  return (node) => {
    if (expectKind(node, "text") && !pattern.test(node.text() ?? "")) node.report("is not well formed", mend);
  };
}

export function listOf(item: Shape, least = 0, most = Number.POSITIVE_INFINITY): Shape {
  return (node) => {
    if (!expectKind(node, "list")) return;
    const items = node.items();
    if (items.length < least) node.report("is an empty list", "Name at least one item.");
    if (items.length > most) node.report(`has ${items.length} items`, `Name ${most} at most.`);
    for (const one of items) item(one);
  };
}

/** A list of which no item is another one's equal. */
export function distinct(list: Shape): Shape {
  return (node) => {
    list(node);
    const values = node.kind === "list" ? node.items().map((item) => JSON.stringify(item.value())) : [];
    if (new Set(values).size < values.length) node.report("names one twice", "Name each once.");
  };
}

export type Members = Readonly<Record<string, Shape>>;

/** A mapping of known members; `required` ones have to be there. Members that are not known are reported. */
export function mapOf(members: Members, required: readonly string[] = []): Shape {
  return (node) => {
    if (!expectKind(node, "map")) return;
    checkMembers(node, members, required);
  };
}

/** A mapping that may have other members too. */
export function openMapOf(members: Members): Shape {
  return (node) => {
    if (!expectKind(node, "map")) return;
    for (const key of node.keys()) if (Object.hasOwn(members, key)) members[key]?.(node.get(key));
  };
}

/** Members of a mapping that is known to be one. */
export function checkMembers(node: YamlNode, members: Members, required: readonly string[]): void {
  node.only(Object.keys(members));
  for (const name of required) {
    const member = node.get(name);
    if (member.kind === "missing") member.report("is missing", "The standard requires it.");
  }
  for (const key of node.keys()) if (Object.hasOwn(members, key)) members[key]?.(node.get(key));
}
