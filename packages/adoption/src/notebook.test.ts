import { describe, expect, test } from "vitest";
import { installedBy, withoutMagics } from "./magics.ts";
import { readNotebook } from "./notebook.ts";

const notebook = (cells: readonly unknown[], more: object = {}) =>
  JSON.stringify({ cells, nbformat: 4, ...more });
const code = (source: unknown, more: object = {}) => ({ cell_type: "code", source, ...more });

describe("a notebook", () => {
  test("gives its cells of code in order, and all its texts", () => {
    const text = notebook([
      { cell_type: "markdown", source: "# Churn" },
      code(["a = 1\n", "b = 2"], {
        execution_count: 4,
        outputs: [{ text: ["3 rows"] }, { data: { "text/html": "<b>" } }],
      }),
      code("c = 3", { execution_count: 2, outputs: [] }),
    ]);
    const read = readNotebook("poc.ipynb", text);
    expect(read.units.map(({ name, text: source }) => [name, source])).toEqual([
      ["cell 2", "a = 1\nb = 2"],
      ["cell 3", "c = 3"],
    ]);
    expect(read.texts.map(({ text: one }) => one)).toEqual([
      "# Churn",
      "a = 1\nb = 2",
      "3 rows\n<b>",
      "c = 3",
    ]);
    expect([read.outOfOrder, read.outputBytes]).toEqual([["cell 3"], 10]);
  });

  test("of nbformat 3 is read too", () => {
    const text = JSON.stringify({
      nbformat: 3,
      worksheets: [{ cells: [{ cell_type: "code", input: "x = 1" }] }],
    });
    expect(readNotebook("old.ipynb", text).units.map((unit) => unit.text)).toEqual(["x = 1"]);
  });

  test.each([
    ["broken JSON", '{"cells": [', "it is not JSON"],
    ["brackets without end", "[".repeat(2_000_000), "it is not JSON"],
    ["nested beyond reason", `${"[".repeat(500_000)}${"]".repeat(500_000)}`, "no cells"],
    ["no notebook", "[]", "no cells"],
    ["cells that are none", '{"cells": 7}', "no cells"],
    ["R", notebook([], { metadata: { language_info: { name: "R" } } }), "notebook in R"],
    ["a million cells", notebook(Array.from({ length: 5001 }, () => ({}))), "more than 5000 cells"],
  ])("that is %s is refused with what to do", (_, text, why) => {
    expect(() => readNotebook("poc.ipynb", text)).toThrow(
      expect.objectContaining({
        code: "adoption.file_unusable",
        detail: expect.stringContaining(why) as string,
      }),
    );
  });

  test("whose members are of other kinds than they should be is read as far as it goes", () => {
    const text = notebook([{ cell_type: "code", source: { a: 1 }, outputs: [7, null] }, 3, code([1, "x"])]);
    expect(readNotebook("odd.ipynb", text).units.map((unit) => unit.text)).toEqual(["", "x"]);
  });
});

describe("IPython's own lines", () => {
  test("are taken out, and lines keep their numbers", () => {
    const cell = withoutMagics(
      "cell 1",
      "%matplotlib inline\nif x:\n    !scp a b:/c\nfiles = !ls\nframe?\ny = 1 % 2",
    );
    expect(cell.text).toBe("pass\nif x:\n    pass\nfiles = None\npass\ny = 1 % 2");
    expect(cell.commands.map(({ line, text }) => [line, text])).toEqual([
      [1, "matplotlib inline"],
      [3, "scp a b:/c"],
      [4, "ls"],
    ]);
  });

  test("say what is installed; cells in other languages are none of the program", () => {
    expect(withoutMagics("cell 1", "%pip install 'pandas==2.1.0' -q scikit-learn\nx = 1").installs).toEqual([
      "pandas==2.1.0",
      "scikit-learn",
    ]);
    expect(withoutMagics("cell 2", "%%time\nx = 1").text).toBe("pass\nx = 1");
    const shell = withoutMagics("cell 3", "%%bash\nrsync a b");
    expect([shell.text, shell.commands[0]?.text]).toEqual(["\n", "rsync a b"]);
    expect(installedBy("ls install")).toEqual([]);
  });
});
