// GETs many URLs with undici and tells, for each, what came of it.
// node cut_undici.mjs MODULES request|fetch < JSON list of URLs > JSON list of results
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const [modules, way] = process.argv.slice(2);
const undici = createRequire(`${modules}/`)("undici");
const PATIENCE_MS = 10_000;
const AT_ONCE = 16;

const dispatcher = new undici.Agent({ connections: AT_ONCE });

async function get(url) {
  const seen = { complete: false, hung: false, status: 0, body: "", said: "" };
  const options = { dispatcher, signal: AbortSignal.timeout(PATIENCE_MS) };
  try {
    const response = await undici[way](url, options);
    seen.status = response.status ?? response.statusCode;
    for await (const piece of response.body) seen.body += Buffer.from(piece).toString("latin1");
    seen.complete = true;
  } catch (error) {
    seen.said = String(error.cause ?? error);
    seen.hung = options.signal.aborted;
  }
  return seen;
}

const urls = JSON.parse(await text(process.stdin));
const results = [];
let next = 0;
async function work() {
  while (next < urls.length) {
    const index = next++;
    results[index] = await get(urls[index]);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.stdout.write(JSON.stringify(results));
await dispatcher.close();
