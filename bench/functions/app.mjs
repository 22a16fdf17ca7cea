// The same function as `small` of app.py, for AWS's own runtime for Node.js.
const SMALL = "data: 0123456789 0123456789 0123456789 0123456789 0123456789 12\n";

export const small = awslambda.streamifyResponse(async (event, stream) => {
  const head = { statusCode: 200, headers: { "content-type": "text/plain" } };
  const response = awslambda.HttpResponseStream.from(stream, head);
  response.write(SMALL);
  response.end();
});
