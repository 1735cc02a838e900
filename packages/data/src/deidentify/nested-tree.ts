import { quoteText } from "@portolan/expressions";
import { memberName } from "../contracts/read-nested.ts";
import { dateLike } from "./date-forms.ts";
import { valueForms } from "./identifiers.ts";

/**
 * What lies within a column of JSON, as all its rows together have it. Only what has a place in this tree is ever written: a member that is
 * not in it stays away.
 */
export type NestedNode = NestedPlace | NestedObject | { readonly kind: "items"; readonly item: NestedNode };

export interface NestedObject {
  readonly kind: "object";
  readonly column: string;
  readonly name: string;
  readonly path: string;
  readonly members: readonly NestedMember[];
}

interface NestedMember {
  readonly key: string;
  readonly node: NestedNode;
}

/** Where values lie that are one thing, and of which a plan says what becomes of them. */
export interface NestedPlace {
  readonly kind: "place";
  readonly column: string;
  /** As data contracts name it: `visits[].date`. */
  readonly name: string;
  /** JSON path of it from its column; a star for the items of an array. */
  readonly path: string;
  /** As DuckDB names it, of its text; `JSON` where it has to be looked at whether only scalars are there. */
  readonly type: string;
  /** Why it is not looked into. */
  readonly closed?: string;
}

/** Deeper or wider ones are data that somebody packed, and no columns. */
const mostDepth = 16;
const mostMembers = 200;
export const mostPlaces = 300;

const scalarTypes: ReadonlySet<string> = new Set([
  "VARCHAR",
  "BIGINT",
  "UBIGINT",
  "DOUBLE",
  "BOOLEAN",
  "NULL",
]);

/** @param structure as `json_group_structure` says it */
export function readTree(column: string, structure: unknown): NestedNode {
  return nodeOf(structure, { column, name: column, path: "$", depth: 0 });
}

interface Way extends Pick<NestedPlace, "column" | "name" | "path"> {
  readonly depth: number;
}

function nodeOf(structure: unknown, way: Way): NestedNode {
  const { depth, ...own } = way;
  const closed = (why: string): NestedPlace => ({ kind: "place", ...own, type: "VARCHAR", closed: why });
  if (typeof structure === "string")
    return { kind: "place", ...own, type: scalarTypes.has(structure) ? structure : "JSON" };
  if (depth === mostDepth) return closed(`more than ${mostDepth} levels lie within each other there`);
  if (Array.isArray(structure)) {
    const item = { ...own, name: `${own.name}[]`, path: `${own.path}[*]`, depth: depth + 1 };
    return { kind: "items", item: nodeOf(structure[0] ?? "NULL", item) };
  }
  const members = Object.entries(structure as Record<string, unknown>);
  if (members.length > mostMembers)
    return closed(
      `its objects have ${members.length} different members: more than ${mostMembers} are data themselves`,
    );
  const telling = members.find(([key]) => isData(key));
  if (telling) return closed("names of its members are data themselves: numbers, dates or identifiers");
  return {
    kind: "object",
    ...own,
    members: members.map(([key, inner]) => ({ key, node: memberOf(key, inner, way) })),
  };
}

function memberOf(key: string, inner: unknown, { column, name, path, depth }: Way): NestedNode {
  const own = { column, name: `${name}.${/^[\p{L}\p{N}_ -]+$/u.test(key) ? key : JSON.stringify(key)}` };
  if (!memberName.test(key))
    return {
      kind: "place",
      ...own,
      path: "",
      type: "VARCHAR",
      closed: "no path leads to a member of that name",
    };
  return nodeOf(inner, { ...own, path: `${path}."${key}"`, depth: depth + 1 });
}

const dateLikeKey = new RegExp(`${dateLike}|^[0-9]{4}-[0-9]{2}`);
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function isData(key: string): boolean {
  if (/^[\d .+-]*\d[\d .+-]*$/.test(key) || dateLikeKey.test(key) || uuid.test(key)) return true;
  return valueForms.some(({ pattern, check }) => {
    const [find] = new RegExp(pattern).exec(key) ?? [];
    return find !== undefined && (check?.(find) ?? true);
  });
}

/** Every place of the tree, in the order of the columns' members. */
export function placesOf(node: NestedNode): NestedPlace[] {
  switch (node.kind) {
    case "place":
      return [node];
    case "items":
      return placesOf(node.item);
    case "object":
      return node.members.flatMap(({ node }) => placesOf(node));
  }
}

/** Objects of many members, whose names may be data. */
export function wideObjects(node: NestedNode, least: number): NestedObject[] {
  switch (node.kind) {
    case "place":
      return [];
    case "items":
      return wideObjects(node.item, least);
    case "object":
      return [
        ...(node.members.length >= least ? [node] : []),
        ...node.members.flatMap(({ node }) => wideObjects(node, least)),
      ];
  }
}

/** The tree with these objects closed. */
export function closeObjects(node: NestedNode, closed: ReadonlySet<NestedObject>, why: string): NestedNode {
  switch (node.kind) {
    case "place":
      return node;
    case "items":
      return { ...node, item: closeObjects(node.item, closed, why) };
    case "object": {
      const { column, name, path } = node;
      if (closed.has(node)) return { kind: "place", column, name, path, type: "VARCHAR", closed: why };
      const members = node.members.map(({ key, node }) => ({ key, node: closeObjects(node, closed, why) }));
      return { ...node, members };
    }
  }
}

/** SQL of the texts at a path of a column of JSON, a row each; null of what is null or not there. */
export function textsSql(own: string, path: string): string {
  const text = `json_extract_string(${own}, ${quoteText(path)})`;
  return path.includes("[*]") ? `unnest(${text})` : text;
}
