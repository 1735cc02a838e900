import {
  type BenignQuery,
  type Calibration,
  calibrate,
  QueryWindow,
  seededDraws,
} from "@portolan/serving/policy";
import {
  type Arms,
  foreignData,
  jacobian,
  lineSearch,
  mixed,
  type Stream,
  uniformQueries,
} from "./extraction/attacks.ts";
import { readTables, type Table, VictimModel } from "./extraction/tables.ts";

/**
 * How often the extraction guard sees an attacker and how often it suspects somebody honest, on real tables. The benign rows are cut in two: one half
 * calibrates, the other is asked about. `alike`: every client asks about anybody; `unlike`: ten clients with their own kind of rows (by the first
 * column) seven times out of ten. A window is suspicious at p ≤ 0.005; flagged is who is suspicious twice
 * running within four windows.
 *
 * Usage: node bench/extraction-guard.ts <folder of the tables> [queries per window] [clients per case]
 */
const folder = process.argv[2] ?? "";
const longestWindow = Number(process.argv[3] ?? 250);
const clientsPerCase = Number(process.argv[4] ?? 50);
const suspicious = 0.005;
const clients = 10;
const draws = seededDraws(1);

/** One row after the other in a random order, each once before any comes again. */
function dealer(rows: readonly Float32Array[]): Stream {
  let deck: Float32Array[] = [];
  return () => {
    if (deck.length === 0) deck = rows.toSorted(() => draws.uniform() - 0.5);
    return deck.pop() ?? new Float32Array();
  };
}

/** Windows of one client, from the first query of an attack on. */
const windowsPerClient = 4;

/** The part of all windows that are suspicious, and of clients that are flagged within four windows. */
function rates(
  calibration: Calibration,
  windowQueries: number,
  model: VictimModel,
  streams: () => Stream,
  asking = clientsPerCase,
): readonly [number, number] {
  let [alarms, flags] = [0, 0];
  const window = new QueryWindow(calibration.space);
  for (let i = 0; i < asking; i++) {
    const stream = streams();
    const suspected = Array.from({ length: windowsPerClient }, () => {
      window.clear();
      while (window.count < windowQueries) window.add(calibration.space.sketch(model.query(stream())));
      return calibration.judge(window.scores()).p <= suspicious;
    });
    alarms += suspected.filter(Boolean).length;
    flags += suspected.some((isSuspicious, at) => isSuspicious && suspected[at + 1]) ? 1 : 0;
  }
  return [alarms / (asking * windowsPerClient), flags / asking];
}

function measure(table: Table, foreign: Table, regime: "alike" | "unlike"): void {
  const order = table.rows.map((_, i) => i).toSorted(() => draws.uniform() - 0.5);
  const half = order.length >> 1;
  // Forty windows to learn from must be there without asking about one row twice.
  const windowQueries = Math.min(longestWindow, Math.floor(half / 44 / 10) * 10);
  const part = (from: number, to: number): Float32Array[] =>
    order.slice(from, to).map((i) => table.rows[i] ?? new Float32Array());
  const [first, second] = [part(0, half), part(half, order.length)];
  const model = new VictimModel({
    ...table,
    rows: first,
    labels: order.slice(0, half).map((i) => table.labels[i] ?? 0),
  });
  const benignOf = (rows: readonly Float32Array[]): ((client: number) => Stream) => {
    const sorted = rows.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    const size = Math.floor(sorted.length / clients);
    const anybody = dealer(rows);
    const own = Array.from({ length: clients }, (_, client) =>
      dealer(sorted.slice(client * size, (client + 1) * size)),
    );
    return (client) => () =>
      regime === "unlike" && draws.uniform() < 0.7 ? (own[client] ?? anybody)() : anybody();
  };
  const learn = benignOf(first);
  const learned: BenignQuery[] = Array.from({ length: 40 * windowQueries }, (_, i) => {
    const client = Math.floor(i / windowQueries) % clients;
    return { ...model.query(learn(client)()), client: `c${client}` };
  });
  const start = performance.now();
  const calibration = calibrate(learned, windowQueries, draws);
  const seconds = (performance.now() - start) / 1000;
  const ask = benignOf(second);
  const someone = (): Stream => ask(draws.below(clients));
  const [falseAlarm, falseFlag] = rates(calibration, windowQueries, model, someone, 5 * clientsPerCase);
  const percent = (share: number): string => (100 * share).toFixed(1).padStart(6);
  process.stdout.write(
    `\n${table.name}, clients ${regime}, ${table.rows[0]?.length ?? 0} columns, windows of ${windowQueries}; calibrated in ${seconds.toFixed(1)} s\n` +
      `  benign        false alarm ${percent(falseAlarm)} %   false flag ${percent(falseFlag)} %\n`,
  );
  const seeds = second.slice(0, 100);
  const attacks: [string, (arms: Arms) => Stream][] = [
    ["jacobian", jacobian],
    ["foreign data", foreignData],
    ["uniform", uniformQueries],
    ["line search", lineSearch],
  ];
  for (const [name, attack] of attacks) {
    const cells = [1, 0.5, 0.25].map((share) => {
      const [alarm, flag] = rates(calibration, windowQueries, model, () =>
        mixed(attack({ model, seeds, foreign, draws }), someone(), share, draws),
      );
      return `${share * 100} %: ${percent(alarm)} / ${percent(flag)}`;
    });
    process.stdout.write(`  ${name.padEnd(13)} alarm / flag, %, at ${cells.join("   ")}\n`);
  }
}

const tables = readTables(folder);
if (tables.length < 2) {
  process.stdout.write(`At least two of the tables must lie in ${folder || "the folder that is named"}.\n`);
  process.exit(1);
}
tables.forEach((table, i) => {
  const foreign = tables[(i + 1) % tables.length] ?? table;
  for (const regime of ["alike", "unlike"] as const) measure(table, foreign, regime);
});
