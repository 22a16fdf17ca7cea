// A handler without tailrace's SDK that calls the gateway back itself.
import { once } from "node:events";
import http from "node:http";
import { pipeline } from "node:stream/promises";
import { Gate, query } from "./gate.mjs";

async function* chunks(asked, gate) {
  for (let number = 0; number < Number(asked.get("count")); number++) {
    await gate.wait();
    yield Buffer.alloc(Number(asked.get("size")), 65 + number);
  }
  await gate.wait();
}

export const handler = async (event) => {
  const gate = new Gate(event);
  const headers = { "content-type": "text/plain", "x-status-code": "201" };
  const upload = http.request(event.origin, { method: "POST", headers });
  upload.flushHeaders();
  const sending = pipeline(chunks(query(event), gate), upload);
  const [[answer]] = await Promise.all([once(upload, "response"), sending]);
  answer.resume();
  gate.close();
  return answer.statusCode;
};
