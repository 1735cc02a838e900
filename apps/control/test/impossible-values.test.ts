import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type ApiMethod, bootstrapAcme } from "./api.ts";
import { type DeclaredRoute, type InProcessControl, openControl } from "./in-process.ts";

let control: InProcessControl;
let admin: string;

beforeAll(async () => {
  control = await openControl();
  await bootstrapAcme(control, control.secret);
  admin = await control.token("ada");
}, 300_000);
afterAll(() => control.close());

/** As much of JSON Schema as the routes' schemas use. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly default?: unknown;
}
type Path = readonly (string | number)[];

function partOf(route: DeclaredRoute, part: "body" | "params" | "querystring"): Schema | undefined {
  return route.schema?.[part] as Schema | undefined;
}

/** A value that fits the schema as far as its types go, with every member there is. */
function sampleOf(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf?.[0]) return sampleOf(schema.anyOf[0]);
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([name, member]) => [name, sampleOf(member)]),
      );
    case "array":
      return schema.items ? [sampleOf(schema.items)] : [];
    case "integer":
    case "number":
      return schema.minimum ?? 1;
    case "boolean":
      return true;
    default:
      return "text";
  }
}

/** Paths of all members of one type. */
function pathsOf(schema: Schema, types: readonly string[], path: Path = []): Path[] {
  if (schema.anyOf?.[0]) return pathsOf(schema.anyOf[0], types, path);
  if (schema.type === "object")
    return Object.entries(schema.properties ?? {}).flatMap(([name, member]) =>
      pathsOf(member, types, [...path, name]),
    );
  if (schema.type === "array" && schema.items) return pathsOf(schema.items, types, [...path, 0]);
  return schema.type !== undefined && types.includes(schema.type) ? [path] : [];
}

const hole = "@hole@";

/** The sample as JSON text with other text at one place: what `JSON.stringify` would not write. */
function withText(schema: Schema, path: Path, text: string): string {
  const replace = (value: unknown, [first, ...rest]: Path): unknown => {
    if (first === undefined) return hole;
    if (Array.isArray(value))
      return value.map((item: unknown, index) => (index === first ? replace(item, rest) : item));
    const object = value as Record<string, unknown>;
    return { ...object, [first]: replace(object[first], rest) };
  };
  return JSON.stringify(replace(sampleOf(schema), path)).replace(JSON.stringify(hole), text);
}

function pointersOf(answer: Answer): unknown[] {
  const violations = (answer.body["violations"] ?? []) as { at?: { pointer?: string } }[];
  return violations.map(({ at }) => at?.pointer);
}

function ask(route: DeclaredRoute, url: string, body?: string) {
  return control.call(route.method as ApiMethod, url, body, admin);
}

/** A route's address with every parameter set, one of them to what is given. */
function addressOf(route: DeclaredRoute, name?: string, value?: string): string {
  return route.url.replaceAll(/:([a-zA-Z]+)/g, (_, each: string) => (each === name ? (value ?? "") : "1"));
}

function own(): DeclaredRoute[] {
  return control.routes.filter(({ method, url }) => method !== "HEAD" && url.startsWith("/v1/"));
}

describe("what no store can hold", () => {
  test("a NUL character is refused with its place, in paths, queries and bodies of every route", async () => {
    let tried = 0;
    for (const route of own()) {
      for (const [, name = ""] of route.url.matchAll(/:([a-zA-Z]+)/g)) {
        tried++;
        const answer = await ask(route, addressOf(route, name, "a%00b"));
        expect([route.url, name, answer.status, pointersOf(answer)]).toEqual([
          route.url,
          name,
          400,
          [`/${name}`],
        ]);
      }
      const query = Object.keys(partOf(route, "querystring")?.properties ?? { any: {} });
      for (const name of query) {
        tried++;
        const answer = await ask(route, `${addressOf(route)}?${name}=a%00b`);
        expect([route.url, name, answer.status]).toEqual([route.url, name, 400]);
        expect(pointersOf(answer)).toContain(`/${name}`);
      }
      const body = partOf(route, "body");
      for (const path of body ? pathsOf(body, ["string"]) : []) {
        tried++;
        const answer = await ask(route, addressOf(route), withText(body ?? {}, path, '"a\\u0000b"'));
        expect([route.url, path, answer.status]).toEqual([route.url, path, 400]);
        expect(pointersOf(answer)).toContain(`/${path.join("/")}`);
      }
    }
    expect(tried).toBeGreaterThan(150);
  });

  test("numbers beyond what is exact or finite are refused; the largest exact one is no fault of ours anywhere", async () => {
    let tried = 0;
    for (const route of own()) {
      for (const part of ["params", "querystring"] as const)
        for (const path of pathsOf(partOf(route, part) ?? {}, ["integer", "number"])) {
          const [name = ""] = path.map(String);
          const at = (value: string) =>
            part === "params" ? addressOf(route, name, value) : `${addressOf(route)}?${name}=${value}`;
          for (const value of ["9223372036854775808", "1e400", "-9223372036854775809"]) {
            tried++;
            const answer = await ask(route, at(value));
            expect([route.url, name, value, answer.status]).toEqual([route.url, name, value, 400]);
          }
          expect((await ask(route, at("9007199254740991"))).status).toBeLessThan(500);
        }
      const body = partOf(route, "body");
      for (const path of body ? pathsOf(body, ["integer", "number"]) : []) {
        const at = (text: string) => withText(body ?? {}, path, text);
        const integer = pathsOf(body ?? {}, ["integer"]).some((other) => other.join() === path.join());
        for (const text of integer ? ["9223372036854775808", "1e400"] : ["1e400"]) {
          tried++;
          const answer = await ask(route, addressOf(route), at(text));
          expect([route.url, path, text, answer.status]).toEqual([route.url, path, text, 400]);
        }
        expect((await ask(route, addressOf(route), at("9007199254740991"))).status).toBeLessThan(500);
      }
    }
    expect(tried).toBeGreaterThan(40);
  });
});
