// Calls one operation of the Lambda API with AWS's SDK; tells what comes, when it comes.
// node sdk_client.mjs MODULES ENDPOINT OPERATION INPUT > lines of JSON
import { createRequire } from "node:module";

const [modules, endpoint, operation, text] = process.argv.slice(2);
const sdk = createRequire(`${modules}/`)("@aws-sdk/client-lambda");

const client = new sdk.LambdaClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "key", secretAccessKey: "secret" },
  maxAttempts: 1,
});

function tell(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

try {
  const input = JSON.parse(text);
  if (input.Payload !== undefined) input.Payload = Buffer.from(input.Payload);
  const answer = await client.send(new sdk[`${operation}Command`](input));
  const { $metadata, EventStream, Payload, ...fields } = answer;
  const output = { ...fields, status: $metadata.httpStatusCode };
  if (Payload !== undefined) output.Payload = Payload.transformToString();
  tell({ output });
  for await (const event of EventStream ?? []) {
    if (event.PayloadChunk !== undefined) {
      tell({ chunk: Buffer.from(event.PayloadChunk.Payload).toString("base64") });
    } else {
      tell({ complete: event.InvokeComplete });
    }
  }
} catch (error) {
  const { name, message, Reason } = error;
  tell({ error: { name, message, Reason, status: error.$metadata?.httpStatusCode } });
}
client.destroy();
