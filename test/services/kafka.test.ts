import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin, type BaseOptions, Producer, stringSerializers } from "@platformatic/kafka";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { createDuckDbEngine } from "@portolan/duckdb";
import { type Digest, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { doneBy } from "../../apps/cli/test/delays.ts";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { KafkaBroker, kafkaUser, requireKafka } from "./kafka-broker.ts";

const program = await requireKafka();

const contract = `apiVersion: v3.1.0
kind: DataContract
id: measured
version: 1.0.0
status: active
schema:
  - name: measured
    customProperties:
      - { property: portolan.maxBadShare, value: 0.9 }
    properties:
      - { name: id, logicalType: integer, primaryKey: true }
      - { name: value, logicalType: number, required: true }
`;

const largeContract = contract
  .replace("id: measured", "id: large")
  .replace("name: measured", "name: large")
  .replace("{ name: value, logicalType: number, required: true }", "{ name: note, logicalType: string }");
const mib = 2 ** 20;
const eventOf = (id: number, bytes: number): string => JSON.stringify({ id, note: "x".repeat(bytes) });

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly failure?: string;
  readonly taken: number;
  readonly deadLetters: number;
}

describe.skipIf(program === undefined || !hasEmbeddedPostgres())("events from Apache Kafka", () => {
  let broker: KafkaBroker;
  let product: Product;
  let subscription: string;
  const done = doneBy(() => product);
  const client = (): BaseOptions => ({
    clientId: "test",
    bootstrapBrokers: [`localhost:${broker.port}`],
    // A busy machine takes its time to bring broker and control back.
    retries: true,
    retryDelay: 500,
    tls: { ca: readFileSync(broker.caFile) },
    sasl: { mechanism: "SCRAM-SHA-512", ...kafkaUser },
  });
  const show = async (): Promise<Shown> =>
    JSON.parse((await done(`data show ${subscription} --json`)).out) as Shown;

  beforeAll(async () => {
    if (program === undefined) return;
    broker = await KafkaBroker.start(program);
    product = await startProduct({ ...process.env, EVENT_WINDOW_SECONDS: "1" });
    const admin = new Admin(client());
    await admin.createTopics({ topics: ["measured"], partitions: 3, replicas: 1 });
    const configs = [{ name: "max.message.bytes", value: String(32 * mib) }];
    await admin.createTopics({ topics: ["large"], partitions: 1, replicas: 1, configs });
    await admin.close();
    const { organisationId } = JSON.parse((await done("whoami --json")).out) as { organisationId: string };
    const folder = join(product.home, "data-connections");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "password"), `${kafkaUser.password}\n`, { mode: 0o600 });
    const connection = {
      kind: "kafka",
      organisation: organisationId,
      brokers: [`localhost:${broker.port}`],
      topics: ["measured", "large"],
      tls: { caFile: broker.caFile },
      sasl: { mechanism: "SCRAM-SHA-512", username: kafkaUser.username, passwordFile: "password" },
    };
    writeFileSync(join(folder, "harbour.json"), JSON.stringify(connection));
    const files = mkdtempSync(join(tmpdir(), "portolan-measured-"));
    writeFileSync(join(files, "measured.odcs.yaml"), contract);
    const token = await product.token("admin");
    await product.call("PUT", "/v1/contracts/measured", { document: contract }, token);
    await product.call("PUT", "/v1/contracts/large", { document: largeContract }, token);
  });
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  test("a topic that the operator did not list is not read, and whether it exists is not said", async () => {
    for (const [connection, topic] of [
      ["harbour", "other"],
      ["elsewhere", "measured"],
    ]) {
      const refused = await product.cli(
        ..."data subscribe measured".split(" "),
        "--connection",
        connection ?? "",
        "--topic",
        topic ?? "",
      );
      expect(refused.err).toContain(`the connection ${connection} cannot be used for this`);
      expect(refused.err).toContain("(data.connection_unusable)");
    }
  });

  test("every record is an event once, though broker and control are killed while they come (D23)", async () => {
    const started = await done("data subscribe measured --topic measured --connection harbour --json");
    subscription = (JSON.parse(started.out) as Shown).id;
    const producer = new Producer({ ...client(), serializers: stringSerializers, idempotent: true });
    const count = 6000;
    const produce = async (from: number, to: number): Promise<void> => {
      for (let id = from; id < to; id += 100) {
        const messages = Array.from({ length: 100 }, (_, n) => ({
          topic: "measured",
          key: String((id + n) % 17),
          value: JSON.stringify({ id: id + n, value: (id + n) / 4 }),
        }));
        await producer.send({ messages, acks: -1 });
      }
    };
    await produce(0, 2000);
    await expect.poll(async () => (await show()).taken, { timeout: 60_000 }).toBeGreaterThan(0);
    const producing = produce(2000, count);
    // It is awaited further down; what fails above it must not end as an unhandled one here.
    producing.catch(() => undefined);
    await product.untilRestarted("control", product.kill("control"));
    await broker.kill();
    await product.untilReady("control", 60_000);
    await expect.poll(async () => (await show()).state, { timeout: 60_000 }).toBe("retrying");
    expect((await show()).failure).toMatch(/^the Kafka cluster failed: [A-Z_, ]+$/);
    await broker.start();
    await producing;
    await producer.send({
      messages: ["no json", '{"id": "x", "value": 1}', "[1]"].map((value) => ({ topic: "measured", value })),
    });
    await producer.close();
    await expect.poll(async () => (await show()).taken, { timeout: 90_000, interval: 500 }).toBe(count + 3);
    expect(await show()).toMatchObject({ state: "reading", deadLetters: 2 });
    const ids = await acceptedIds(count);
    expect(ids).toEqual(Array.from({ length: count }, (_, id) => id));
  }, 300_000);

  test("no log of control has the password, and what is stopped is read no more", async () => {
    const log = readFileSync(join(product.home, "logs", "control.log"), "utf8");
    expect(log).toContain("data.subscription.failed");
    expect(log).not.toContain(kafkaUser.password);
    const { taken } = await show();
    await done(`data unsubscribe ${subscription}`);
    const producer = new Producer({ ...client(), serializers: stringSerializers });
    await producer.send({ messages: [{ topic: "measured", value: '{"id": -1, "value": 1}' }] });
    await producer.close();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await show()).toMatchObject({ state: "stopped", taken });
  });

  test("an event of ten megabytes is taken in whole, by request and by topic; a larger one is refused in words, and holds nobody up", async () => {
    const post = async (body: string) => {
      const response = await fetch(
        new URL("/v1/contracts/large/events?environment=dev", product.controlUrl),
        {
          method: "POST",
          headers: {
            authorization: `Bearer ${await product.token("admin")}`,
            "content-type": "application/x-ndjson",
          },
          body,
        },
      );
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect(await post(`${eventOf(1, 10 * mib)}\n`)).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await post(`${eventOf(2, 17 * mib)}\n`)).toMatchObject({
      status: 413,
      body: {
        code: "kernel.body_too_large",
        detail: "/v1/contracts/:name/events takes at most 16777216 bytes at once",
      },
    });
    const started = await done("data subscribe large --topic large --connection harbour --json");
    subscription = (JSON.parse(started.out) as Shown).id;
    const producer = new Producer({ ...client(), serializers: stringSerializers });
    for (const value of [eventOf(3, 10 * mib), eventOf(4, 17 * mib), eventOf(5, 10)])
      await producer.send({ messages: [{ topic: "large", value }], acks: -1 });
    await producer.close();
    await expect.poll(async () => (await show()).taken, { timeout: 90_000, interval: 500 }).toBe(3);
    expect(await show()).toMatchObject({ state: "reading", deadLetters: 1 });
    expect(await acceptedIds(3, "large")).toEqual([1, 3, 5]);
  }, 200_000);

  /** Ids of all rows that were published, in their order, once they are as many as that. */
  async function acceptedIds(count: number, of = "measured"): Promise<number[]> {
    const admin = await product.token("admin");
    const published = async () => {
      const { body } = await product.call("GET", `/v1/datasets?contract=${of}`, undefined, admin);
      return body["datasets"] as { readonly object: string; readonly rowCount: number }[];
    };
    await expect
      .poll(async () => (await published()).reduce((sum, { rowCount }) => sum + rowCount, 0), {
        timeout: 90_000,
        interval: 500,
      })
      .toBe(count);
    const objects = await openFolderObjectStore(join(product.home, "objects"), systemClock);
    const paths = await Promise.all(
      (await published()).map(({ object }) => objects.localPath(object as Digest)),
    );
    const { rows } = await createDuckDbEngine().run({
      statements: [
        {
          sql: `select id::integer as id from read_parquet([${paths.map((path) => `'${path}'`).join(", ")}]) order by id`,
          returns: "ids",
        },
      ],
      readable: paths,
      workFolder: mkdtempSync(join(tmpdir(), "portolan-ids-")),
    });
    return (rows["ids"] ?? []).map(({ id }) => Number(id));
  }
});
