import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";

const root = resolve(import.meta.dirname, "../..");
/** The public tables; they are no part of the repository, and lie beside the checkout where somebody put them there. */
export const tables = resolve(root, "../shared/data/real");

const page = readFileSync(join(root, "docs/templates.md"), "utf8");
/** What a person types, block by block. */
export const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? "");

/** Each template with the variables that its commands on the page begin with. */
export const templates = [
  { name: "readmission", file: "hospital_readmissions.csv", purpose: "discharge-planning" },
  { name: "ai4i", file: "ai4i2020.csv", purpose: "maintenance-planning" },
  { name: "credit-default", file: "uci_credit_card.csv", purpose: "credit-review" },
] as const;
export type Template = (typeof templates)[number];
export type TemplateName = Template["name"];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export type TemplatesWorld = Awaited<ReturnType<typeof openTemplatesWorld>>;

/** A folder that looks like the checkout to whoever types the page's commands, and the whole product as its first block starts it. */
export async function openTemplatesWorld() {
  const folder = mkdtempSync(join(tmpdir(), "portolan-templates-"));
  const home = join(folder, "home");
  symlinkSync(join(root, "portolan"), join(folder, "portolan"));
  const env = { ...process.env, PORTOLAN_HOME: home, tables };
  const shell = (script: string): Promise<Ran> =>
    new Promise((done) => {
      execFile("sh", ["-e", "-c", script], { cwd: folder, env, maxBuffer: 2 ** 26 }, (error, out, err) =>
        done({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
      );
    });
  const must = async (script: string): Promise<string> => {
    const { code, out, err } = await shell(script);
    if (code !== 0) throw new Error(`${script}\n${out}${err}`);
    return out + err;
  };
  const ports = { control: await freePort(), gateway: await freePort() };
  const flags = `--port ${ports.control} --gateway-port ${ports.gateway}`;
  await must((blocks[0] ?? "").replace("up --detach", `up --detach ${flags}`));
  const block = (at: number, { name, file, purpose }: Template): string =>
    `t=${name} file=${file} purpose=${purpose}\n${(blocks[at] ?? "").replace(/^t=.*\n/, "")}`;
  return {
    folder,
    home,
    gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
    shell,
    /** One command of the command line, as JSON. */
    json: async <T>(line: string): Promise<T> => {
      const { code, out, err } = await shell(`./portolan ${line} --json`);
      if (code !== 0) throw new Error(`${line}\n${out}${err}`);
      return JSON.parse(out) as T;
    },
    /** Runs a block of the page for a template, and insists on success. */
    run: (at: number, template: Template): Promise<string> => must(block(at, template)),
    /** The same until it succeeds, and comes to what is wanted: a snapshot reaches the gateway within seconds, and a record control. */
    async until(at: number, template: Template, isSo: () => boolean = () => true): Promise<string> {
      for (let attempt = 1; attempt < 60; attempt++) {
        const { code, out, err } = await shell(block(at, template));
        if (code === 0 && isSo()) return out + err;
        await sleep(500);
      }
      const said = await must(block(at, template));
      if (!isSo()) throw new Error(`it does not come to that: ${said}`);
      return said;
    },
    async close(): Promise<void> {
      await shell("./portolan down");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
