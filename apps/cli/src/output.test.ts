import { PortolanError } from "@portolan/kernel";
import { expect, test } from "vitest";
import { Output, table } from "./output.ts";

/** Clears the screen by C0 and by C1, rings, goes back, deletes. */
const hostile = "a\u001b[2J\u009b2J\u0007\r\u007f";
const shown = "a\\u001b[2J\\u009b2J\\u0007\\u000d\\u007f";

function printed(json: boolean, print: (output: Output) => void): string {
  const texts: string[] = [];
  const stream = { write: (text: string) => texts.push(text) };
  print(new Output({ out: stream, err: stream }, json));
  return texts.join("");
}

test("no text that a command prints commands the terminal; line feeds and tabs of its own stay", () => {
  const said = [
    printed(false, (output) => output.result({}, `${hostile}\n\tb`)),
    printed(false, (output) => output.say(`${hostile}\n\tb`)),
    printed(false, (output) => output.note(`${hostile}\n\tb`)),
  ];
  expect(said).toEqual(said.map(() => `${shown}\n\tb\n`));
  const fault = new PortolanError("kernel.not_found", { detail: hostile, mend: hostile });
  const text = printed(false, (output) => output.error(fault));
  expect(text).toContain(`portolan: ${shown}\n  ${shown}\n`);
});

test("a JSON document is safe to look at too, and says the same", () => {
  const text = printed(true, (output) => output.result({ hostile }, ""));
  expect(text).not.toMatch(/[\u007f-\u009f]/);
  expect(JSON.parse(text)).toEqual({ hostile });
  const fault = new PortolanError("kernel.not_found", { detail: hostile });
  const refused = printed(true, (output) => output.error(fault));
  expect(refused).not.toMatch(/[\u007f-\u009f]/);
  expect(JSON.parse(refused)).toMatchObject({ error: { detail: hostile } });
});

test("what is raw stays as it is", () => {
  expect(printed(false, (output) => output.raw(hostile))).toBe(hostile);
});

test("a row of a table is one line, aligned by what is seen", () => {
  const text = table(
    ["level", "rows"],
    [
      ["x\ndrift  1", "2"],
      [hostile, "3"],
      ["y\u2028\u0085", "4"],
    ],
  );
  expect(text.split("\n")).toEqual([
    `${"level".padEnd(shown.length)}  rows`,
    `${"x\\u000adrift  1".padEnd(shown.length)}  2`,
    `${shown}  3`,
    `${"y\\u2028\\u0085".padEnd(shown.length)}  4`,
  ]);
});
