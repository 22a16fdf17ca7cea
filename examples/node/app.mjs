// A streaming function without an SDK: plain Node.js, no packages.
//
// The gateway's event has three keys for functions in any language:
//   origin     where to POST the response; what is written there is on its way to the client
//   url        path and query of the client's request
//   requestId  names the exchange
//
// Try `curl -N http://127.0.0.1:8080/node`.

import { once } from "node:events";
import http from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

async function* lines({ url, requestId }) {
  console.log(`${requestId} asks for ${url}`);
  for (let number = 1; number <= 10; number++) {
    const time = new Date().toISOString().slice(11, 23);
    yield `line ${String(number).padStart(2)} of 10, written at ${time}\n`;
    await sleep(200);
  }
}

function handler(event) {
  const headers = { "content-type": "text/plain; charset=utf-8", expect: "100-continue" };
  const upload = http.request(event.origin, { method: "POST", headers });
  upload.once("information", ({ headers }) => {
    // Work only when the gateway's 100 names the exchange; another answer means that nobody waits.
    if (headers["tailrace-exchange"] !== event.requestId) upload.destroy(new Error("not the gateway's 100"));
    else pipeline(lines(event), upload).catch(() => {}); // which destroys the upload: see "error"
  });
  upload.once("response", (answer) => {
    answer.resume();
    if (answer.statusCode === 200) return;
    console.error(`the gateway answered ${answer.statusCode}`);
    upload.destroy(); // nobody reads any more: ends lines(), too
  });
  upload.on("error", console.error); // logged, not thrown: Lambda would try again
  return new Promise((resolve) => upload.once("close", resolve));
}

// The Runtime API loop: ask for an event, handle it, say that it is done.

const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const agent = new http.Agent({ keepAlive: true });

async function call(method, url, body) {
  const request = http.request(url, { method, agent });
  request.end(body);
  const [response] = await once(request, "response");
  const pieces = await response.toArray();
  return { headers: response.headers, text: Buffer.concat(pieces).toString() };
}

for (;;) {
  const { headers, text } = await call("GET", `${runtime}/next`);
  await handler(JSON.parse(text));
  await call("POST", `${runtime}/${headers["lambda-runtime-aws-request-id"]}/response`, "null");
}
