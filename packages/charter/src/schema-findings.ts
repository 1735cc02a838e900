import { type TSchema, Value } from "@portolan/typebox";
import { didYouMean } from "./did-you-mean.ts";
import { CharterDocument } from "./document.ts";
import { unitMends } from "./unit-texts.ts";

/** A finding with its place as a pointer only; `parseCharter` adds file, line and column. */
export interface Finding {
  readonly pointer: string;
  readonly detail: string;
  readonly mend?: string;
}

/** Every way in which a value is not a charter, in words, with the mend. */
export function schemaFindings(value: unknown): Finding[] {
  return [...Value.Errors(CharterDocument, value)].flatMap((error) => explain(error as SchemaError, value));
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The few members of a JSON Schema node that messages are made from. */
interface SchemaNode {
  readonly type?: string;
  readonly pattern?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly examples?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

function explain(error: SchemaError, value: unknown): Finding[] {
  const pointer = error.instancePath;
  const node = schemaAt(pointer);
  const written = show(valueAt(value, pointer));
  switch (error.keyword) {
    case "additionalProperties":
      return textList(error.params.additionalProperties).map((key) => unknownKey(pointer, key, node));
    case "required":
      return textList(error.params.requiredProperties).map((key) => missingKey(pointer, key, node));
    case "boolean": // repeats each unknown key
      return [];
    case "enum":
      return [wrongChoice(pointer, written, node?.enum ?? [])];
    case "const":
      return [
        {
          pointer,
          detail: `${name(pointer)} is ${written}`,
          mend: `Write ${node?.const ?? "the one known value"}.`,
        },
      ];
    case "pattern":
      return [
        {
          pointer,
          detail: `${name(pointer)} is ${written}, which is not understood`,
          mend: patternMend(node),
        },
      ];
    case "type":
      return [{ pointer, detail: `${name(pointer)} is ${written}`, mend: typeMend(node) }];
    default:
      return [{ pointer, detail: `${name(pointer)} ${error.message}`, ...describe(node) }];
  }
}

function unknownKey(pointer: string, key: string, node: SchemaNode | undefined): Finding {
  const known = Object.keys(node?.properties ?? {});
  const meant = didYouMean(key, known);
  const elsewhere = meant === undefined ? placesOf(key)[0] : undefined;
  const mend = meant
    ? `Did you mean "${meant}"?`
    : elsewhere
      ? `Move it: "${key}" belongs under ${elsewhere}.`
      : `Remove it; known here: ${known.join(", ")}.`;
  return {
    pointer: `${pointer}/${key}`,
    detail: `"${key.slice(0, 80)}" is not a key of ${name(pointer)}`,
    mend,
  };
}

function missingKey(pointer: string, key: string, node: SchemaNode | undefined): Finding {
  const child = node?.properties?.[key];
  const example = child?.examples?.[0] ?? child?.enum?.[0] ?? child?.const;
  const how = example === undefined ? `Add ${key}.` : `Add ${key}, e.g. ${key}: ${example}.`;
  const mend = child?.description ? `${how} ${child.description}` : how;
  return { pointer, detail: `${name(pointer)} has no ${key}`, mend };
}

function wrongChoice(pointer: string, written: string, choices: readonly string[]): Finding {
  const meant = didYouMean(written.replace(/^"|"$/g, ""), choices);
  const list = choices.join(", ");
  const mend = meant ? `Did you mean ${meant}? Allowed: ${list}.` : `Write one of ${list}.`;
  return { pointer, detail: `${name(pointer)} is ${written}, which is not a choice`, mend };
}

function patternMend(node: SchemaNode | undefined): string {
  const unit = unitMends[node?.pattern ?? ""];
  return unit ?? `Write it like this: ${node?.description ?? "see the schema"}`;
}

function typeMend(node: SchemaNode | undefined): string {
  const unit = unitMends[node?.pattern ?? ""];
  if (unit) return unit;
  if (node?.type === "object")
    return `Write keys below it: ${Object.keys(node.properties ?? {}).join(", ")}.`;
  if (node?.type === "array") return "Write a list: one item per line, each after a hyphen.";
  return `Write a ${node?.type ?? "value"}.`;
}

function describe(node: SchemaNode | undefined): { mend?: string } {
  return node?.description === undefined ? {} : { mend: node.description };
}

function name(pointer: string): string {
  return pointer === "" ? "the charter" : pointer.slice(1).replaceAll("/", ".");
}

function show(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "a group of keys";
  return value === null ? "empty" : JSON.stringify(value).slice(0, 80);
}

function textList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function steps(pointer: string): string[] {
  return pointer === "" ? [] : pointer.slice(1).split("/");
}

function schemaAt(pointer: string): SchemaNode | undefined {
  let node: SchemaNode | undefined = CharterDocument as TSchema;
  for (const step of steps(pointer)) node = node?.items ?? node?.properties?.[step];
  return node;
}

function valueAt(value: unknown, pointer: string): unknown {
  let at: unknown = value;
  for (const step of steps(pointer)) {
    at = typeof at === "object" && at !== null ? (at as Readonly<Record<string, unknown>>)[step] : undefined;
  }
  return at;
}

/** Where else in the charter a key is known. */
function placesOf(key: string, node: SchemaNode = CharterDocument as TSchema, at = ""): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([child, schema]) => [
    ...(child === key ? [at === "" ? "the top level" : at.slice(1)] : []),
    ...placesOf(key, schema, `${at}.${child}`),
  ]);
}
