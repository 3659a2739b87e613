// `node get.mjs URL [BODY]`: prints the answer and exits 0, or says why there is none and exits 1.
// With /ticks it prints each line with its time until the connection ends, however it ends.
import http from "node:http";
import process from "node:process";

const [url, body] = process.argv.slice(2);
if (url === undefined) {
  console.error("usage: node get.mjs URL [BODY]");
  process.exit(64);
}

const request = http.request(url, { method: body === undefined ? "GET" : "POST", timeout: 5_000, agent: false });
request.on("response", (response) => {
  request.setTimeout(0);
  response.setEncoding("utf8");
  response.on("data", (text) => process.stdout.write(text));
  response.on("end", () => process.exit(response.statusCode === 200 ? 0 : 1));
  response.on("error", failed);
});
request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
request.on("error", failed);
request.end(body);

function failed(error) {
  console.error(`${url}: ${error.code ?? error.message}`);
  process.exit(1);
}
