// Parses event streams with npm's eventsource-parser.
// node event_parser.mjs MODULES; a line of standard input is a JSON list of pieces in base64, and
// of standard output the list of its events.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { createParser } = createRequire(`${process.argv[2]}/`)("eventsource-parser");

for await (const line of createInterface({ input: process.stdin })) {
  const events = [];
  const retries = [];
  let wrong = null;
  const parser = createParser({
    onEvent: ({ id, event, data }) => events.push({ id: id ?? null, event: event ?? null, data }),
    onRetry: (retry) => retries.push(retry),
    onError: (error) => (wrong = String(error)),
  });
  const decoder = new TextDecoder();
  for (const piece of JSON.parse(line)) {
    parser.feed(decoder.decode(Buffer.from(piece, "base64"), { stream: true }));
  }
  process.stdout.write(`${JSON.stringify({ events, retries, wrong })}\n`);
}
