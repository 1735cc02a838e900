import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { InferenceSession, Tensor } from "onnxruntime-node";

/**
 * The limit that governance is measured against: node:http and ONNX Runtime with batch-while-busy, and nothing else. No
 * authentication, no limits, no validation, no log.
 *
 * Usage: node bench/gateway/bare-server.ts <model.onnx> <input name> <columns>; prints its port.
 */
const [file = "", input = "x", columnsText = "30"] = process.argv.slice(2);
const columns = Number(columnsText);
const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" } as const;
const session = await InferenceSession.create(readFileSync(file), options);
const maxRows = 64;

interface Waiting {
  readonly data: readonly number[];
  readonly answer: (outputs: readonly string[]) => void;
}

let queue: Waiting[] = [];
let busy = false;

async function drain(): Promise<void> {
  busy = true;
  while (queue.length > 0) {
    const batch = queue.slice(0, maxRows);
    queue = queue.slice(maxRows);
    const data = new Float32Array(batch.length * columns);
    batch.forEach((one, at) => data.set(one.data, at * columns));
    const results = await session.run({ [input]: new Tensor("float32", data, [batch.length, columns]) });
    batch.forEach((one, at) =>
      one.answer(
        session.outputNames.map((name) => {
          const output = results[name];
          if (!output) throw new Error(`no output ${name}`);
          const width = output.data.length / batch.length;
          const part = (output.data as Float32Array).subarray(at * width, (at + 1) * width);
          const shape = [1, ...output.dims.slice(1)].join(",");
          return `{"name":"${name}","datatype":"FP32","shape":[${shape}],"data":[${part.join(",")}]}`;
        }),
      ),
    );
  }
  busy = false;
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { inputs: [{ data: number[] }] };
    queue.push({
      data: body.inputs[0].data,
      answer: (outputs) => {
        const text = `{"model_name":"m","model_version":"1","outputs":[${outputs.join(",")}]}`;
        response.writeHead(200, {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text),
        });
        response.end(text);
      },
    });
    if (!busy) void drain();
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
