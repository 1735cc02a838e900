import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createLogger, PortolanError, Secret, writeFileDurablySync } from "@portolan/kernel";
import { gatewayProcess, SnapshotTrust } from "@portolan/serving/contract";
import { verifySnapshot } from "@portolan/serving/policy";
import { Compile } from "@portolan/typebox";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { childEnvironment } from "../supervisor/child-environment.ts";
import { openHome } from "../supervisor/installation.ts";
import { lastFault } from "../supervisor/last-words.ts";
import { requireFreePort } from "../supervisor/ports.ts";
import { stallPace } from "../supervisor/stall.ts";
import { SupervisedProcess } from "../supervisor/supervised-process.ts";
import { waitReady } from "../supervisor/wait-ready.ts";
import { bundleFiles, type EdgeSettings, objectPath, readBundle, readJson } from "./edge-bundle.ts";

export interface EdgeRun {
  readonly folder: string;
  readonly port: number;
  /** MiB that the prediction log may take; 0: the disk. */
  readonly logBudget: number;
  /** Ends the gateway. */
  readonly stopped: Promise<void>;
  readonly onReady: (settings: EdgeSettings, url: string) => void;
}

const trustShape = Compile(SnapshotTrust);
const readyLimitMs = 60_000;
const hopelessDeaths = 3;

/** Serves from a bundle, without control, until it is stopped; a gateway that dies is started again. */
export async function runEdge(context: CliContext, run: EdgeRun): Promise<void> {
  const settings = await readBundle(run.folder);
  await openHome(context.home);
  await requireFreePort("127.0.0.1", run.port, "--port");
  await unpack(context.home, run.folder, settings);
  const log = createLogger({ name: "edge", destination: process.stderr });
  const key = new Secret((await readFile(join(run.folder, bundleFiles.key), "utf8")).trim());
  const child = new SupervisedProcess(
    {
      name: settings.gateway,
      args: [...gatewayProcess.nodeFlags, join(context.root, "apps/gateway/src/main.ts")],
      env: childEnvironment(context.env, "gateway", {
        PORTOLAN_HOME: context.home,
        GATEWAY_NAME: settings.gateway,
        GATEWAY_PORT: String(run.port),
        GATEWAY_ENVIRONMENTS: settings.environment,
        GATEWAY_ENDPOINTS: settings.endpoints.join(","),
        LOCATION_REGION: settings.region,
        LOCATION_OWNER: settings.owner,
        CONTROL_URL: settings.controlUrl,
        CONTROL_TOKEN: key.reveal(),
        LOG_BUDGET: String(run.logBudget),
      }),
      logFile: join(context.home, "logs", `${settings.gateway}.log`),
      stall: { url: `http://127.0.0.1:${run.port}/healthz`, ...stallPace },
    },
    {
      started: (process, pid, restarts) =>
        log.info({ process, childPid: pid, restarts }, "edge.gateway.started"),
      died: (process, how) => log.error({ process, how }, "edge.gateway.died"),
      stalled: (process) => log.error({ process }, "edge.gateway.stalled"),
    },
  );
  const abort = new AbortController();
  void run.stopped.then(() => abort.abort());
  child.start();
  try {
    const url = `http://127.0.0.1:${run.port}`;
    const gaveUp = () => (child.restarts < hopelessDeaths ? undefined : lastFault(child.logFile));
    await waitReady({
      name: settings.gateway,
      url: `${url}/readyz`,
      limitMs: readyLimitMs,
      gaveUp,
      signal: abort.signal,
    });
    run.onReady(settings, url);
    await run.stopped;
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    await child.stop();
  }
}

/**
 * A newer bundle of the same organisation replaces what lies here; log and key stay. It is verified before: a bundle that the gateway would
 * refuse must not take the place of a snapshot that it serves from.
 */
async function unpack(home: string, folder: string, settings: EdgeSettings): Promise<void> {
  const state = join(home, "gateways", settings.gateway);
  await mkdir(join(state, bundleFiles.objects), { recursive: true, mode: 0o700 });
  const brought = trustOf(await readJson(folder, bundleFiles.trust));
  const pinned = await pinnedTrust(state);
  if (!brought) throw unusable(folder, `its ${bundleFiles.trust} has another form`);
  if (pinned && pinned.organisationId !== brought.organisationId)
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${state} belongs to another organisation than the bundle`,
      mend: "Give the bundle a folder of its own with --home.",
    });
  const trust = { ...brought, keys: joined(pinned?.keys ?? [], brought.keys) };
  const signed = await readJson(folder, bundleFiles.snapshot);
  const verdict = verifySnapshot(signed, trust);
  if (verdict.kind === "refused") throw unusable(folder, verdict.detail);
  for (const digest of settings.objects)
    await copyFile(objectPath(folder, digest), objectPath(state, digest));
  write(state, bundleFiles.trust, trust);
  // A damaged snapshot is worth nothing and is replaced.
  const here = versionOf(await readJson(state, bundleFiles.snapshot).catch(() => undefined));
  // What control has sent since is newer than any bundle from before.
  if (here < settings.snapshotVersion) write(state, bundleFiles.snapshot, signed);
}

function write(state: string, name: string, value: unknown): void {
  writeFileDurablySync(join(state, name), Buffer.from(JSON.stringify(value)), 0o600);
}

/** Damaged is not missing: whose signatures to believe is never replaced by what a folder brings. */
async function pinnedTrust(state: string): Promise<SnapshotTrust | undefined> {
  const path = join(state, bundleFiles.trust);
  if (!existsSync(path)) return undefined;
  const text = await readFile(path, "utf8");
  const trust = trustOf(parse(text));
  if (trust) return trust;
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path} is damaged`,
    mend: "Restore it, or delete the gateway's folder to pin the bundle's keys anew.",
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function trustOf(value: unknown): SnapshotTrust | undefined {
  return trustShape.Check(value) ? value : undefined;
}

/** Keys of both; the end of a key counts, whoever knows of it. */
function joined(ours: SnapshotTrust["keys"], theirs: SnapshotTrust["keys"]): SnapshotTrust["keys"] {
  const byId = new Map(ours.map((key) => [key.id, key]));
  for (const key of theirs) byId.set(key.id, { ...byId.get(key.id), ...key });
  return [...byId.values()];
}

function unusable(folder: string, why: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `the bundle in ${folder} cannot be served from: ${why}`,
    mend: "Make it anew with: portolan edge bundle. What was here before is untouched.",
  });
}

/** Unverified, for comparison alone: the gateway verifies what it serves from. */
function versionOf(signed: unknown): number {
  if (typeof signed !== "object" || signed === null || !("payload" in signed)) return 0;
  try {
    const manifest: unknown = JSON.parse(Buffer.from(String(signed.payload), "base64").toString());
    return typeof manifest === "object" && manifest !== null && "version" in manifest
      ? Number(manifest.version)
      : 0;
  } catch {
    return 0;
  }
}
