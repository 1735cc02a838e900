import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A job as Ray's Jobs API tells it. */
export interface Job {
  submission_id: string;
  status: string;
  driver_exit_code?: number | null;
  error_type?: string | null;
  message?: string;
  start_time?: number;
  job_id?: string;
  driver_node_id?: string;
}

/** Ray's Jobs API by its answers of 2.60.0, without a cluster: what it is asked is kept, and a test says how jobs stand. */
export async function openJobsApi() {
  const jobs = new Map<string, Job>();
  const packages = new Map<string, Buffer>();
  const submissions: Readonly<Record<string, unknown>>[] = [];
  const asked: string[] = [];
  const state = {
    logs: "",
    /** Machines as `/nodes/<id>` tells them. */
    nodes: {} as Record<string, Readonly<Record<string, unknown>>>,
    /** Answers this to everything. */
    status: undefined as number | undefined,
    /** Does once with a job that was submitted. */
    onSubmit: (_job: Job): void => undefined,
  };
  const server = createServer((request, response) => {
    void (async () => {
      const { method = "", url = "" } = request;
      asked.push(`${method} ${url} ${request.headers.authorization ?? "-"}`);
      const [status, body] = state.status
        ? [state.status, "no"]
        : answer(method, url, await bytesOf(request));
      response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
    })();
  });
  const answer = (method: string, url: string, body: Buffer): [number, unknown] => {
    if (url.startsWith("/nodes")) {
      const summary = Object.keys(state.nodes).map((nodeId) => ({ raylet: { nodeId, state: "ALIVE" } }));
      const detail = state.nodes[url.slice("/nodes/".length)];
      return [200, { data: url.startsWith("/nodes/") ? { detail } : { summary } }];
    }
    const [, , area, id = "", what] = url.split("/");
    if (method === "GET" && area === "jobs" && id === "") return [200, [...jobs.values()]];
    if (area === "packages") {
      const name = url.split("/").at(-1) ?? "";
      if (method === "PUT") packages.set(name, body);
      return [packages.has(name) ? 200 : 404, ""];
    }
    if (method === "POST" && id === "") return submit(JSON.parse(body.toString()) as Submission);
    const job = jobs.get(id);
    if (!job) return [404, `Job ${id} does not exist`];
    if (what === "logs") return [200, { logs: state.logs }];
    if (what === "stop") job.status = "STOPPED";
    if (method === "DELETE") jobs.delete(id);
    return [200, what === "stop" ? { stopped: true } : job];
  };
  const submit = (submission: Submission): [number, unknown] => {
    const { submission_id } = submission;
    if (jobs.has(submission_id))
      return [500, `ValueError: Job with submission_id ${submission_id} already exists.`];
    submissions.push(submission);
    const job: Job = { submission_id, status: "RUNNING", start_time: 0 };
    jobs.set(submission_id, job);
    state.onSubmit(job);
    return [200, { job_id: submission_id, submission_id }];
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    jobs,
    packages,
    submissions,
    /** `METHOD path authorization`, in their order. */
    asked,
    state,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

type Submission = Readonly<Record<string, unknown>> & { readonly submission_id: string };

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
