import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readYaml, type YamlKind } from "./read-yaml.ts";
import { YamlSource } from "./yaml-source.ts";

const menu: YamlKind = {
  noun: "menu",
  maximumBytes: 1024,
  tooLarge: { mend: "Write a shorter one." },
  tooDeep: { mend: "Write a flatter one." },
};

test("every value has its place, and a key stands for the value below it", () => {
  const reading = readYaml('name: "Café"\ndishes:\n  - soup\n  - price:\n      4\na/b~c: 1\n', menu);
  expect(reading).toEqual({
    kind: "read",
    value: { name: "Café", dishes: ["soup", { price: 4 }], "a/b~c": 1 },
    lines: {
      "": { line: 1, column: 1 },
      "/name": { line: 1, column: 1 },
      "/dishes": { line: 2, column: 1 },
      "/dishes/0": { line: 3, column: 5 },
      "/dishes/1": { line: 4, column: 5 },
      "/dishes/1/price": { line: 4, column: 5 },
      "/a~1b~0c": { line: 6, column: 1 },
    },
  });
});

test.each([
  ["an alias", "a: 1\nb: *x", 2],
  ["an anchor that nothing uses", "a: 1\nb: &x 2", 2],
  ["a tag", "a: 1\nb: !!str 2", 2],
  ["a duplicate key", "a: 1\na: 2", 2],
  ["a second document", "a: 1\n---\na: 2", 2],
  ["a number without an exact form", "a: .nan", 1],
  ["an open bracket", "a: [", 1],
])("%s is refused with its line", (_, text, line) => {
  const reading = readYaml(text, menu, "menu.yaml");
  const places = reading.kind === "unreadable" ? reading.violations.map(({ at }) => at) : [];
  expect(places).toContainEqual({ file: "menu.yaml", line, column: expect.any(Number) as number });
});

test.each([
  ["too large by a byte", "é".repeat(512).concat("x"), "larger than 1 KiB", "Write a shorter one."],
  ["nested too deep", "[".repeat(34).concat("]".repeat(34)), "nested deeper", "Write a flatter one."],
  // Whether the parser's stack overflows depends on the machine; closed, both ways end here.
  ["beyond the stack", "[".repeat(4000).concat("]".repeat(4000)), "nested deeper", "Write a flatter one."],
  ["of brackets", "[".repeat(60_000), "4096 opening brackets", "Write lists and maps on lines of their own."],
  ["with a NUL", "a: \0", "NUL", "Save it as UTF-8 text."],
])("what is %s is refused by name of its kind, with the mend", (_, text, detail, mend) => {
  const roomy = text.length > 2000 ? { ...menu, maximumBytes: 100_000 } : menu;
  const reading = readYaml(text, roomy);
  expect(reading.kind === "unreadable" && reading.violations[0]).toMatchObject({
    detail: expect.stringMatching(new RegExp(`the menu .*${detail}`)) as string,
    mend,
  });
});

test("among thousands of keys the one that comes twice is found where it stands", () => {
  const roomy = { ...menu, maximumBytes: 2 ** 20 };
  const keys = Array.from({ length: 3000 }, (_, index) => `key${index}: 1`);
  expect(readYaml(keys.join("\n"), roomy).kind).toBe("read");
  const twice = readYaml([...keys, "key7: 2"].join("\n"), roomy);
  expect(twice.kind === "unreadable" && twice.violations).toEqual([
    {
      detail: 'Map keys must be unique: "key7" appears twice',
      mend: "Keep one of the two keys.",
      at: { line: 3001, column: 1 },
    },
  ]);
});

test("any text ends in a value or in findings", () => {
  const pieces = fc.constantFrom(
    "- ",
    "a: ",
    "&x ",
    "*x",
    "!!t ",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "  ",
    "'",
    '"',
    "|",
    "? ",
    "#",
    "\t",
    "---\n",
    "1",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const reading = readYaml(parts.join(""), menu);
      return reading.kind === "read" || reading.violations.length > 0;
    }),
    { numRuns: 300 },
  );
});

test("findings come all at once; a missing value is named where its parent stands", () => {
  const source = new YamlSource(
    "title: x\ndishes:\n  - name: soup\n  - price: cheap\n    extra: 1\n",
    menu,
    "menu.yaml",
  );
  for (const dish of source.root.get("dishes").items()) {
    dish.only(["name", "price"]);
    dish.get("name").requiredText("Name the dish.");
    dish.get("price").number();
  }
  const at = (line: number, pointer: string) => ({ file: "menu.yaml", line, column: 5, pointer });
  expect(source.violations).toEqual([
    {
      detail: "dishes.1.extra is not known here",
      mend: "Use one of: name, price.",
      at: at(5, "/dishes/1/extra"),
    },
    { detail: "dishes.1.name is missing", mend: "Name the dish.", at: at(4, "/dishes/1/name") },
    { detail: "dishes.1.price must be a number", at: at(4, "/dishes/1/price") },
  ]);
  try {
    source.settle("menu.invalid");
  } catch (error) {
    expect(isPortolanError(error) && [error.code, error.detail]).toEqual([
      "menu.invalid",
      "menu.yaml: line 5: dishes.1.extra is not known here (and 2 more)",
    ]);
    return;
  }
  expect.unreachable("it settled");
});

test("names of built-in properties are keys like others", () => {
  const { root, violations } = new YamlSource("a: 1\n", menu, "menu.yaml");
  expect([root.get("constructor").present, root.get("__proto__").present]).toEqual([false, false]);
  const named = new YamlSource("__proto__: { x: 1 }\n", menu, "menu.yaml").root;
  expect([named.keys(), named.get("__proto__").get("x").number()]).toEqual([["__proto__"], 1]);
  expect(violations).toEqual([]);
});
