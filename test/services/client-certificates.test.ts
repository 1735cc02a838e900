import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";
import { type TestGateway, TestInstallation } from "../../apps/gateway/test/installation.ts";

const installation = new TestInstallation();
const folder = join(installation.home, "pki");
const id = "spiffe://example.org/ns/shop/sa/pricing";
const server = writeTestCertificate(installation.home);
let gateway: TestGateway;

interface Leaf {
  readonly cert: string;
  readonly key: string;
}

/** An authority made by openssl, and what it signs. */
class Authority {
  readonly #name: string;
  readonly certFile: string;

  constructor(name: string) {
    this.#name = name;
    const own = join(folder, name);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, "index.txt"), "");
    const dn = "[dn]\ncommonName=optional\norganizationName=optional\n";
    writeFileSync(
      join(own, "ca.cnf"),
      `[ca]\ndefault_ca=own\n[own]\ndatabase=${own}/index.txt\nnew_certs_dir=${own}\nrand_serial=yes\ndefault_md=sha256\npolicy=dn\nunique_subject=no\n${dn}`,
    );
    this.certFile = join(own, "ca.pem");
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
      "req",
      "-x509",
      ...curve,
      "-days",
      "30",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      join(own, "ca.key"),
      "-out",
      this.certFile,
    );
  }

  /** @param life start and end as openssl writes times, `YYMMDDHHMMSSZ` */
  sign(
    names: string,
    extensions = "",
    life: readonly [string, string] = ["200101000000Z", "491231235959Z"],
  ): Leaf {
    const own = join(folder, this.#name);
    const leaf = join(own, `${Math.random()}`);
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-new", ...curve, "-subj", "/O=test", "-keyout", `${leaf}.key`, "-out", `${leaf}.csr`);
    writeFileSync(`${leaf}.cnf`, `subjectAltName=${names}\n${extensions}`);
    const [from, to] = life;
    const signing = ["-config", join(own, "ca.cnf"), "-cert", this.certFile, "-keyfile", join(own, "ca.key")];
    openssl(
      "ca",
      "-batch",
      "-notext",
      ...signing,
      "-startdate",
      from,
      "-enddate",
      to,
      "-extfile",
      `${leaf}.cnf`,
      "-in",
      `${leaf}.csr`,
      "-out",
      `${leaf}.pem`,
    );
    return { cert: readFileSync(`${leaf}.pem`, "utf8"), key: readFileSync(`${leaf}.key`, "utf8") };
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

mkdirSync(folder, { recursive: true });
const ours = new Authority("ours");
const foreign = new Authority("foreign");
const bundleFile = join(folder, "bundle.pem");

beforeAll(async () => {
  writeFileSync(bundleFile, readFileSync(ours.certFile));
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  installation.addSubject("spiffe://example.org", id);
  await installation.publish(1);
  gateway = await installation.start({
    TLS_CERT_FILE: server.certFile,
    TLS_KEY_FILE: server.keyFile,
    SPIFFE_TRUST_BUNDLE_FILE: bundleFile,
    SPIFFE_TRUST_DOMAIN: "example.org",
  });
});
afterAll(() => installation.dispose());

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

/** One inference over a connection of its own. */
function ask(leaf: Leaf | undefined, authorization?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port: Number(new URL(gateway.url).port),
        path: "/v2/models/score/infer",
        method: "POST",
        ca: server.certificatePem,
        agent: false,
        ...leaf,
        headers: authorization === undefined ? {} : { authorization },
      },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("client certificates made by openssl", () => {
  test("a workload of the trust domain is the service account whose subject it is, as the snapshot's grants decide", async () => {
    expect(await ask(ours.sign(`URI:${id}`))).toBe(200);
    expect(
      await ask(ours.sign(`URI:${id}`, "extendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=CA:false")),
    ).toBe(200);
    expect(await ask(ours.sign(`DNS:pricing.example.org,URI:${id}`))).toBe(200);
  });

  test.each<[string, () => Leaf | undefined]>([
    ["no certificate at all", () => undefined],
    ["a workload that is nobody's subject", () => ours.sign("URI:spiffe://example.org/ns/shop/sa/other")],
    ["a foreign authority's certificate for the same id", () => foreign.sign(`URI:${id}`)],
    ["an expired one", () => ours.sign(`URI:${id}`, "", ["200101000000Z", "210101000000Z"])],
    ["one that does not count yet", () => ours.sign(`URI:${id}`, "", ["480101000000Z", "490101000000Z"])],
    [
      "another trust domain under our authority",
      () => ours.sign("URI:spiffe://other.org/ns/shop/sa/pricing"),
    ],
    ["two ids in one certificate", () => ours.sign(`URI:${id},URI:spiffe://example.org/ns/shop/sa/admin`)],
    ["a URI that is no SPIFFE id", () => ours.sign("URI:https://example.org/ns/shop/sa/pricing")],
    ["the id as a DNS name", () => ours.sign("DNS:example.org")],
    ["a certificate for servers alone", () => ours.sign(`URI:${id}`, "extendedKeyUsage=serverAuth")],
    [
      "an authority's own certificate",
      () => ours.sign(`URI:${id}`, "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign"),
    ],
  ])("%s is refused", async (_, leaf) => {
    expect(await ask(leaf())).toBe(401);
  });

  test("a credential that is sent decides alone: a good key beside a bad certificate, and the other way round", async () => {
    expect(await ask(foreign.sign(`URI:${id}`), `Bearer ${installation.apiKey}`)).toBe(200);
    expect(await ask(ours.sign(`URI:${id}`), "Bearer ptk_dev_nonsense")).toBe(401);
  });

  test("gRPC takes the same certificates and refuses the same", async () => {
    expect(await askGrpc(ours.sign(`URI:${id}`))).toBe(0);
    expect(await askGrpc(foreign.sign(`URI:${id}`))).toBe(16);
    expect(await askGrpc(undefined)).toBe(16);
    expect(await askGrpc(undefined, installation.apiKey)).toBe(0);
  });

  test("an authority that is replaced in the bundle's file counts no longer, and the new one does, without a restart", async () => {
    const [old, next] = [ours.sign(`URI:${id}`), foreign.sign(`URI:${id}`)];
    writeFileSync(bundleFile, "half a certi");
    await new Promise((resolve) => setTimeout(resolve, 11_000));
    expect(await ask(old)).toBe(200);
    writeFileSync(bundleFile, readFileSync(foreign.certFile));
    for (let i = 0; i < 60 && (await ask(next)) !== 200; i++)
      await new Promise((resolve) => setTimeout(resolve, 250));
    expect([await ask(next), await ask(old)]).toEqual([200, 401]);
    expect([await askGrpc(next), await askGrpc(old)]).toEqual([0, 16]);
  });
});

/** The code of the call's status. */
async function askGrpc(leaf: Leaf | undefined, apiKey?: string): Promise<number> {
  const client = new GrpcClient(gateway.grpcAddress, apiKey, { ca: server.certificatePem, ...leaf });
  const tensor = { name: "x", datatype: "FP32", shape: ["1", "2"], contents: { fp32_contents: [1, 2] } };
  const message = { model_name: "score", inputs: [tensor] };
  try {
    await client.call(
      "ModelInfer",
      { codec: messages.inferRequest, message: message as never },
      messages.inferResponse,
    );
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  } finally {
    client.close();
  }
}
