import { describe, expect, test } from "vitest";
import { draw } from "./draw.ts";
import { layoutOf, nodeHeight, nodeWidth } from "./layout.ts";
import { columnPictureOf, type Picture, pictureOf } from "./picture.ts";
import { treeText } from "./tree.ts";

const dataset = (name: string) => ({
  id: `dataset:db:${name}`,
  type: "DATASET" as const,
  data: { id: { namespace: "db", name }, namespace: "db", name, aliases: [], facets: {} },
  inEdges: [],
  outEdges: [],
});
const job = (name: string) => ({ ...dataset(name), id: `job:etl:${name}`, type: "JOB" as const });
const flow = (name: string, inputs: string[], outputs: string[]) => ({
  job: `job:etl:${name}`,
  inputs: inputs.map((one) => `dataset:db:${one}`),
  outputs: outputs.map((one) => `dataset:db:${one}`),
});
const daily = pictureOf({
  roots: ["dataset:db:out-2"],
  graph: [...["in-1", "in-2", "out-1", "out-2", "end"].map(dataset), job("daily"), job("last")],
  flows: [
    flow("daily", ["in-1"], ["out-1"]),
    flow("daily", ["in-2"], ["out-2"]),
    flow("last", ["out-2"], ["end"]),
  ],
  truncated: false,
});

/** A goes into B, B into A and C. */
const cyclic: Picture = {
  roots: ["a"],
  nodes: new Map(["a", "b", "c"].map((id) => [id, { id, label: id, note: "n", kind: "dataset" as const }])),
  edges: [
    { from: "a", to: "b" },
    { from: "b", to: "a" },
    { from: "b", to: "c" },
  ],
};

describe("a tree", () => {
  test("shows both ways, flow by flow: of a job that ran twice the run that made it alone", () => {
    expect(treeText(daily, ["upstream", "downstream"])).toBe(
      [
        "out-2  db",
        "  comes from",
        "  └─ daily",
        "     └─ in-2  db",
        "  went into",
        "  └─ last",
        "     └─ end  db",
      ].join("\n"),
    );
  });

  test("ends where it comes round", () => {
    expect(treeText(cyclic, ["downstream"])).toBe(
      ["a  n", "  went into", "  └─ b  n", "     ├─ a  n  (shown above)", "     └─ c  n"].join("\n"),
    );
    expect(treeText({ ...cyclic, roots: ["c"] }, ["downstream"])).toContain(
      "went into nothing that is known",
    );
  });

  test("of columns says how each depends on the other", () => {
    const node = (name: string, field: string, inputFields: object[] = []) => ({
      id: `datasetField:db:${name}:${field}`,
      type: "DATASET_FIELD",
      data: { namespace: "db", dataset: name, field, inputFields },
      inEdges: [],
      outEdges: [],
    });
    const transformations = [
      { type: "DIRECT", subtype: "AGGREGATION", description: "mean over 3h" },
      { type: "INDIRECT", subtype: "GROUP_BY" },
    ];
    const from = { namespace: "db", dataset: "in", field: "wait", transformations };
    const graph = [node("out", "wait_3h", [from]), node("in", "wait")] as never;
    const picture = columnPictureOf({ roots: ["dataset:db:out"], graph, truncated: false });
    expect(treeText(picture, ["upstream"])).toBe(
      ["out.wait_3h  db", "  comes from", "  └─ in.wait  db  [aggregation (mean over 3h), group by]"].join(
        "\n",
      ),
    );
  });
});

describe("a picture", () => {
  test.each([
    ["straight", daily],
    ["cyclic", cyclic],
  ])("places no two boxes on each other (%s)", (_, picture) => {
    const { nodes, width, height } = layoutOf(picture);
    const all = [...nodes.values()];
    expect(all).toHaveLength(picture.nodes.size);
    for (const [index, one] of all.entries()) {
      expect(one.x + nodeWidth).toBeLessThanOrEqual(width);
      expect(one.y + nodeHeight).toBeLessThanOrEqual(height);
      for (const other of all.slice(index + 1))
        expect(Math.abs(one.x - other.x) >= nodeWidth || Math.abs(one.y - other.y) >= nodeHeight).toBe(true);
    }
    const at = (id: string) => nodes.get(id)?.x ?? 0;
    if (picture === daily) expect(at("dataset:db:in-2")).toBeLessThan(at("dataset:db:out-2"));
  });

  test("keeps names from becoming markup, in every format", () => {
    const evil = `<script>"&\\`;
    const picture: Picture = {
      roots: ["x"],
      nodes: new Map([["x", { id: "x", label: evil, note: evil, kind: "dataset" }]]),
      edges: [],
    };
    for (const format of ["svg", "html"] as const)
      expect(draw(picture, format, evil)).not.toContain("<script>");
    expect(draw(picture, "dot", evil)).toContain(String.raw`<script>\"&\\`);
  });
});
