import { setImmediate as pause } from "node:timers/promises";
import { asEpochMicros } from "@portolan/kernel";
import { openOnlineStore } from "../src/index.ts";

/** A second process on the same store: `node online-child.ts read|write <folder>`. */
const [, , mode = "", folder = ""] = process.argv;
const header = {
  organisationId: "org_a",
  environment: "production",
  view: "v@1",
  digest: "sha256:00",
  ttlMicros: 2 ** 50,
  featureNames: ["a", "b"],
};
const far = asEpochMicros(2 ** 40);

if (mode === "read") await read();
else await write();

/**
 * Reads all entities again and again until standard input ends; all of a pass must be of one replacement. Says `enough` once it
 * has read often, and over several replacements.
 */
async function read(): Promise<void> {
  const store = openOnlineStore({ folder, readOnly: true });
  let open = true;
  process.stdin.once("end", () => {
    open = false;
  });
  process.stdin.resume();
  process.stdout.write("reading\n");
  const seen = { torn: 0, mixed: 0, missing: 0, reads: 0 };
  const turns = new Set<number>();
  let enough = false;
  while (open) {
    const pass = Array.from({ length: 50 }, (_, index) => store.get(header, [`k${index}`], far));
    seen.reads += pass.length;
    seen.missing += pass.filter((vector) => vector.asOf === undefined).length;
    for (const vector of pass)
      if (vector.asOf !== undefined && vector.values["a"]?.value !== vector.asOf) seen.torn += 1;
    if (new Set(pass.map((vector) => vector.asOf)).size > 1) seen.mixed += 1;
    if (pass[0]?.asOf !== undefined) turns.add(pass[0].asOf);
    if (!enough && seen.reads > 1000 && turns.size > 3) {
      enough = true;
      process.stdout.write("enough\n");
    }
    await pause();
  }
  process.stdout.write(`${JSON.stringify({ ...seen, turns: turns.size })}\n`);
  await store.close();
}

async function write(): Promise<void> {
  const store = openOnlineStore({ folder });
  for (let turn = store.get(header, ["k0"], far).asOf ?? 0; ; turn++) {
    const rows = Array.from({ length: 50 }, (_, index) => ({ key: [`k${index}`], values: [turn, index] }));
    await store.replace(header, asEpochMicros(turn + 1), rows);
    process.stdout.write("written\n");
  }
}
