import { messageOf, PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "@portolan/training";
import { Compile, type Static, Type } from "@portolan/typebox";
import { Agent, type Dispatcher, request } from "undici";
import type { RaySettings } from "./ray-settings.ts";

const Text = Type.Union([Type.String(), Type.Null()]);
const JobInfo = Type.Object({
  status: Type.String(),
  message: Type.Optional(Text),
  error_type: Type.Optional(Text),
  start_time: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  driver_exit_code: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  driver_node_id: Type.Optional(Text),
});
const ListedJobs = Type.Array(
  Type.Object({ submission_id: Type.Optional(Text), job_id: Type.Optional(Text) }),
);
const NodeList = Type.Object({
  data: Type.Object({
    summary: Type.Array(
      Type.Object({
        raylet: Type.Object({ nodeId: Type.Optional(Type.String()), state: Type.Optional(Type.String()) }),
      }),
    ),
  }),
});
const NodeDetail = Type.Object({
  /** Seconds of the epoch at which its agent looked. */
  now: Type.Number(),
  /** Percent of all its processors. */
  cpu: Type.Number(),
  /** Logical ones, physical ones. */
  cpus: Type.Array(Type.Number()),
  workers: Type.Array(
    Type.Object({
      jobId: Type.Optional(Text),
      cpuPercent: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
      cmdline: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  gpus: Type.Optional(
    Type.Array(Type.Object({ utilizationGpu: Type.Optional(Type.Union([Type.Number(), Type.Null()])) })),
  ),
});
/** What a machine of the cluster does, as its agent saw it last. */
export type NodeDetail = Static<typeof NodeDetail>;
/** What the Jobs API says of a job, as far as it is looked at. */
export type JobInfo = Static<typeof JobInfo>;

const jobForm = Compile(JobInfo);
const listForm = Compile(ListedJobs);
const nodesForm = Compile(NodeList);
const detailForm = Compile(Type.Object({ data: Type.Object({ detail: NodeDetail }) }));
const logsForm = Compile(Type.Object({ logs: Type.String() }));

/** What is asked for a job. */
export interface JobSubmission {
  readonly entrypoint: string;
  readonly submission_id: string;
  readonly runtime_env: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Of answers but logs. */
const mostAnswerBytes = 4 * 2 ** 20;
/** Of a job's log, as JSON: Ray gives it whole at each reading. */
const mostLogBytes = 32 * 2 ** 20;
const answerMs = 20_000;
const uploadMs = 5 * 60_000;

interface Question {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly body?: Uint8Array | string;
  readonly timeoutMs?: number;
  readonly mostBytes?: number;
}

/**
 * Ray's Jobs API (`/api/jobs/`, `/api/packages/`), version 4.
 *
 * @throws PortolanError `training.cluster_unreachable` where it does not answer, or answers that it cannot now; `training.cluster_refused`
 *   where it answers otherwise than asked
 */
export class RayClient {
  readonly #settings: Pick<RaySettings, "address" | "token">;
  readonly #agent: Agent;

  constructor({ ca, ...settings }: Pick<RaySettings, "address" | "token" | "ca">) {
    this.#settings = settings;
    this.#agent = new Agent({ connect: { timeout: 10_000, ...(ca === undefined ? {} : { ca }) } });
  }

  /** A job by its submission id; `undefined` where the cluster knows none. */
  async job(id: string): Promise<JobInfo | undefined> {
    const { status, text } = await this.#ask({ method: "GET", path: jobPath(id) });
    if (status === 404) return undefined;
    const answer = status === 200 ? parsed(text) : undefined;
    if (!jobForm.Check(answer)) throw this.#refused("reading a job", status, text);
    return answer;
  }

  /** Ids that Ray gave to the drivers of other submissions, and of none. */
  async othersThan(id: string): Promise<ReadonlySet<string> | undefined> {
    const listed = await this.#readAs("/api/jobs/", listForm);
    return (
      listed &&
      new Set(listed.flatMap(({ submission_id: of, job_id: job }) => (of === id || !job ? [] : [job])))
    );
  }

  /** Ids of its machines that live; `undefined` where it does not tell. */
  async nodes(): Promise<readonly string[] | undefined> {
    const found = await this.#readAs("/nodes?view=summary", nodesForm);
    return found?.data.summary.flatMap(({ raylet: { nodeId, state = "ALIVE" } }) =>
      nodeId !== undefined && state === "ALIVE" ? [nodeId] : [],
    );
  }

  /** `undefined` where it does not tell, or otherwise than is known. */
  async node(id: string): Promise<NodeDetail | undefined> {
    return (await this.#readAs(`/nodes/${encodeURIComponent(id)}`, detailForm))?.data.detail;
  }

  async #readAs<T>(
    path: string,
    form: { readonly Check: (value: unknown) => value is T },
  ): Promise<T | undefined> {
    const { status, text, isCut } = await this.#ask({ method: "GET", path });
    const answer = status === 200 && !isCut ? parsed(text) : undefined;
    return form.Check(answer) ? answer : undefined;
  }

  /** All that a job wrote; `undefined` where there is none, or more than is read. */
  async logs(id: string): Promise<string | undefined> {
    const { status, text, isCut } = await this.#ask({
      method: "GET",
      path: `${jobPath(id)}/logs`,
      mostBytes: mostLogBytes,
    });
    const answer = status === 200 && !isCut ? parsed(text) : undefined;
    return logsForm.Check(answer) ? answer.logs : undefined;
  }

  /** @returns the address of the package for a job's `runtime_env` */
  async upload(name: string, bytes: Uint8Array): Promise<string> {
    const path = `/api/packages/gcs/${name}`;
    // Asking for it keeps it from being collected before a job refers to it.
    await this.#ask({ method: "GET", path });
    const { status, text } = await this.#ask({ method: "PUT", path, body: bytes, timeoutMs: uploadMs });
    if (status !== 200) throw this.#refused("taking the job's files", status, text);
    return `gcs://${name}`;
  }

  async submit(job: JobSubmission): Promise<void> {
    const body = JSON.stringify(job);
    const { status, text } = await this.#ask({
      method: "POST",
      path: "/api/jobs/",
      body,
      timeoutMs: 3 * answerMs,
    });
    if (status !== 200) throw this.#refused("taking the job", status, text);
  }

  /** Ends a job; one that has ended, or that there is not, is as wanted. */
  async stop(id: string): Promise<void> {
    const { status, text } = await this.#ask({ method: "POST", path: `${jobPath(id)}/stop` });
    if (status !== 200 && status !== 404) throw this.#refused("stopping the job", status, text);
  }

  /** Forgets a job that has ended, so that its id is free. */
  async forget(id: string): Promise<void> {
    const { status, text } = await this.#ask({ method: "DELETE", path: jobPath(id) });
    if (status !== 200 && status !== 404) throw this.#refused("forgetting an ended job", status, text);
  }

  async #ask({ method, path, body, timeoutMs = answerMs, mostBytes = mostAnswerBytes }: Question) {
    const { address, token } = this.#settings;
    try {
      const answer = await request(`${address}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: {
          ...(token ? { authorization: `Bearer ${token.reveal()}` } : {}),
          ...(typeof body === "string" ? { "content-type": "application/json" } : {}),
        },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const { bytes, isCut } = await read(answer.body, mostBytes);
      const status = answer.statusCode;
      if (status === 502 || status === 503 || status === 504) throw new Error(`it answered ${status}`);
      return { status, text: bytes.toString("utf8"), isCut };
    } catch (error) {
      throw unreachable(`${address}: ${messageOf(error)}`);
    }
  }

  #refused(doing: string, status: number, text: string): PortolanError<TrainingErrorCode> {
    const last = text.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
    if (status === 500) return unreachable(`${doing}: the cluster answered 500: ${last}`);
    const credential = status === 401 || status === 403;
    return new PortolanError("training.cluster_refused", {
      detail: `${doing}: the cluster at ${this.#settings.address} answered ${status}: ${last}`,
      mend: credential
        ? "Have the operator set RAY_TOKEN to a token of that cluster."
        : "See that RAY_ADDRESS is the address of a Ray dashboard (2.60 was tried).",
    });
  }
}

function jobPath(id: string): string {
  return `/api/jobs/${encodeURIComponent(id)}`;
}

function unreachable(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.cluster_unreachable", {
    detail: detail.slice(0, 500),
    mend: "Nothing at first: it is asked again for a while. See that the cluster runs and that RAY_ADDRESS leads to it.",
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** At most so many bytes; the rest is not waited for. */
async function read(
  body: AsyncIterable<Buffer>,
  most: number,
): Promise<{ readonly bytes: Buffer; readonly isCut: boolean }> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > most) return { bytes: Buffer.concat(parts), isCut: true };
    parts.push(part);
  }
  return { bytes: Buffer.concat(parts), isCut: false };
}
