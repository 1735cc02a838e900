import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Query } from "@portolan/serving/policy";

/** A public table as a model's rows: numbers, and 0 or 1 to learn. */
export interface Table {
  readonly name: string;
  readonly rows: readonly Float32Array[];
  readonly labels: readonly number[];
}

interface Recipe {
  readonly file: string;
  readonly label: string;
  readonly isPositive: (text: string) => boolean;
  readonly without: readonly string[];
}

const recipes: readonly Recipe[] = [
  {
    file: "uci_credit_card.csv",
    label: "default.payment.next.month",
    isPositive: (text) => text === "1",
    without: ["ID"],
  },
  {
    file: "hospital_readmissions.csv",
    label: "readmitted",
    isPositive: (text) => text === "yes",
    without: [],
  },
  {
    file: "ai4i2020.csv",
    label: "failure",
    isPositive: (text) => text === "1",
    without: ["UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF"],
  },
];

/** The tables that lie in a folder. Columns of few texts become one column each, `[70-80)` its middle. */
export function readTables(folder: string): Table[] {
  return recipes
    .filter(({ file }) => existsSync(join(folder, file)))
    .map((recipe) => readTable(folder, recipe));
}

function readTable(folder: string, { file, label, isPositive, without }: Recipe): Table {
  const lines = readFileSync(join(folder, file), "utf8")
    .replace(/^\uFEFF/, "")
    .trim()
    .split(/\r?\n/);
  const [header = [], ...records] = lines.map((line) => line.split(","));
  const columns = header.flatMap((name, at) => {
    if (name === label || without.includes(name)) return [];
    const texts = records.map((record) => record[at] ?? "");
    const numbers = texts.map(numberOf);
    if (!numbers.some(Number.isNaN)) return [numbers];
    return [...new Set(texts)].sort().map((value) => texts.map((text) => (text === value ? 1 : 0)));
  });
  return {
    name: file.replace(/\.csv$/, ""),
    rows: records.map((_, i) => Float32Array.from(columns, (column) => column[i] ?? 0)),
    labels: records.map((record) => (isPositive(record[header.indexOf(label)] ?? "") ? 1 : 0)),
  };
}

function numberOf(text: string): number {
  const range = /^\[(\d+)-(\d+)\)$/.exec(text);
  return range ? (Number(range[1]) + Number(range[2])) / 2 : text === "" ? Number.NaN : Number(text);
}

/** A logistic regression: enough of a model for its answers to be worth stealing. */
export class VictimModel {
  readonly #weights: Float64Array;
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  #bias = 0;

  constructor({ rows, labels }: Table) {
    const dimensions = rows[0]?.length ?? 0;
    const column = (at: number): number[] => rows.map((row) => row[at] ?? 0);
    this.mean = Float64Array.from({ length: dimensions }, (_, at) => average(column(at)));
    this.scale = Float64Array.from({ length: dimensions }, (_, at) => {
      const mean = this.mean[at] ?? 0;
      return Math.sqrt(average(column(at).map((value) => (value - mean) ** 2))) || 1;
    });
    this.#weights = new Float64Array(dimensions);
    const positive = average(labels);
    for (let epoch = 0; epoch < 8; epoch++)
      rows.forEach((row, i) => {
        const label = labels[i] ?? 0;
        // Classes weigh the same: a model that never says yes has no boundary to search.
        const error =
          (label - this.score(row)) * (label === 1 ? 0.5 / positive : 0.5 / (1 - positive)) * 0.01;
        this.#bias += error;
        for (let at = 0; at < dimensions; at++)
          this.#weights[at] = (this.#weights[at] ?? 0) + error * this.standard(row, at);
      });
  }

  standard(row: Float32Array, at: number): number {
    return ((row[at] ?? 0) - (this.mean[at] ?? 0)) / (this.scale[at] ?? 1);
  }

  score(row: Float32Array): number {
    let sum = this.#bias;
    for (let at = 0; at < row.length; at++) sum += (this.#weights[at] ?? 0) * this.standard(row, at);
    return 1 / (1 + Math.exp(-sum));
  }

  gradientSign(at: number): number {
    return Math.sign(this.#weights[at] ?? 0);
  }

  query(row: Float32Array): Query {
    const score = this.score(row);
    return { row, label: score > 0.5 ? 1 : 0, margin: Math.abs(2 * score - 1) };
  }
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
