import { createServer } from "node:http";
import { BareBatcher } from "./bare-batcher.ts";

/**
 * The limit that governance is measured against: node:http and ONNX Runtime with batch-while-busy, and nothing else. No
 * authentication, no limits, no validation, no log.
 *
 * Usage: node bench/gateway/bare-server.ts <model.onnx> <input name> <columns>; prints its port.
 */
const [file = "", input = "x", columnsText = "30"] = process.argv.slice(2);
const batcher = await BareBatcher.open(file, input, Number(columnsText));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { inputs: [{ data: number[] }] };
    batcher.push(body.inputs[0].data, (outputs) => {
      const tensors = outputs.map(
        ({ name, shape, data }) =>
          `{"name":"${name}","datatype":"FP32","shape":[${shape.join(",")}],"data":[${data.join(",")}]}`,
      );
      const text = `{"model_name":"m","model_version":"1","outputs":[${tensors.join(",")}]}`;
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      });
      response.end(text);
    });
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(typeof address === "object" ? address?.port : address);
});
