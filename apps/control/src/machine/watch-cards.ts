import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What the graphics cards of the machine do: of the busiest one, and of the fullest one, percent. */
export interface CardLoad {
  readonly atWork?: number;
  readonly memory?: number;
}

/** A program that says once a second what each card does, one line a card. */
export interface CardProgram {
  readonly file: string;
  readonly args: readonly string[];
}

const asked = "index,utilization.gpu,memory.used,memory.total";
const nvidiaSmi: CardProgram = {
  file: "nvidia-smi",
  args: [`--query-gpu=${asked}`, "--format=csv,noheader,nounits", "-l", "1"],
};
/** A card that has not been told of for so long is not known: its program hangs. */
const oldMs = 3000;
const againMs = 60_000;

/**
 * Watches the graphics cards by NVIDIA's own program, which runs beside the process and says more each second; asked for, it tells what was said last. A machine without the program has no
 * cards and is not asked again; one that ends is started anew after a minute.
 *
 * @param monotonicMs in milliseconds
 */
export function watchCards(
  program: CardProgram = nvidiaSmi,
  monotonicMs: () => number = () => performance.now(),
): () => CardLoad | undefined {
  const cards = new Map<string, CardLoad & { readonly at: number }>();
  const start = (): void => {
    const child = spawn(program.file, [...program.args], { stdio: ["ignore", "pipe", "ignore"] });
    // Killed with the process; where that is killed itself, by its closed pipe.
    const end = (): void => void child.kill();
    process.once("exit", end);
    let isThere = true;
    child.once("error", () => (isThere = false));
    child.once("close", () => {
      process.off("exit", end);
      if (isThere) setTimeout(start, againMs).unref();
    });
    child.unref();
    const { stdout } = child;
    if ("unref" in stdout && typeof stdout.unref === "function") stdout.unref();
    createInterface({ input: stdout }).on("line", (line) => {
      const card = readCard(line);
      if (card) cards.set(card.index, { ...card.load, at: monotonicMs() });
    });
  };
  start();
  return () => {
    const known = [...cards.values()].filter(({ at }) => monotonicMs() - at <= oldMs);
    return known.length > 0 ? mostOf(known) : undefined;
  };
}

/** One line of `nvidia-smi`. What a card does not tell, as its use where it is cut into instances, is `[N/A]`. Pure. */
export function readCard(line: string): { readonly index: string; readonly load: CardLoad } | undefined {
  const [index = "", ...rest] = line.split(",").map((field) => field.trim());
  const [atWork = Number.NaN, used = Number.NaN, all = Number.NaN] = rest.map((field) =>
    field === "" ? Number.NaN : Number(field),
  );
  if (!/^\d+$/.test(index) || rest.length !== 3) return undefined;
  const load = {
    ...(atWork >= 0 && atWork <= 100 ? { atWork } : {}),
    ...(used >= 0 && all > 0 && used <= all ? { memory: (100 * used) / all } : {}),
  };
  return { index, load };
}

/** The busiest, and the fullest. Pure. */
export function mostOf(cards: readonly CardLoad[]): CardLoad {
  const most = (values: readonly (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined);
    return known.length > 0 ? Math.max(...known) : undefined;
  };
  const [atWork, memory] = [most(cards.map((one) => one.atWork)), most(cards.map((one) => one.memory))];
  return { ...(atWork === undefined ? {} : { atWork }), ...(memory === undefined ? {} : { memory }) };
}
