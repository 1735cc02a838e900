import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { requireService } from "../../tools/services.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

export interface KafkaProgram {
  readonly java: string;
  /** Class path of the broker. */
  readonly jars: string;
}

/**
 * Apache Kafka from Maven's repository, kept in `.cache/kafka/` under the digest of the list of its parts. Undefined on a laptop without Java or
 * Maven; with CI=true both are installed, and what is missing throws.
 */
export async function requireKafka(): Promise<KafkaProgram | undefined> {
  const java = await requireService("java");
  const maven = await requireService("maven");
  if (java === undefined || maven === undefined) return undefined;
  const pom = join(import.meta.dirname, "kafka/pom.xml");
  const key = createHash("sha256").update(readFileSync(pom)).digest("hex").slice(0, 16);
  const folder = join(root, ".cache/kafka", key);
  if (!existsSync(folder)) {
    const fresh = `${folder}.${randomUUID()}`;
    await mkdir(fresh, { recursive: true });
    await run(maven, ["-q", "-B", "-f", pom, copyDependencies, `-DoutputDirectory=${fresh}`], {
      maxBuffer: 1 << 26,
    });
    // Who was second leaves the first one's.
    await rename(fresh, folder).catch(() => rm(fresh, { recursive: true, force: true }));
  }
  return { java, jars: join(folder, "*") };
}

export const kafkaUser = { username: "portolan", password: "harbour-and-pilot" };

/** One node of Apache Kafka, broker and controller at once, behind TLS and SCRAM; it keeps its port and its log over its deaths. */
export class KafkaBroker implements AsyncDisposable {
  readonly port: number;
  readonly folder = mkdtempSync(join(tmpdir(), "portolan-kafka-"));
  readonly #program: KafkaProgram;
  #child: ChildProcess | undefined;
  #said = "";

  private constructor(program: KafkaProgram, port: number) {
    this.#program = program;
    this.port = port;
  }

  static async start(program: KafkaProgram): Promise<KafkaBroker> {
    const broker = new KafkaBroker(program, await freePort());
    await broker.#prepare(await freePort());
    await broker.start();
    return broker;
  }

  async #prepare(controllerPort: number): Promise<void> {
    const { certFile, keyFile } = writeTestCertificate(this.folder);
    const inline = (path: string): string => readFileSync(path, "utf8").trim().replaceAll("\n", "\\n");
    const properties = {
      "process.roles": "broker,controller",
      "node.id": "1",
      "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
      listeners: `CLIENT://127.0.0.1:${this.port},CONTROLLER://127.0.0.1:${controllerPort}`,
      "advertised.listeners": `CLIENT://localhost:${this.port}`,
      "inter.broker.listener.name": "CLIENT",
      "controller.listener.names": "CONTROLLER",
      "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
      "sasl.enabled.mechanisms": "SCRAM-SHA-512",
      "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
      "listener.name.client.scram-sha-512.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required username="${kafkaUser.username}" password="${kafkaUser.password}";`,
      "ssl.keystore.type": "PEM",
      "ssl.keystore.certificate.chain": inline(certFile),
      "ssl.keystore.key": inline(keyFile),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.certificates": inline(certFile),
      "log.dirs": join(this.folder, "log"),
      "auto.create.topics.enable": "false",
      "offsets.topic.num.partitions": "1",
      "offsets.topic.replication.factor": "1",
      "transaction.state.log.replication.factor": "1",
      "transaction.state.log.min.isr": "1",
      "share.coordinator.state.topic.replication.factor": "1",
      "share.coordinator.state.topic.min.isr": "1",
      "group.initial.rebalance.delay.ms": "0",
      "message.max.bytes": String(20 * 2 ** 20),
    };
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
    writeFileSync(join(this.folder, "server.properties"), lines.join("\n"), { mode: 0o600 });
    const { java, jars } = this.#program;
    const format = ["-cp", jars, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk"];
    await run(java, [
      ...format,
      "-c",
      join(this.folder, "server.properties"),
      "--add-scram",
      `SCRAM-SHA-512=[name=${kafkaUser.username},password=${kafkaUser.password}]`,
    ]);
  }

  /** PEM of what its clients have to trust. */
  get caFile(): string {
    return join(this.folder, "cert.pem");
  }

  async start(): Promise<void> {
    const { java, jars } = this.#program;
    const child = spawn(
      java,
      ["-Xmx384m", "-cp", jars, "kafka.Kafka", join(this.folder, "server.properties")],
      { stdio: ["ignore", "pipe", "pipe"], cwd: this.folder },
    );
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString("utf8")).slice(-4000);
      });
    for (let waited = 0; waited < 60_000; waited += 50) {
      if (child.exitCode !== null) break;
      const open = await new Promise<boolean>((resolve) => {
        const socket = createConnection({ host: "127.0.0.1", port: this.port });
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      });
      if (open) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`Kafka does not answer: ${this.#said}`);
  }

  /** SIGKILL, and its end. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
